package store_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/registry"
	"github.com/suoke-life/suoke/internal/model/store"
)

// place is a real registry over HTTP, with a way for a test to step between it and its clients.
type place struct {
	host string
	root string
	// step, if not nil, may answer in the registry's place; it says whether it did.
	step func(w http.ResponseWriter, r *http.Request) bool
}

func start(t *testing.T) *place {
	t.Helper()
	p := &place{root: t.TempDir()}
	inner, err := registry.NewServer(t.Context(), p.root, registry.NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.step == nil || !p.step(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.Close()
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
	})
	p.host = strings.TrimPrefix(server.URL, "http://")
	return p
}

func (p *place) ref(t *testing.T, text string) ref.Reference {
	t.Helper()
	r, err := ref.Parse(text, p.host)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// quick is plain HTTP without long waits.
func quick() store.Options { return store.Options{PlainHTTP: true, Wait: time.Millisecond} }

// modelDir holds a small model.
func modelDir(t *testing.T) string {
	t.Helper()
	return dirOf(t, map[string]string{
		"model.onnx":       string(bytes.Repeat([]byte("weights "), 40_000)),
		"model.json":       `{"task":"regression","features":["a"]}`,
		"tokens/vocab.txt": "one\ntwo\n",
	})
}

func dirOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		name := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contents reads a directory back as dirOf writes it.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		path, relErr := filepath.Rel(dir, name)
		files[filepath.ToSlash(path)] = string(text)
		if err == nil {
			err = relErr
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

func push(t *testing.T, dir string, to ref.Reference) store.Pushed {
	t.Helper()
	pushed, err := store.Push(t.Context(), dir, to, quick())
	if err != nil {
		t.Fatal(err)
	}
	return pushed
}
