package serving

import (
	"context"
	"errors"
	"sync/atomic"
)

var errFull = errors.New("the queue is full")

// gate bounds the requests in the server, and the batches that are computed at once. A request is admitted before its
// body is read, so that memory is bounded too.
type gate struct {
	capacity int64
	inside   atomic.Int64
	slots    chan struct{}
}

func newGate(concurrent, queue int) *gate {
	return &gate{capacity: int64(concurrent + max(queue, 0)), slots: make(chan struct{}, concurrent)}
}

// enter admits a request or fails with errFull at once. Every success needs one leave.
func (g *gate) enter() error {
	if g.inside.Add(1) > g.capacity {
		g.inside.Add(-1)
		return errFull
	}
	return nil
}

func (g *gate) leave() { g.inside.Add(-1) }

// acquire waits for a slot to compute in. Every success needs one release.
func (g *gate) acquire(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) release() { <-g.slots }
