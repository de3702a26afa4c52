package operator_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	modelregistry "github.com/suoke-life/suoke/internal/model/registry"
	"github.com/suoke-life/suoke/internal/model/store"
	"github.com/suoke-life/suoke/internal/release/operator"
)

// artifacts is a real registry on loopback. What is not of its host is asked of the made one, as data sets are.
type artifacts struct {
	t    *testing.T
	host string
	made *registry
	// wants is the header that it asks for, nil: none; silent: it answers nothing of use.
	wants  atomic.Pointer[string]
	silent atomic.Bool
	asked  atomic.Int64
}

// withArtifacts has a system ask a real registry.
func withArtifacts(t *testing.T) (*artifacts, func(*system)) {
	t.Helper()
	a := &artifacts{t: t}
	inner, err := modelregistry.NewServer(t.Context(), t.TempDir(), modelregistry.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(a.guarded(inner))
	t.Cleanup(func() {
		front.Close()
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
	})
	a.host = strings.TrimPrefix(front.URL, "http://")
	return a, func(s *system) { a.made, s.resolver = s.registry, a }
}

func (a *artifacts) guarded(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		wants := a.wants.Load()
		switch {
		case a.silent.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case wants != nil && r.Header.Get("Authorization") != *wants:
			scheme, _, _ := strings.Cut(*wants, " ")
			w.Header().Set("WWW-Authenticate", scheme+` realm="http://`+a.host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

// guard lets only those in who show a header.
func (a *artifacts) guard(authorization string) { a.wants.Store(&authorization) }

// push publishes a model under a name and returns its digest.
func (a *artifacts) push(name, weights string) string {
	a.t.Helper()
	dir := a.t.TempDir()
	for file, text := range map[string]string{"model.onnx": weights, "model.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	to, err := ref.Parse(ref.Scheme+a.host+"/"+name, "")
	if err != nil {
		a.t.Fatal(err)
	}
	pushed, err := store.Push(a.t.Context(), dir, to, store.Options{PlainHTTP: true})
	if err != nil {
		a.t.Fatal(err)
	}
	return pushed.Digest
}

// at makes a model one of this registry.
func (a *artifacts) at(spec *suokev1.AIModelSpec) {
	spec.Repository.URL = "oci://" + a.host + "/models/digits"
}

// Resolve asks the registry, as `suoke operator` does.
func (a *artifacts) Resolve(ctx context.Context, reference ref.Reference, proof credentials.Proof) (operator.Artifact, error) {
	if reference.Host != a.host {
		return a.made.Resolve(ctx, reference, proof)
	}
	found, err := store.Resolve(ctx, reference, store.Options{PlainHTTP: true, Credentials: proof, Attempts: 1})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return operator.Artifact{}, &operator.Problem{Reason: suokev1.ReasonArtifactNotFound, Err: err}
	case errors.Is(err, store.ErrUnreachable):
		return operator.Artifact{}, &operator.Problem{Reason: suokev1.ReasonRegistryUnreachable, Denied: errors.Is(err, store.ErrDenied), Err: err}
	}
	return operator.Artifact{Reference: found.Reference, Digest: found.Digest, SizeBytes: found.SizeBytes}, err
}
