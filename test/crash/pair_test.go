package crash_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// once lets a way come over the first process that gets there, and no other.
func once(becomes way) way {
	var came atomic.Bool
	return func(l *life, req *http.Request) (*http.Response, error) {
		if came.Swap(true) {
			return l.send(req)
		}
		return becomes(l, req)
	}
}

// TestOneOfTwoLeads starts two operators that elect a leader: one acts. Killed at a write, it stays away, and the other
// goes on where it was.
func TestOneOfTwoLeads(t *testing.T) {
	var group abreast
	for _, tale := range rehearse(t) {
		n := tale.writes
		group.run(t, tale.name+"/nobody is killed", func(t *testing.T) {
			t.Helper()
			s := earth.tell(t, tale.story)
			pair := s.startPair(t, true, trouble{})
			s.mustEnd(t)
			if a, b := pair[0].writes.Load(), pair[1].writes.Load(); (a == 0) == (b == 0) {
				t.Errorf("one wrote %d times, the other %d", a, b)
			}
		})
		for _, at := range sample(tale.name+"leader", n, min(*share, 1)) {
			group.run(t, fmt.Sprintf("%s/the leader is killed after write %d of %d", tale.name, at, n), func(t *testing.T) {
				t.Helper()
				s := earth.tell(t, tale.story)
				pair := s.startPair(t, true, trouble{counts: write, at: at, becomes: once(killedForGood)})
				s.mustEnd(t)
				// A story may need fewer writes than the one that was rehearsed, and then nobody was killed, or at the last.
				if a, b := pair[0].writes.Load(), pair[1].writes.Load(); (a == 0 || b == 0) && a+b > int64(at) {
					t.Errorf("one wrote %d times, the other %d", a, b)
				}
			})
		}
	}
	group.wait()
}

// TestTwoByMistake starts two operators that both act.
func TestTwoByMistake(t *testing.T) {
	var group abreast
	for _, tale := range rehearse(t) {
		n := tale.writes
		group.run(t, tale.name+"/nobody is killed", func(t *testing.T) {
			t.Helper()
			s := earth.tell(t, tale.story)
			s.startPair(t, false, trouble{})
			s.mustEnd(t)
		})
		for _, at := range sample(tale.name+"mistake", n, *share) {
			group.run(t, fmt.Sprintf("%s/one is killed after write %d of %d", tale.name, at, n), func(t *testing.T) {
				t.Helper()
				s := earth.tell(t, tale.story)
				s.startPair(t, false, trouble{counts: write, at: at, becomes: once(killedForGood)})
				s.mustEnd(t)
			})
		}
	}
	group.wait()
}

func killedForGood(l *life, req *http.Request) (*http.Response, error) {
	l.left.Store(true)
	return killedAfter(l, req)
}

func (s *space) startPair(t *testing.T, elect bool, comes trouble) [2]*process {
	t.Helper()
	s.rivals = !elect
	var pair [2]*process
	for i := range pair {
		pair[i] = &process{name: fmt.Sprintf("operator %d", i+1), elect: elect, trouble: comes}
		s.start(t, pair[i])
	}
	return pair
}
