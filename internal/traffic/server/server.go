// Package server runs the listeners of one process of the data plane: bounded in header, time and size, with the probes
// and metrics that every process has, and a stop that loses no request. When the context given to Run ends, /ready turns
// to 503 while requests are still served, for as long as the cluster may take to notice; then the listeners close in
// order, each once its requests in flight are answered.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

const (
	maxHeader     = 64 << 10
	headerTimeout = 10 * time.Second
	// requestTimeout bounds reading a request, answerTimeout the whole of it: above the longest deadline of any hop.
	requestTimeout = 60 * time.Second
	answerTimeout  = 90 * time.Second
	// idleTimeout is above that of our own clients, so that the server never closes a connection they are about to use.
	idleTimeout = 2 * time.Minute
)

// Listener is an address and who answers there.
type Listener struct {
	Address string
	Handler http.Handler
}

// Server is one process's listeners.
type Server struct {
	// Listeners in the order in which they stop: the public one first, the one for probes last.
	Listeners []Listener
	// Ready says why the process should get no requests yet; nil: it should.
	Ready func() error
	// Delay between the end of the context and closing the first listener.
	Delay time.Duration
	// Drain is the longest wait for requests in flight.
	Drain time.Duration
	Log   *slog.Logger

	stopping atomic.Bool
}

// NewRegistry returns a registry with the metrics of the Go runtime and the process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// Probes adds /health, /ready and /metrics to a mux.
func (s *Server) Probes(mux *http.ServeMux, metrics prometheus.Gatherer) {
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.ready(); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
}

func (s *Server) ready() error {
	if s.stopping.Load() {
		return errors.New("stopping")
	}
	if s.Ready == nil {
		return nil
	}
	return s.Ready()
}

// Run serves until the context ends, then drains. It returns nil if every request was answered.
func (s *Server) Run(ctx context.Context) error {
	var sockets []net.Listener
	for _, l := range s.Listeners {
		socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
		if err != nil {
			for _, open := range sockets {
				_ = open.Close() // nothing was served on it yet
			}
			return fmt.Errorf("listening: %w", err)
		}
		sockets = append(sockets, socket)
		s.Log.Info("listening", "address", socket.Addr().String())
	}
	return s.serve(ctx, sockets)
}

// serve serves on the Listeners' sockets until the context ends or one of them fails.
func (s *Server) serve(ctx context.Context, sockets []net.Listener) error {
	group, serving := errgroup.WithContext(ctx)
	var servers []*http.Server
	for i, socket := range sockets {
		server := s.bounded(s.Listeners[i].Handler)
		servers = append(servers, server)
		group.Go(func() error {
			if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving %s: %w", socket.Addr(), err)
			}
			return nil
		})
	}
	<-serving.Done()
	if ctx.Err() == nil {
		for _, server := range servers {
			_ = server.Close() // the process is ending with a better reason
		}
		return group.Wait()
	}
	return errors.Join(s.stop(servers), group.Wait())
}

// stop is the way out: unready, delay, drain.
func (s *Server) stop(servers []*http.Server) error {
	s.stopping.Store(true)
	s.Log.Info("stopping: not ready, still serving", "for", s.Delay)
	time.Sleep(s.Delay)
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	var unanswered error
	for _, server := range servers {
		if err := server.Shutdown(ctx); err != nil {
			unanswered = errors.Join(unanswered, fmt.Errorf("requests in flight did not end within %v: %w", s.Drain, err))
			_ = server.Close() // its requests had their time
		}
	}
	s.Log.Info("stopped", "error", unanswered)
	return unanswered
}

// bounded is a server of a handler. Once the process stops, answers close their connections, so that clients which keep
// them have left before the server does.
func (s *Server) bounded(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
			if s.stopping.Load() {
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, in)
		}),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
	}
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, text) // nobody to tell if the client has left
}
