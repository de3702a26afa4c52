// Package serving answers the Open Inference Protocol v2 (REST) for one version of one model.
//
// It promises that a request which does not fit the model is refused with a sentence that says what to write, that at
// most a stated number of requests are held in memory and the rest are shed at once, that an answer holds finite numbers
// of the promised shape or is a 500, and that a server told to stop finishes what it took.
//
// It does not load models: an Engine does (package onnx). It knows one input of rows by features and one output of rows
// by labels or by one value, which is what a model artifact promises; binary tensors and gRPC are not spoken.
package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Engine computes a model's output. Infer is called from many goroutines at once.
type Engine interface {
	// Input and Output are the tensors of the graph, as it was loaded.
	Input() Tensor
	Output() Tensor
	// Infer returns the output of all rows, one after another. It returns early with an error when ctx ends.
	Infer(ctx context.Context, batch Batch) ([]float32, error)
}

// Tensor names a tensor of the graph. A dimension of -1 is free.
type Tensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// Batch is what a request asks: rows of features in the model's order, one row after another.
type Batch struct {
	Rows   int
	Values []float32
}

// Model is the version that is served and the meaning of its numbers.
type Model struct {
	Name, Version string
	Manifest      Manifest
}

// Options bound what the server takes on. A zero value takes the default.
type Options struct {
	HealthPath string // answers 200 while the process lives; default /health
	Concurrent int    // batches computed at once; default 1
	Queue      int    // requests that may wait beyond those; the next is shed with 429; 0 lets none wait
	MaxBody    int64  // bytes of a request; default 4 MiB
	MaxRows    int    // rows of a request; default 1024
	NoMetrics  bool   // leaves /metrics out
	Log        *slog.Logger
}

// Server is the HTTP handler of one model version.
type Server struct {
	model    Model
	engine   Engine
	input    Tensor
	output   Tensor
	options  Options
	gate     *gate
	metrics  *metrics
	metadata []byte
	mux      *http.ServeMux
	draining atomic.Bool
}

// New checks the engine's graph against the model's manifest and returns its server.
func New(model Model, engine Engine, options Options) (*Server, error) {
	if model.Name == "" || model.Version == "" {
		return nil, errors.New("a server needs the model's name and version")
	}
	input, output, err := model.Manifest.match(engine.Input(), engine.Output())
	if err != nil {
		return nil, err
	}
	options = options.withDefaults()
	if !strings.HasPrefix(options.HealthPath, "/") || strings.ContainsAny(options.HealthPath, "?#") {
		return nil, fmt.Errorf("the health path %q is not a path; write one like /health", options.HealthPath)
	}
	s := &Server{model: model, engine: engine, input: input, output: output, options: options}
	s.gate = newGate(options.Concurrent, options.Queue)
	s.metrics = newMetrics(prometheus.NewRegistry(), model, s.gate)
	if s.metadata, err = s.describe(); err != nil {
		return nil, fmt.Errorf("describing %s: %w", model.Name, err)
	}
	s.mux = s.routes()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.HealthPath == "" {
		o.HealthPath = "/health"
	}
	if o.Concurrent <= 0 {
		o.Concurrent = 1
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	if o.MaxRows <= 0 {
		o.MaxRows = 1024
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
