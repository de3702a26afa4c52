package operator

import (
	"log/slog"
	"sync"
	"time"
)

// longestPause between two looks at the clock, in seconds; by more, it was set.
const longestPause = 60

// counting is the clock, in Unix seconds, that what routers counted stands under. It is ours, but never goes back: the seconds
// up to where it was have been judged. Where ours is set back, it stays ahead by as much, until ours is put right.
type counting struct {
	clock func() time.Time
	log   *slog.Logger

	mu sync.Mutex
	// last is the latest second that it told or that was known before, and ahead by how much it is ahead of ours.
	last, ahead int64
}

// countingClock is the clock of all that routers count.
func (o *Operator) countingClock() *counting {
	if o.counting == nil {
		o.counting = &counting{clock: o.Now, log: o.Log}
	}
	return o.counting
}

func (c *counting) now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock().Unix() + c.ahead
	if leap := now - c.last; c.ahead > 0 && leap > longestPause {
		lead := min(c.ahead, leap)
		now, c.ahead = now-lead, c.ahead-lead
	}
	if back := c.last - now; back > skewed {
		c.log.Warn("our clock was set back; what routers count stands under a later time", "seconds", back)
		now, c.ahead = c.last, c.ahead+back
	}
	c.last = max(c.last, now)
	return now
}

// known says that what was counted up to a second is known from before.
func (c *counting) known(unix int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, unix)
}
