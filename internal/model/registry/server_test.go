package registry_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/registry"
	"github.com/suoke-life/suoke/internal/model/store"
)

// place is a registry process on a directory that outlives it.
type place struct {
	t       *testing.T
	root    string
	metrics *prometheus.Registry
	http    *httptest.Server

	mutex   sync.Mutex
	handler http.Handler
	server  *registry.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, root: filepath.Join(t.TempDir(), "registry")}
	p.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mutex.Lock()
		handler := p.handler
		p.mutex.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.http.Close)
	p.restart()
	t.Cleanup(func() {
		if err := p.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// restart ends the server and opens another on the same directory, as a new Pod does.
func (p *place) restart() {
	p.t.Helper()
	p.metrics = prometheus.NewRegistry()
	next, err := registry.NewServer(p.t.Context(), p.root, registry.NewMetrics(p.metrics), slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.server != nil {
		if err := p.server.Close(); err != nil {
			p.t.Error(err)
		}
	}
	p.server, p.handler = next, next
}

// between puts a test's handler before the server.
func (p *place) between(step func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	next := p.handler
	p.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { step(w, r, next) })
}

func (p *place) host() string { return strings.TrimPrefix(p.http.URL, "http://") }

func (p *place) ref(text string) ref.Reference {
	p.t.Helper()
	r, err := ref.Parse(text, p.host())
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *place) push(dir, name string) store.Pushed {
	p.t.Helper()
	pushed, err := store.Push(p.t.Context(), dir, p.ref(name), quick())
	if err != nil {
		p.t.Fatal(err)
	}
	return pushed
}

func quick() store.Options { return store.Options{PlainHTTP: true, Wait: time.Millisecond} }

// model is a directory with files that are transferred in more than one piece.
func model(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{
		"a.onnx": bytes.Repeat([]byte("a weights "), 50_000), "b.onnx": bytes.Repeat([]byte("b weights "), 50_000), "model.json": []byte(`{}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sameFiles(t *testing.T, want, got string) {
	t.Helper()
	read := func(dir string) map[string]string {
		files := map[string]string{}
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dir, path))
			files[path] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	if diff := cmp.Diff(read(want), read(got)); diff != "" {
		t.Errorf("not the files that were pushed:\n%.500s", diff)
	}
}

func TestARestartForgetsNothing(t *testing.T) {
	p := newPlace(t)
	dir := model(t)
	pushed := p.push(dir, "models/digits:v1")
	p.restart()
	for _, from := range []string{"models/digits:v1", "models/digits@" + pushed.Digest} {
		to := filepath.Join(t.TempDir(), "model")
		pulled, err := store.Pull(t.Context(), p.ref(from), to, quick())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(pushed.Artifact, pulled); diff != "" {
			t.Error(diff)
		}
		sameFiles(t, dir, to)
	}
	entries, err := store.List(t.Context(), p.host(), quick())
	if err != nil || len(entries) != 1 || entries[0].Digest != pushed.Digest {
		t.Errorf("listed %v, %v", entries, err)
	}
}

// The connection breaks in the middle of a file, nobody answers for a while, and then a new process does.
func TestARestartInMidPullLosesNothing(t *testing.T) {
	p := newPlace(t)
	dir := model(t)
	p.push(dir, "models/digits:v1")
	var broken sync.Once
	p.between(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			next.ServeHTTP(w, r)
			return
		}
		broken.Do(p.restart) // whoever asks from now on asks the new process
		w.Header().Set("Content-Length", "500000")
		_, _ = w.Write([]byte("a weights a wei"))
		panic(http.ErrAbortHandler)
	})
	to := filepath.Join(t.TempDir(), "model")
	if _, err := store.Pull(t.Context(), p.ref("models/digits:v1"), to, quick()); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, dir, to)
}

func TestAPushThatBreaksOffShowsNothing(t *testing.T) {
	p := newPlace(t)
	p.between(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	dir := model(t)
	options := quick()
	if _, err := store.Push(t.Context(), dir, p.ref("models/digits:v1"), options); !errors.Is(err, store.ErrUnreachable) {
		t.Fatalf("the push ended with %v", err)
	}
	p.restart()
	if _, err := store.Resolve(t.Context(), p.ref("models/digits:v1"), quick()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half of a model resolves to %v", err)
	}
	if entries, err := store.List(t.Context(), p.host(), quick()); err != nil || len(entries) != 0 {
		t.Errorf("listed %v, %v", entries, err)
	}
	again := p.push(dir, "models/digits:v1")
	if again.SentBytes > 1000 {
		t.Errorf("the next push sent %d bytes that the registry had", again.SentBytes)
	}
}

func TestTheRegistryRefuses(t *testing.T) {
	p := newPlace(t)
	p.push(model(t), "models/digits:v1")
	for name, c := range map[string]struct {
		method, path string
		body         []byte
		want         int
	}{
		"a manifest of more than 4 MiB": {http.MethodPut, "/v2/models/digits/manifests/big", bytes.Repeat([]byte(" "), 5<<20), http.StatusBadRequest},
		"a manifest that is none":       {http.MethodPut, "/v2/models/digits/manifests/none", []byte("none"), http.StatusBadRequest},
		"to delete":                     {http.MethodDelete, "/v2/models/digits/manifests/v1", nil, http.StatusMethodNotAllowed},
		"a listing without end":         {http.MethodGet, "/v2/_catalog?n=1000000", nil, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, p.http.URL+c.path, bytes.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != c.want {
				t.Errorf("answered %s, want %d", response.Status, c.want)
			}
		})
	}
}

func TestADirectoryThatCannotBeUsedIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := registry.NewServer(t.Context(), filepath.Join(file, "registry"), registry.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("opened: %v", err)
	}
	p := newPlace(t)
	if err := p.server.Ready(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(p.root); err != nil {
		t.Fatal(err)
	}
	if err := p.server.Ready(); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("ready without its directory: %v", err)
	}
}

func TestTransfersAreCounted(t *testing.T) {
	p := newPlace(t)
	dir := model(t)
	pushed := p.push(dir, "models/digits:v1")
	if _, err := store.Pull(t.Context(), p.ref("models/digits:v1"), filepath.Join(t.TempDir(), "model"), quick()); err != nil {
		t.Fatal(err)
	}
	p.http.Close() // so that every request is counted
	const want = `
# HELP suoke_registry_blobs_served_total Blobs that were fetched.
# TYPE suoke_registry_blobs_served_total counter
suoke_registry_blobs_served_total 3
`
	if err := testutil.GatherAndCompare(p.metrics, strings.NewReader(want), "suoke_registry_blobs_served_total"); err != nil {
		t.Error(err)
	}
	families, err := p.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			counts[family.GetName()] += metric.GetCounter().GetValue()
		}
	}
	for _, name := range []string{"suoke_registry_sent_bytes_total", "suoke_registry_received_bytes_total"} {
		if counts[name] < float64(pushed.SizeBytes) {
			t.Errorf("%s is %v, below the %d bytes of the model", name, counts[name], pushed.SizeBytes)
		}
	}
	if counts["suoke_registry_requests_total"] == 0 {
		t.Errorf("no request is counted: %v", counts)
	}
}
