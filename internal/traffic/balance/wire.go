package balance

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	// smallBody bytes of a request fit into the buffers of a connection, so that it can be written before its answer is read.
	smallBody = 64 << 10
	// sendBytes are given to the system at a time: a small body with the header before it.
	sendBytes = smallBody + 8<<10
	// maxInterim answers (1xx) may come before the one that counts.
	maxInterim = 5
)

var errHead = errors.New("the answer's header is too large")

// wires keeps connections to endpoints for requests that can be sent again: most of them. One goroutine writes such a
// request and reads its answer, with one more for a body that is not small, where net/http's Transport, which takes the
// others, needs three. Once an answer's body is closed, or an error returned, nothing reads the request's body any more.
type wires struct {
	dialer *net.Dialer
	// outs are the buffers that requests are written through. Connections that wait have none.
	outs sync.Pool

	mu sync.Mutex
	// idle connections by host, the last used at the end.
	idle     map[string][]*wire
	sweeping bool
}

// wire is one connection.
type wire struct {
	net.Conn

	in *bufio.Reader
	// left bytes may still be read of an answer's header; none are counted while it is negative.
	left int
	// look says whether nothing has come, and idleSince when the last request ended.
	look      func() bool
	idleSince time.Time
}

func newWires(dialer *net.Dialer) *wires {
	return &wires{
		dialer: dialer,
		outs:   sync.Pool{New: func() any { return bufio.NewWriterSize(nil, sendBytes) }},
		idle:   map[string][]*wire{},
	}
}

// fits says whether wires take a request with this body.
func (b *body) fits(length int64) bool {
	return b.stream == nil || b.reopen != nil && length > 0
}

// roundTrip sends a request and reads its answer's header, on a kept connection if there is one and fresh does not forbid it.
func (p *wires) roundTrip(host string, req *http.Request, fresh bool) (*http.Response, stage, error) {
	ctx := req.Context()
	w, reuses, err := p.get(ctx, host, fresh)
	if err != nil {
		return nil, dialing, orCause(ctx, err)
	}
	req.Close = fresh
	stop := context.AfterFunc(ctx, func() { _ = w.SetDeadline(time.Unix(1, 0)) }) // whoever waits at the connection is told
	sending := p.start(w, req)
	res, answered, err := w.receive(req)
	if err != nil {
		stop()
		_ = w.Close() // it is of no use
		if unsent := sending.wait(); !answered && unsent != nil {
			err = unsent
		}
		return nil, broke(reuses, answered), orCause(ctx, err)
	}
	res.Body = &wireBody{
		ReadCloser: res.Body, ctx: ctx, wires: p, wire: w, host: host, stop: stop, sending: sending,
		keep: !res.Close && !fresh, whole: res.Body == http.NoBody,
	}
	return res, begun, nil
}

// orCause is why the caller gave up, if it did: the connection's own error is then only what that did to it.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// sending is a request that is being written. A server may answer and close without reading all of it, so that an error
// is not the end.
type sending struct {
	// unsent is why it was not all written, known once done is closed; a small one has no done.
	unsent error
	done   chan struct{}
}

// start writes a small request, and starts writing another: its server may answer before it has read all of it, and
// read no more until somebody takes the answer.
func (p *wires) start(w *wire, req *http.Request) *sending {
	if req.ContentLength <= smallBody {
		return &sending{unsent: p.send(w, req)}
	}
	s := &sending{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.unsent = p.send(w, req)
	}()
	return s
}

// wait until nothing is written any more, and say why not all was.
func (s *sending) wait() error {
	if s.done != nil {
		<-s.done
	}
	return s.unsent
}

// sent says whether all is written by now.
func (s *sending) sent() bool {
	if s.done == nil {
		return s.unsent == nil
	}
	select {
	case <-s.done:
		return s.unsent == nil
	default:
		return false
	}
}

