package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
)

// guard is a way in which a registry asks for credentials.
type guard struct {
	step  func(w http.ResponseWriter, r *http.Request) bool
	proof credentials.Proof
	// guess is a token that does not open it, where it asks for one.
	guess string
}

// guards are the ways that registries have: a password, a token, and a password for which a service of theirs gives a token.
func guards(a *artifacts) map[string]guard {
	wants := func(header, challenge string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == header {
				return false
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	}
	password := credentials.Proof{Username: "me", Password: "open-sesame"}
	challenge := fmt.Sprintf(`Bearer realm="http://%s/token",service="x"`, a.host)
	issued := wants("Bearer issued", challenge)
	return map[string]guard{
		"a password": {wants("Basic bWU6b3Blbi1zZXNhbWU=", `Basic realm="x"`), password, ""},
		"a token":    {wants("Bearer a-token", challenge), credentials.Proof{Token: "a-token"}, "guessed-token"},
		"a password for a token": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/token" {
				return issued(w, r)
			}
			if name, word, _ := r.BasicAuth(); name != password.Username || word != password.Password {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			_, _ = io.WriteString(w, `{"token": "issued"}`)
			return true
		}, password, ""},
	}
}

// mounted writes a Secret's keys as the kubelet does.
func mounted(t *testing.T, dir string, proof credentials.Proof) {
	t.Helper()
	for key, value := range map[string]string{"username": proof.Username, "password": proof.Password, "token": proof.Token} {
		name := filepath.Join(dir, key)
		if value == "" {
			_ = os.Remove(name) // it may not be there
			continue
		}
		if err := os.WriteFile(name, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A version's Pods and the command must agree: a flag that it does not know ends every Pod.
func TestPodsFetchWithFlagsThatTheCommandKnows(t *testing.T) {
	t.Parallel()
	version := manifest.Version{ID: "m-v1-abcdef", Reference: "r/models/m@sha256:0", Credentials: &manifest.Credentials{Secret: "access", Keys: []string{"token"}}}
	args := version.Deployment("n", new(int32(1))).Spec.Template.Spec.InitContainers[0].Args
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil || cmd.Name() != "fetch" {
		t.Fatalf("%v is %s, %v", args, cmd.Name(), err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Error(err)
	}
	if dir := cmd.Flag("credentials-dir").Value.String(); dir != "/credentials/access" {
		t.Errorf("credentials are looked for in %q", dir)
	}
}

func TestAModelIsFetchedWithCredentials(t *testing.T) {
	a := startArtifacts(t)
	digest := a.push(t, "models/digits:v1", digits())
	for name, g := range guards(a) {
		t.Run(name, func(t *testing.T) {
			a.between(g.step)
			dir := t.TempDir()
			mounted(t, dir, g.proof)
			o := modelFetchOptions{reference: a.host + "/models/digits@" + digest, to: t.TempDir(), credentialsDir: dir, lastWords: lastWords(t), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
			if err := runModelFetch(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(digits(), read(t, o.to)); diff != "" {
				t.Errorf("(-pushed +fetched):\n%s", diff)
			}
		})
	}
}

// A Secret may come, and change, while the Pod waits for it. Nothing that it holds is logged.
func TestCredentialsAreReadAnewAtEachAttempt(t *testing.T) {
	a := startArtifacts(t)
	digest := a.push(t, "models/digits:v1", digits())
	g := guards(a)["a password"]
	a.between(g.step)
	dir := filepath.Join(t.TempDir(), "access")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	o := modelFetchOptions{reference: a.host + "/models/digits@" + digest, to: t.TempDir(), credentialsDir: dir, lastWords: lastWords(t)}
	attempt := 0
	o.log = slog.New(onWarning{slog.NewTextHandler(&said, nil), func() {
		attempt++
		wrong := g.proof
		wrong.Password = "guessed-word"
		mounted(t, dir, map[int]credentials.Proof{1: wrong, 2: g.proof}[attempt])
	}})
	if err := runModelFetch(t.Context(), o); err != nil || attempt != 2 {
		t.Fatalf("%v after %d attempts that failed", err, attempt)
	}
	if diff := cmp.Diff(digits(), read(t, o.to)); diff != "" {
		t.Errorf("(-pushed +fetched):\n%s", diff)
	}
	first, second, _ := strings.Cut(said.String(), "\n")
	if !strings.Contains(first, "no credentials: "+dir+" has neither a token nor username and password") ||
		!strings.Contains(second, "answered 401 Unauthorized; it wants other credentials than those in "+dir) {
		t.Errorf("logged %s", said.String())
	}
	for _, secret := range []string{"guessed-word", g.proof.Password} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("it logs a secret: %s", said.String())
		}
	}
}
