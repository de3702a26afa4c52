package router

import (
	"context"
	"sync/atomic"
	"time"
)

// queueWait is the longest that a request waits for room: as long as a burst may last, not as long as an overload does.
const queueWait = 250 * time.Millisecond

// queue lets a bounded number of requests through at once, and a bounded number wait for them, first come first served.
type queue struct {
	slots   chan struct{}
	most    int64
	waiting atomic.Int64
}

func newQueue(inFlight, waiting int64) *queue {
	return &queue{slots: make(chan struct{}, inFlight), most: waiting}
}

// enter says whether there is room, or there was soon. Who entered must leave.
func (q *queue) enter(ctx context.Context) bool {
	select {
	case q.slots <- struct{}{}:
		return true
	default:
		return q.wait(ctx)
	}
}

func (q *queue) wait(ctx context.Context) bool {
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.most {
		return false
	}
	patience := time.NewTimer(queueWait)
	defer patience.Stop()
	select {
	case q.slots <- struct{}{}:
		return true
	case <-patience.C:
		return false
	case <-ctx.Done():
		return false
	}
}

func (q *queue) leave() { <-q.slots }
