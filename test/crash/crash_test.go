package crash_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestReleases tells every story unbroken.
func TestReleases(t *testing.T) { rehearse(t) }

// told is a story that was told unbroken: how many calls and writes the operator needed for it.
type told struct {
	story
	once          sync.Once
	calls, writes int
}

var repertoire = sync.OnceValue(func() []*told {
	var all []*told
	for _, tale := range stories {
		if strings.Contains(tale.name, *only) {
			all = append(all, &told{story: tale})
		}
	}
	return all
})

// rehearse tells every story unbroken that was not yet, side by side.
func rehearse(t *testing.T) []*told {
	t.Helper()
	var group abreast
	for _, tale := range repertoire() {
		group.run(t, tale.name, func(t *testing.T) {
			t.Helper()
			tale.once.Do(func() {
				s := earth.tell(t, tale.story)
				p := &process{name: "operator", trouble: trouble{counts: call}}
				s.start(t, p)
				if s.mustEnd(t) {
					tale.calls, tale.writes = int(p.calls.Load()), int(p.writes.Load())
				}
			})
			if tale.writes == 0 {
				t.Fatal("the story does not end well unbroken")
			}
		})
	}
	group.wait()
	if t.Failed() {
		t.FailNow()
	}
	return repertoire()
}

// mustEnd waits until the story has ended, as it should, with no promise broken on the way.
func (s *space) mustEnd(t *testing.T) bool {
	t.Helper()
	return s.mustEndAs(t, func(outcome string) string { return outcome })
}

// mustEndAs is the same for what is seen of the outcome.
func (s *space) mustEndAs(t *testing.T, seen func(string) string) bool {
	t.Helper()
	want := seen(s.story.ends)
	instead, well := s.until(t.Context(), want, seen)
	if !well {
		t.Errorf("the story ends with\n%s\nwant\n%s", instead, want)
	}
	for _, wrong := range s.audit() {
		t.Error(wrong)
		well = false
	}
	if !well {
		t.Logf("the route was\n%sand the operator said\n%s", s.way(), &s.log)
	}
	return well
}

// way is how a call goes wrong.
type way func(*life, *http.Request) (*http.Response, error)

// killedAfter is a process that ends once the API server has the write, killedBefore one that does before it goes out.
func killedAfter(l *life, req *http.Request) (*http.Response, error) {
	defer l.kill()
	return l.send(req)
}

func killedBefore(l *life, req *http.Request) (*http.Response, error) {
	l.kill()
	return nil, unsent(req, errDead)
}

// unanswered is a write that succeeds, and the operator does not know.
func unanswered(l *life, req *http.Request) (*http.Response, error) {
	res, err := l.send(req)
	if err != nil {
		return nil, err
	}
	_ = res.Body.Close() // it is not read
	return nil, errTimeout
}

// TestOperatorIsKilledAtAnyWrite kills the operator at each of its writes in turn: once the API server has it, and before
// it goes out.
func TestOperatorIsKilledAtAnyWrite(t *testing.T) {
	breakStories(t, write, map[string]way{"killed after": killedAfter, "killed before": killedBefore})
}

// TestAnswerToAnyWriteIsLost lets each write in turn succeed without an answer.
func TestAnswerToAnyWriteIsLost(t *testing.T) {
	breakStories(t, write, map[string]way{"unanswered": unanswered})
}

// breakStories tells every story once for each way and place at which a call that counts may go wrong.
func breakStories(t *testing.T, counts kind, ways map[string]way) {
	t.Helper()
	var group abreast
	var broken, due atomic.Int64
	for _, tale := range rehearse(t) {
		n := counts.of(tale)
		for what, becomes := range ways {
			for _, at := range sample(tale.name+what, n, *share) {
				due.Add(1)
				group.run(t, fmt.Sprintf("%s/%s %d of %d", tale.name, what, at, n), func(t *testing.T) {
					t.Helper()
					s := earth.tell(t, tale.story)
					p := &process{name: "operator", trouble: trouble{counts: counts, at: at, becomes: becomes}}
					s.start(t, p)
					s.mustEnd(t)
					if int(p.calls.Load()) >= at {
						broken.Add(1)
					}
				})
			}
		}
	}
	group.wait()
	// How often a status is written depends on how events fall together, so that a late place may not be reached.
	t.Logf("%d of %d releases were broken", broken.Load(), due.Load())
	if broken.Load()*2 < due.Load() {
		t.Error("most were not")
	}
}
