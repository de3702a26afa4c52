package router

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// kept is how many complete seconds a ledger remembers.
	kept = 120
	// setBack is by how many seconds a clock may go back and be waited for; by more, it was set.
	setBack = 2
)

// outcome is how an attempt at a Pod ended.
type outcome struct {
	failed, reasked bool
	// sent says that the client got all of the answer.
	sent bool
	// took is 0 where there was no answer; of a stream it is the time to the first byte.
	took time.Duration
	// session is the hash of the client's session, or 0.
	session uint64
}

// ledger counts what ended in each of the last seconds, by version and Pod.
type ledger struct {
	mu sync.Mutex
	// seconds is a ring by Unix second: kept complete ones and the one under way.
	seconds [kept + 1]tally
	// sealed is the second of the last report: those before it were told as complete.
	sealed int64
	// failed sessions by version ID, since the route last named another candidate.
	failed map[string]*sessions
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
	second := l.at(now, source{id, pod})
	second.Requests++
	second.Failures += one(o.failed)
	second.Reasked += one(o.reasked)
	if o.took > 0 {
		second.LatencySum += o.took.Microseconds()
		second.Latencies[route.Bucket(o.took)]++
	}
	if o.session != 0 {
		l.repeats(second, o)
	}
}

// repeats notes an outcome of a session, which may have failed before.
func (l *ledger) repeats(second *route.Second, o outcome) {
	known := l.failed[second.ID]
	if known != nil && known.known[o.session] {
		second.RepeatRequests++
		second.RepeatFailures += one(o.failed)
		return
	}
	if !o.failed {
		return
	}
	if known == nil {
		known = &sessions{}
		if l.failed == nil {
			l.failed = map[string]*sessions{}
		}
		l.failed[second.ID] = known
	}
	known.add(o.session)
}

// forgetSessions begins anew: another candidate is compared with stable.
func (l *ledger) forgetSessions() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.failed)
}

// mirrored notes an answer that was compared with stable's.
func (l *ledger) mirrored(now time.Time, id, pod string, agrees bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	second := l.at(now, source{id, pod})
	second.Mirrored++
	second.Disagreed += one(!agrees)
}

// at returns the counts of a source in the second of now, which it begins if need be. What comes late for a second that was
// told as complete is counted in the next.
func (l *ledger) at(now time.Time, from source) *route.Second {
	unix := max(now.Unix(), l.sealed)
	t := &l.seconds[unix%(kept+1)]
	if t.unix != unix {
		*t = tally{unix: unix, counts: map[source]*route.Second{}}
	}
	second, found := t.counts[from]
	if !found {
		second = &route.Second{Unix: unix, ID: from.id, Pod: from.pod, Latencies: map[int]int64{}}
		t.counts[from] = second
	}
	return second
}

// after returns the complete seconds later than since, in rising order.
func (l *ledger) after(since int64, now time.Time) []route.Second {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seal(now.Unix())
	var seconds []route.Second
	for _, t := range l.seconds {
		if t.unix <= since || t.unix >= now.Unix() || t.unix < now.Unix()-kept {
			continue
		}
		for _, second := range t.counts {
			told := *second
			told.Latencies = maps.Clone(second.Latencies)
			seconds = append(seconds, told)
		}
	}
	slices.SortFunc(seconds, func(a, b route.Second) int {
		return cmp.Or(cmp.Compare(a.Unix, b.Unix), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Pod, b.Pod))
	})
	return seconds
}

// seal notes that the seconds before this one are told. Where the clock was set back they come once more, and begin anew.
func (l *ledger) seal(unix int64) {
	if unix < l.sealed-setBack {
		l.seconds, l.sealed = [kept + 1]tally{}, unix
	}
	l.sealed = max(l.sealed, unix)
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
