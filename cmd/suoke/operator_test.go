package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/test/indiscreet"
)

func TestReferencesAreResolvedWithReasons(t *testing.T) {
	t.Parallel()
	a := startArtifacts(t)
	digest := a.push(t, "models/digits:v1", map[string]string{"model.onnx": "graph", "model.json": "{}"})
	at := ref.Reference{Host: a.host, Repository: "models/digits", Tag: "v1"}

	got, err := resolver{}.Resolve(t.Context(), at, credentials.Proof{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != digest || got.Reference != at.At(digest).String() || got.SizeBytes == 0 {
		t.Errorf("resolved to %+v, pushed %s", got, digest)
	}

	const other = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	for name, c := range map[string]struct {
		change func(*ref.Reference)
		answer http.HandlerFunc
		reason string
	}{
		"a tag that is not there":       {func(r *ref.Reference) { r.Tag = "v9" }, nil, suokev1.ReasonArtifactNotFound},
		"another digest under the tag":  {func(r *ref.Reference) { r.Digest = other }, nil, suokev1.ReasonDigestMismatch},
		"a registry that is not there":  {func(r *ref.Reference) { r.Host = freeAddresses(t, 1)[0] }, nil, suokev1.ReasonRegistryUnreachable},
		"a registry that is overloaded": {func(*ref.Reference) {}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, suokev1.ReasonRegistryUnreachable},
		"a truncated manifest":          {func(*ref.Reference) {}, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"layers": [`)) }, suokev1.ReasonArtifactInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			a.between(func(w http.ResponseWriter, r *http.Request) bool {
				asked := c.answer != nil && strings.Contains(r.URL.Path, "/manifests/")
				if asked {
					c.answer(w, r)
				}
				return asked
			})
			wanted := at
			c.change(&wanted)
			_, err := resolver{}.Resolve(t.Context(), wanted, credentials.Proof{})
			if p := (*operator.Problem)(nil); !errors.As(err, &p) || p.Reason != c.reason || p.Denied {
				t.Errorf("got %v, want %s, and no denial", err, c.reason)
			}
		})
	}
}

func TestReferencesAreResolvedWithCredentials(t *testing.T) {
	t.Parallel()
	a := startArtifacts(t)
	digest := a.push(t, "models/digits:v1", map[string]string{"model.onnx": "graph", "model.json": "{}"})
	at := ref.Reference{Host: a.host, Repository: "models/digits", Tag: "v1"}
	for name, guard := range guards(a) {
		t.Run(name, func(t *testing.T) {
			a.between(guard.step)
			got, err := resolver{}.Resolve(t.Context(), at, guard.proof)
			if err != nil || got.Digest != digest {
				t.Errorf("resolved to %+v, %v", got, err)
			}
			for says, wrong := range map[string]credentials.Proof{
				"; it wants other credentials than none; name the Secret with them in repository.secretRef": {},
				"; it wants other credentials": {Username: "me", Password: "guessed-word", Token: guard.guess},
			} {
				_, err := resolver{}.Resolve(t.Context(), at, wrong)
				p := (*operator.Problem)(nil)
				if !errors.As(err, &p) || p.Reason != suokev1.ReasonRegistryUnreachable || !p.Denied || !strings.HasSuffix(err.Error(), says) {
					t.Errorf("%v, want %q at its end", err, says)
				}
				if err != nil && strings.Contains(err.Error(), "guessed") {
					t.Errorf("it says the secret: %v", err)
				}
			}
			dataset, err := ref.Dataset("digits", a.host)
			if err != nil {
				t.Fatal(err)
			}
			_, err = resolver{}.Resolve(t.Context(), dataset, credentials.Proof{})
			if err == nil || strings.Contains(err.Error(), "secretRef") || !strings.Contains(err.Error(), "it wants other credentials than none; data sets are read without credentials; put it into a registry that asks for none") {
				t.Errorf("a data set: %v", err)
			}
		})
	}
}

// What a registry says of a secret comes neither into a condition, which has the resolver's words, nor into a Pod's log or
// its termination message. Fetches wait between their attempts, so all are under way at once.
func TestWhatARegistrySaysOfASecretIsNotPassedOn(t *testing.T) {
	t.Parallel()
	var fetches sync.WaitGroup
	defer fetches.Wait()
	for name, proof := range map[string]credentials.Proof{
		"a password": {Username: indiscreet.Username, Password: indiscreet.Password},
		"a token":    {Token: indiscreet.Token},
	} {
		dir := t.TempDir()
		mounted(t, dir, proof)
		for sentence := range indiscreet.Answers("") {
			a := startArtifacts(t)
			a.between(indiscreet.Answers(a.host)[sentence])
			o := modelFetchOptions{reference: a.host + "/models/digits:v1", to: t.TempDir(), credentialsDir: dir, lastWords: lastWords(t)}
			fetches.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var log strings.Builder
				o.log = slog.New(onWarning{slog.NewTextHandler(&log, nil), cancel})
				fetched := runModelFetch(ctx, o)
				a.between(indiscreet.Answers(a.host)[sentence])
				_, err := resolver{}.Resolve(t.Context(), ref.Reference{Host: a.host, Repository: "models/digits", Tag: "v1"}, proof)
				if p := (*operator.Problem)(nil); !errors.As(err, &p) || fetched == nil {
					t.Errorf("%s is told %s: no reason is given: %v, %v", name, sentence, err, fetched)
				}
				words, unread := os.ReadFile(o.lastWords)
				everything := fmt.Sprint(err, fetched, unread, log.String(), string(words))
				if said := indiscreet.Said(everything); len(said) != 0 {
					t.Errorf("%s is told %s: %s\nsays %q", name, sentence, everything, said)
				}
			})
		}
	}
}

func TestARecordIsPulledAsItWasWritten(t *testing.T) {
	t.Parallel()
	a := startArtifacts(t)
	lines := func(to io.Writer) error {
		_, err := io.WriteString(to, "{}\n{}\n")
		return err
	}
	r := recorder{registry: a.host}
	if err := r.Record(t.Context(), "records/digits:v2-1", lines); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := ref.Reference{Host: a.host, Repository: "records/digits", Tag: "v2-1"}
	if _, err := store.Pull(t.Context(), at, dir, store.Options{PlainHTTP: true}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil || string(text) != "{}\n{}\n" {
		t.Errorf("pulled %q, %v", text, err)
	}
	if err := r.Record(t.Context(), "records/digits:v2-2", func(io.Writer) error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("what cannot be written gives %v", err)
	}
}

// The manifest and the command must agree: a flag that the command does not know ends every Pod.
func TestTheOperatorKnowsTheFlagsOfItsManifest(t *testing.T) {
	t.Parallel()
	manifest, err := os.ReadFile("../../internal/manifest/templates/operator.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	flags := newOperatorCommand().Flags()
	named := regexp.MustCompile(`- --([a-z-]+)=`).FindAllStringSubmatch(string(manifest), -1)
	if len(named) == 0 {
		t.Fatal("the manifest passes no flags")
	}
	for _, name := range named {
		if flags.Lookup(name[1]) == nil {
			t.Errorf("the manifest passes --%s", name[1])
		}
	}
	commands := newRootCommand().Commands()
	if !slices.ContainsFunc(commands, func(c *cobra.Command) bool { return c.Name() == "operator" }) {
		t.Error("suoke has no command operator")
	}
}
