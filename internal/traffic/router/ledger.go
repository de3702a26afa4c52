package router

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

// kept is how many complete seconds a ledger remembers.
const kept = 120

// outcome is how an attempt at a Pod ended.
type outcome struct {
	failed, slow, reasked bool
	// took is 0 where there was no answer.
	took time.Duration
}

// ledger counts what ended in each of the last seconds, by version and Pod.
type ledger struct {
	mu sync.Mutex
	// seconds is a ring by Unix second: kept complete ones and the one under way.
	seconds [kept + 1]tally
}

type tally struct {
	unix   int64
	counts map[source]*route.Second
}

type source struct{ id, pod string }

// count notes an attempt that ended now.
func (l *ledger) count(now time.Time, id, pod string, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	second := l.at(now.Unix(), source{id, pod})
	second.Requests++
	second.Failures += one(o.failed)
	second.Slow += one(o.slow)
	second.Reasked += one(o.reasked)
	second.LatencySum += o.took.Microseconds()
}

// at returns the counts of a source in a second, which it begins if need be.
func (l *ledger) at(unix int64, from source) *route.Second {
	t := &l.seconds[unix%(kept+1)]
	if t.unix != unix {
		*t = tally{unix: unix, counts: map[source]*route.Second{}}
	}
	second, found := t.counts[from]
	if !found {
		second = &route.Second{Unix: unix, ID: from.id, Pod: from.pod}
		t.counts[from] = second
	}
	return second
}

// after returns the complete seconds later than since, in rising order.
func (l *ledger) after(since int64, now time.Time) []route.Second {
	l.mu.Lock()
	defer l.mu.Unlock()
	var seconds []route.Second
	for _, t := range l.seconds {
		if t.unix <= since || t.unix >= now.Unix() || t.unix < now.Unix()-kept {
			continue
		}
		for _, second := range t.counts {
			seconds = append(seconds, *second)
		}
	}
	slices.SortFunc(seconds, func(a, b route.Second) int {
		return cmp.Or(cmp.Compare(a.Unix, b.Unix), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Pod, b.Pod))
	})
	return seconds
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
