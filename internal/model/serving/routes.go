package serving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// statusClientGone counts a request whose client left before its answer; nobody reads the code.
const statusClientGone = 499

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", s.serverMetadata)
	mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, []byte(`{"live":true}`)) })
	mux.HandleFunc("GET /v2/health/ready", s.ready)
	mux.HandleFunc("GET /ready", s.ready)
	for _, model := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		mux.HandleFunc("GET "+model, s.ours(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.metadata) }))
		mux.HandleFunc("GET "+model+"/ready", s.ours(s.modelReady))
		mux.HandleFunc(model+"/infer", s.ours(s.infer(s.whole)))
		mux.HandleFunc(model+"/infer_stream", s.ours(s.infer(s.rowByRow)))
	}
	if !s.options.NoMetrics {
		mux.Handle("GET /metrics", s.metrics.handler())
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, fmt.Sprintf("there is no %s %s here; ask POST /v2/models/%s/infer", r.Method, r.URL.Path, s.model.Name))
	})
	return mux
}

// ServeHTTP answers one request. The health path goes last among equals: one that the protocol also names keeps the
// protocol's meaning.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		// Clients that keep connections then open the next one to another Pod.
		w.Header().Set("Connection", "close")
	}
	if r.URL.Path == s.options.HealthPath {
		if _, pattern := s.mux.Handler(r); pattern == "/" {
			writeJSON(w, http.StatusOK, []byte(`{"live":true}`))
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) serverMetadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, []byte(`{"name":"suoke-model-server","version":"2","extensions":[]}`))
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		writeJSON(w, http.StatusServiceUnavailable, []byte(`{"ready":false}`))
		return
	}
	writeJSON(w, http.StatusOK, []byte(`{"ready":true}`))
}

func (s *Server) modelReady(w http.ResponseWriter, _ *http.Request) {
	code := http.StatusOK
	if s.draining.Load() {
		code = http.StatusServiceUnavailable
	}
	encode(w, code, map[string]any{"name": s.model.Name, "ready": code == http.StatusOK})
}

// ours passes on requests to the model and version that are here.
func (s *Server) ours(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if model := r.PathValue("model"); model != s.model.Name {
			writeError(w, http.StatusNotFound, fmt.Sprintf("model %q is not here; this server has %q", model, s.model.Name))
			return
		}
		if version := r.PathValue("version"); version != "" && version != s.model.Version {
			writeError(w, http.StatusNotFound, fmt.Sprintf("version %q is not here; this server has %q", version, s.model.Version))
			return
		}
		next(w, r)
	}
}

// infer answers one inference request by the way of answering, and counts it.
func (s *Server) infer(answer func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			writeError(w, http.StatusMethodNotAllowed, "an inference is asked by POST")
			return
		}
		arrived := time.Now()
		err := answer(w, r)
		code := codeOf(r.Context(), err)
		s.metrics.count(code)
		if code == http.StatusOK || code == http.StatusInternalServerError {
			s.metrics.duration.Observe(time.Since(arrived).Seconds())
		}
		if err != nil {
			s.failed(w, r, code, err)
		}
	}
}

// failed answers a request that has no answer. Of a stream that has begun, only a connection that breaks tells the client.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, code int, err error) {
	switch code {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		err = errors.New("the model server is full; ask again in a second")
	case http.StatusInternalServerError:
		s.options.Log.ErrorContext(r.Context(), "inference failed", "error", err)
	}
	if _, begun := errors.AsType[streamError](err); begun {
		panic(http.ErrAbortHandler)
	}
	writeError(w, code, err.Error())
}

// whole answers all rows at once.
func (s *Server) whole(w http.ResponseWriter, r *http.Request) error {
	body, err := s.compute(w, r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// compute takes a request through admission, reading, the engine and encoding.
func (s *Server) compute(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := s.gate.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	id, batch, err := s.question(w, r)
	if err != nil {
		return nil, err
	}
	values, err := s.run(r.Context(), batch)
	if err != nil {
		return nil, err
	}
	return s.encode(id, batch.Rows, values)
}

// question reads a request's id and the rows it asks.
func (s *Server) question(w http.ResponseWriter, r *http.Request) (string, Batch, error) {
	body, err := s.read(w, r)
	if err != nil {
		return "", Batch{}, err
	}
	return s.parse(body)
}

func (s *Server) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Header.Get("Inference-Header-Content-Length") != "" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "binary tensors are not spoken here; write data as a JSON array"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.options.MaxBody))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes; send fewer rows a request", large.Limit)}
	}
	if err != nil {
		return nil, refuse("the body could not be read: %s", err)
	}
	return body, nil
}

func (s *Server) run(ctx context.Context, batch Batch) ([]float32, error) {
	if err := s.gate.acquire(ctx); err != nil {
		return nil, err
	}
	defer s.gate.release()
	values, err := s.engine.Infer(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("computing %d rows: %w", batch.Rows, err)
	}
	if err := s.check(values, batch.Rows); err != nil {
		return nil, err
	}
	s.metrics.rows.Add(float64(batch.Rows))
	return values, nil
}

// codeOf gives an outcome its status: the client's fault, ours, or neither.
func codeOf(ctx context.Context, err error) int {
	var refused *refusal
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, errFull):
		return http.StatusTooManyRequests
	case ctx.Err() != nil:
		return statusClientGone
	case errors.As(err, &refused):
		return refused.code
	default:
		return http.StatusInternalServerError
	}
}

func writeJSON(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

func writeError(w http.ResponseWriter, code int, message string) {
	encode(w, code, map[string]string{"error": message})
}

func encode(w http.ResponseWriter, code int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be encoded"}`)
	}
	writeJSON(w, code, body)
}
