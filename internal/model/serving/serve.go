package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Drain says how a server ends.
type Drain struct {
	Delay time.Duration // between /ready turning 503 and the listener closing, so that clients see it first
	Grace time.Duration // for requests in flight after that
}

// Serve answers on listener until ctx ends, then drains: not ready, serving on through the delay, then no new
// connections, and done when the last request in flight is. It returns nil if every request got its answer.
func (s *Server) Serve(ctx context.Context, listener net.Listener, drain Drain) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       3 * time.Minute, // longer than clients keep idle connections, so that they close first
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}

	s.draining.Store(true)
	s.options.Log.Info("draining: not ready any more, serving on", "for", drain.Delay)
	delay := time.NewTimer(drain.Delay)
	defer delay.Stop()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-delay.C:
	}

	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain.Grace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests were still in flight after %s: %w", drain.Grace, err), server.Close())
	}
	s.options.Log.Info("drained: every request got its answer")
	return nil
}
