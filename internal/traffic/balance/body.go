package balance

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// body is a request's body over several attempts.
type body struct {
	stream io.ReadCloser
	reopen func() (io.ReadCloser, error)
	read   atomic.Bool
}

func replayable(req *http.Request) *body {
	if req.Body == nil || req.Body == http.NoBody {
		return &body{}
	}
	return &body{stream: req.Body, reopen: req.GetBody}
}

// canSendAgain says whether the body can be sent from its start again.
func (b *body) canSendAgain() bool { return b.stream == nil || b.reopen != nil }

// touched says whether any of a body that streams was read.
func (b *body) touched() bool { return b.read.Load() }

// attach gives the body to one attempt's request.
func (b *body) attach(out *http.Request) error {
	// The transport must not send anything again by itself: it would ask the same Pod.
	out.GetBody = nil
	switch {
	case b.stream == nil:
		out.Body = http.NoBody
	case b.reopen != nil:
		fresh, err := b.reopen()
		if err != nil {
			return fmt.Errorf("reading the request's body again: %w", err)
		}
		out.Body = fresh
	default:
		out.Body = &once{b}
	}
	return nil
}

// once streams a body, notes that it was read, and leaves closing to the owner: the transport closes the body of an
// attempt that never connected, and the next attempt still needs it.
type once struct{ *body }

func (o *once) Read(p []byte) (int, error) {
	o.read.Store(true)
	n, err := o.stream.Read(p)
	return n, err
}

func (*once) Close() error { return nil }
