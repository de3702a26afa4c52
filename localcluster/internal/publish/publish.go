// Package publish forwards connections from ports of 127.0.0.1 to addresses that are looked up when a connection comes. It
// promises nothing about what flows: bytes go both ways until both sides have ended. A connection without a target is closed.
package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// maxConnections of one port at a time; the next ones wait in the kernel's queue.
	maxConnections = 4096
	// dialTime bounds looking up and reaching the target.
	dialTime = 5 * time.Second
	// breath is the wait after a connection that was not taken, as when there are too many open files.
	breath = 100 * time.Millisecond
)

// Target finds the address to which a new connection goes.
type Target func(ctx context.Context) (address string, err error)

// Forwarder is one published port.
type Forwarder struct {
	listener net.Listener
	target   Target
}

// Listen takes a port of 127.0.0.1. What else is told to the person if it is taken: which flag chooses another.
func Listen(ctx context.Context, port int, flag string) (*Forwarder, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d of 127.0.0.1 is taken by another program: choose another with %s", port, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("publishing port %d: %w", port, err)
	}
	return &Forwarder{listener: listener}, nil
}

// Address is where the port is published.
func (f *Forwarder) Address() string { return f.listener.Addr().String() }

// Close gives the port back.
func (f *Forwarder) Close() error { return f.listener.Close() }

// Serve forwards until ctx ends, and then closes the port and every connection.
func (f *Forwarder) Serve(ctx context.Context, target Target) {
	f.target = target
	defer context.AfterFunc(ctx, func() { _ = f.listener.Close() })()
	slots := make(chan struct{}, maxConnections)
	var open sync.WaitGroup
	defer open.Wait()
	for {
		slots <- struct{}{}
		conn, err := f.listener.Accept()
		if err != nil {
			<-slots
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			slog.Warn("a connection was not taken", "address", f.Address(), "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(breath):
			}
			continue
		}
		open.Go(func() {
			defer func() { <-slots }()
			f.forward(ctx, conn)
		})
	}
}

func (f *Forwarder) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := f.dial(ctx)
	if err != nil {
		slog.Warn("a connection was closed", "address", f.Address(), "error", err)
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = server.Close()
	})()
	var ways sync.WaitGroup
	ways.Go(func() { pipe(server, client) })
	ways.Go(func() { pipe(client, server) })
	ways.Wait()
}

func (f *Forwarder) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	address, err := f.target(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
	if err != nil {
		return nil, fmt.Errorf("reaching the target: %w", err)
	}
	return conn, nil
}

// pipe copies one way. The end of what the source says is passed on; a source that broke off breaks off the destination too.
func pipe(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		_ = from.Close()
		return
	}
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite() // a connection that is gone has nothing to be told
	}
}
