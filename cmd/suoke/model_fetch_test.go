package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/store"
)

// lastWords is an empty termination message, as the kubelet makes it.
func lastWords(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func said(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// onWarning calls a function at each warning of a log.
type onWarning struct {
	slog.Handler
	call func()
}

func (h onWarning) Handle(ctx context.Context, record slog.Record) error {
	if record.Level == slog.LevelWarn {
		h.call()
	}
	return h.Handler.Handle(ctx, record)
}

func warned(t *testing.T, call func()) *slog.Logger {
	t.Helper()
	return slog.New(onWarning{slog.NewTextHandler(t.Output(), nil), call})
}

func TestAModelIsFetchedOnceItsRegistryIsThere(t *testing.T) {
	a := startArtifacts(t)
	digest := a.push(t, "models/digits:v1", digits())
	a.between(func(w http.ResponseWriter, _ *http.Request) bool {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return false
		}
		_ = connection.Close() // as from a Pod that is starting
		return true
	})
	warnings := 0
	o := modelFetchOptions{reference: a.host + "/models/digits@" + digest, to: t.TempDir(), lastWords: lastWords(t)}
	o.log = warned(t, func() {
		warnings++
		a.between(func(http.ResponseWriter, *http.Request) bool { return false })
	})
	if err := runModelFetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(digits(), read(t, o.to)); diff != "" || warnings != 1 {
		t.Errorf("after %d warnings (-pushed +fetched):\n%s", warnings, diff)
	}
	if text := said(t, o.lastWords); text != "" {
		t.Errorf("the termination message of a fetch that succeeded is %q", text)
	}
}

func TestAModelIsFetchedOnceItIsPushed(t *testing.T) {
	a := startArtifacts(t)
	warnings := 0
	o := modelFetchOptions{reference: a.host + "/models/digits:v1", to: filepath.Join(t.TempDir(), "new")}
	o.log = warned(t, func() {
		warnings++
		a.push(t, "models/digits:v1", digits())
	})
	if err := runModelFetch(t.Context(), o); err != nil || warnings != 1 {
		t.Fatalf("%v after %d warnings", err, warnings)
	}
	if diff := cmp.Diff(digits(), read(t, o.to)); diff != "" {
		t.Errorf("(-pushed +fetched):\n%s", diff)
	}
}

func TestAFetchThatIsKilledRefusesNothing(t *testing.T) {
	a := startArtifacts(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := modelFetchOptions{reference: a.host + "/models/digits:v1", to: t.TempDir(), lastWords: lastWords(t), log: warned(t, cancel)}
	err := runModelFetch(ctx, o)
	if !errors.Is(err, store.ErrNotFound) || exitCode(err) != 1 || said(t, o.lastWords) != "" {
		t.Errorf("status %d, %v, and the termination message %q", exitCode(err), err, said(t, o.lastWords))
	}
}

func TestWhatCannotBeFetchedEndsWithItsReason(t *testing.T) {
	a := startArtifacts(t)
	first := a.push(t, "models/digits:v1", digits())
	other := a.push(t, "models/digits:v2", map[string]string{"model.onnx": "other"})
	cut := a.push(t, "models/cut:v1", map[string]string{"model.onnx": strings.Repeat("cut ", 3000), "model.json": "{}"})
	truncate(t, a, "models/cut@"+cut, "model.onnx")
	forged := a.push(t, "models/forged:v1", map[string]string{"model.onnx": "forged"})
	a.between(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/models/forged/manifests/"+forged) {
			return false
		}
		_, _ = io.WriteString(w, `{"schemaVersion":2}`)
		return true
	})
	access := t.TempDir()
	mounted(t, access, credentials.Proof{Token: "a-token"})
	cases := map[string]struct{ reference, want string }{
		"a digest that the tag does not have": {a.host + "/models/digits:v1@" + other, "digest mismatch: the registry holds " + first},
		"a registry that sends another":       {a.host + "/models/forged@" + forged, "digest mismatch"},
		"a truncated file":                    {a.host + "/models/cut@" + cut, "model.onnx: invalid artifact: truncated, the registry holds 100 of 12000 bytes"},
		"a name that is not the system's own": {"--plain-http --credentials-dir=" + access + " model-registry.example.com/models/digits@" + first, "model-registry.example.com: credentials are sent in plain HTTP only to loopback and to model-registry inside the cluster"},
		"a reference of no sense":             {"model", `reference "model": names no registry`},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			to, words := t.TempDir(), lastWords(t)
			_, err := runSuoke(t, append([]string{"model", "fetch", "--to", to, "--termination-log", words}, strings.Fields(c.reference)...)...)
			if err == nil || exitCode(err) != 2 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("status %d, %v\nwant status 2, and %q in it", exitCode(err), err, c.want)
			}
			if got := said(t, words); err != nil && got != err.Error() {
				t.Errorf("the termination message is %q; want %q", got, err)
			}
			if files := read(t, to); files["model.onnx"] != "" {
				t.Errorf("a model is there: %d bytes", len(files["model.onnx"]))
			}
		})
	}
	t.Run("without a termination message", func(t *testing.T) {
		none := filepath.Join(t.TempDir(), "none")
		if _, err := runSuoke(t, "model", "fetch", "model", "--to", t.TempDir(), "--termination-log", none); exitCode(err) != 2 {
			t.Errorf("status %d, %v", exitCode(err), err)
		}
		if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that nobody asked for: %v", err)
		}
	})
}

// truncate cuts a file of an artifact on the registry's disk, as a disk that is full does.
func truncate(t *testing.T, a *artifacts, reference, file string) {
	t.Helper()
	out, err := runSuoke(t, "model", "inspect", reference, "--registry", a.host, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var described store.Description
	if err := json.Unmarshal([]byte(out), &described); err != nil {
		t.Fatal(err)
	}
	for _, f := range described.Files {
		if f.Path == file {
			hex := strings.TrimPrefix(f.Digest, "sha256:")
			if err := os.Truncate(filepath.Join(a.root, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data"), 100); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s has no file %s", reference, file)
}
