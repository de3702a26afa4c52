package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // registers the driver named below
)

const (
	// stallTimeout is how long a client may take no byte, or send none, before it loses its connection. A transfer that
	// moves may take as long as it needs.
	stallTimeout = time.Minute
	// an upload that nobody finished is removed after a day.
	uploadAge, uploadSweep = "24h", "1h"
	// catalogPage is the longest page of a listing of repositories.
	catalogPage = 1000
)

// Server is the OCI distribution API over a directory.
type Server struct {
	root    string
	app     *handlers.App
	metrics *serverMetrics
}

// NewServer opens the directory. Closing ends what it does in the background; the files stay.
func NewServer(ctx context.Context, root string, metrics *Metrics, log *slog.Logger) (server *Server, err error) {
	if err := os.MkdirAll(root, 0o750); err != nil {
		return nil, fmt.Errorf("opening the registry's directory: %w", err)
	}
	defer func() {
		// The library reports a configuration that it cannot use by a panic.
		if cause := recover(); cause != nil {
			server, err = nil, fmt.Errorf("opening the registry's directory %s: %v", root, cause)
		}
	}()
	logLibrary(log)
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": configuration.Parameters{"rootdirectory": root},
			"redirect":   configuration.Parameters{"disable": true},
			"maintenance": configuration.Parameters{"uploadpurging": map[any]any{
				"enabled": true, "age": uploadAge, "interval": uploadSweep, "dryrun": false,
			}},
		},
	}
	// Uploads are signed with it. A new one at each start ends unfinished uploads, which are then begun again.
	config.HTTP.Secret = rand.Text()
	config.Catalog.MaxEntries = catalogPage
	return &Server{root: root, app: handlers.NewApp(ctx, config), metrics: metrics.server}, nil
}

// Close ends the background work.
func (s *Server) Close() error { return s.app.Shutdown() }

// Ready says why the directory cannot be served.
func (s *Server) Ready() error {
	probe, err := os.CreateTemp(s.root, ".ready-*")
	if err != nil {
		return fmt.Errorf("the registry's directory cannot be written: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(filepath.Clean(probe.Name())))
}

// ServeHTTP answers the OCI distribution API. The deadlines of the process's other requests are far too short for a blob,
// so each transfer has deadlines of its own, which move with it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connection := deadlines{http.NewResponseController(w)}
	connection.reading(time.Time{})
	counted := &countingWriter{ResponseWriter: w, connection: connection, code: http.StatusOK}
	if r.Body != nil {
		r.Body = &countingBody{ReadCloser: r.Body, connection: connection, count: s.metrics.received}
	}
	s.app.ServeHTTP(counted, r)
	s.metrics.observe(r, counted)
	// What is left of both is the server's: the rest of a body that nobody read, and the end of the answer.
	connection.reading(time.Now().Add(stallTimeout))
	connection.writing(time.Now().Add(stallTimeout))
}

// deadlines are those of one connection. One that has none, as in a test without a network, has nothing to bound.
type deadlines struct{ *http.ResponseController }

func (d deadlines) reading(until time.Time) { _ = d.SetReadDeadline(until) }
func (d deadlines) writing(until time.Time) { _ = d.SetWriteDeadline(until) }

// countingWriter counts what is sent.
type countingWriter struct {
	http.ResponseWriter
	connection deadlines
	code       int
	sent       int64
}

// WriteHeader notes the status.
func (w *countingWriter) WriteHeader(code int) {
	w.code = code
	w.connection.writing(time.Now().Add(stallTimeout))
	w.ResponseWriter.WriteHeader(code)
}

// Write counts.
func (w *countingWriter) Write(p []byte) (int, error) {
	w.connection.writing(time.Now().Add(stallTimeout))
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

type countingBody struct {
	io.ReadCloser
	connection deadlines
	count      interface{ Add(float64) }
}

// Read counts. After the last byte no deadline runs: it would end the request while what came is still being put away.
func (b *countingBody) Read(p []byte) (int, error) {
	b.connection.reading(time.Now().Add(stallTimeout))
	n, err := b.ReadCloser.Read(p)
	b.connection.reading(time.Time{})
	b.count.Add(float64(n))
	return n, err
}

// operation names what a request is about, in a few words that do not grow with what is stored.
func operation(path string) string {
	for _, name := range []string{"blobs/uploads", "blobs", "manifests", "tags", "_catalog"} {
		if strings.Contains(path, "/"+name+"/") || strings.HasSuffix(path, "/"+name) {
			return strings.ReplaceAll(strings.TrimPrefix(name, "_"), "blobs/", "")
		}
	}
	return "base"
}
