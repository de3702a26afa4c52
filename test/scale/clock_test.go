package scale_test

import (
	"sync"
	"time"
)

// tempo is how simulated time follows real time: from the instant Real on, which is Simulated, at Speed.
type tempo struct {
	Real, Simulated time.Time
	Speed           float64
}

func (t tempo) at(now time.Time) time.Time {
	return t.Simulated.Add(time.Duration(float64(now.Sub(t.Real)) * t.Speed))
}

// clock is simulated time. Operator and routers each have one, and the same tempo.
type clock struct {
	mu    sync.Mutex
	tempo tempo
}

func newClock() *clock {
	now := time.Now().Round(0)
	return &clock{tempo: tempo{Real: now, Simulated: now, Speed: 1}}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tempo.at(time.Now())
}

// run changes the speed; what time it is stays.
func (c *clock) run(speed float64) tempo {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Round(0)
	c.tempo = tempo{Real: now, Simulated: c.tempo.at(now), Speed: speed}
	return c.tempo
}

func (c *clock) set(t tempo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tempo = t
}