// send writes a request.
func (p *wires) send(w *wire, req *http.Request) error {
	out, _ := p.outs.Get().(*bufio.Writer)
	defer p.outs.Put(out)
	// Without the connection's own ReadFrom, which would take the body in small parts after the first.
	out.Reset(struct{ io.Writer }{w.Conn})
	defer out.Reset(nil)
	if err := req.Write(out); err != nil {
		return err
	}
	return out.Flush()
}

// receive reads an answer's header; answered says that a first byte came.
func (w *wire) receive(req *http.Request) (res *http.Response, answered bool, err error) {
	w.left = maxAnswerHeader
	defer func() { w.left = -1 }()
	if _, err := w.in.Peek(1); err != nil {
		return nil, false, err
	}
	for range maxInterim {
		res, err = http.ReadResponse(w.in, req)
		if err != nil {
			return nil, true, err
		}
		if res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols {
			return res, true, nil
		}
	}
	return nil, true, errors.New("the answer never came, only promises of one")
}

// Read implements io.Reader for in.
func (w *wire) Read(p []byte) (int, error) {
	if w.left < 0 {
		return w.Conn.Read(p)
	}
	if w.left == 0 {
		return 0, errHead
	}
	n, err := w.Conn.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

// get returns a kept connection, or a new one.
func (p *wires) get(ctx context.Context, host string, fresh bool) (w *wire, reuses bool, err error) {
	for !fresh {
		w := p.pop(host)
		if w == nil {
			break
		}
		if time.Since(w.idleSince) < idleTimeout && w.look() {
			return w, true, nil
		}
		_ = w.Close() // its server has left it, or soon would
	}
	conn, err := p.dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, false, err
	}
	w = &wire{Conn: conn, left: -1, look: looker(conn)}
	w.in = bufio.NewReader(w)
	return w, false, nil
}

func (p *wires) pop(host string) *wire {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[host]
	if len(idle) == 0 {
		return nil
	}
	w := idle[len(idle)-1]
	p.idle[host] = idle[:len(idle)-1]
	return w
}

// put keeps a connection for the next request.
func (p *wires) put(host string, w *wire) {
	w.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle[host]) >= idlePerEndpoint {
		_ = w.Close() // there are enough
		return
	}
	p.idle[host] = append(p.idle[host], w)
	if !p.sweeping {
		p.sweeping = true
		time.AfterFunc(idleTimeout, p.sweep)
	}
}

// sweep closes connections that nobody has used for long: those of a Pod that is gone too.
func (p *wires) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for host, idle := range p.idle {
		old := 0
		for old < len(idle) && now.Sub(idle[old].idleSince) >= idleTimeout {
			_ = idle[old].Close() // nobody waits for it
			old++
		}
		if p.idle[host] = append([]*wire(nil), idle[old:]...); len(p.idle[host]) == 0 {
			delete(p.idle, host)
		}
	}
	if p.sweeping = len(p.idle) > 0; p.sweeping {
		time.AfterFunc(idleTimeout, p.sweep)
	}
}

// looker returns a function that says whether a connection which nobody uses is still good: nothing has come, no end either.
func looker(conn net.Conn) func() bool {
	system, is := conn.(syscall.Conn)
	if !is {
		return func() bool { return true }
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return func() bool { return true }
	}
	quiet := false
	var one [1]byte
	look := func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), one[:])
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return func() bool { return raw.Read(look) == nil && quiet }
}

// wireBody is an answer's body. Closed after its end, it gives the connection back; before, it closes it.
type wireBody struct {
	io.ReadCloser

	ctx     context.Context
	wires   *wires
	wire    *wire
	host    string
	stop    func() bool
	sending *sending
	// keep says that the connection may be used again, whole that the body was read to its end.
	keep, whole, closed bool
}

// Read implements io.Reader.
func (b *wireBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.whole = true
	case err != nil:
		err = orCause(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *wireBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.stop() && b.keep && b.whole && b.sending.sent() && b.wire.in.Buffered() == 0 {
		b.wires.put(b.host, b.wire)
		return nil
	}
	err := b.wire.Close()
	_ = b.sending.wait() // the answer has come, whatever became of the rest
	return err
}
