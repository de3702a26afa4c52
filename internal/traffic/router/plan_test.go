package router

import (
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// drawnPlan is a plan of up to five versions, each with Pods or without.
func drawnPlan(t *rapid.T) (*plan, []bool) {
	n := rapid.IntRange(1, 5).Draw(t, "versions")
	r := route.Route{Model: "m", Revision: 1}
	up := make([]bool, n)
	left := 100
	for i := range n {
		weight := rapid.IntRange(0, left).Draw(t, "weight")
		if i == n-1 {
			weight = left
		}
		left -= weight
		up[i] = rapid.Bool().Draw(t, "up")
		r.Versions = append(r.Versions, route.Version{ID: string(rune('a' + i)), Weight: weight, Port: 1})
	}
	if rapid.Bool().Draw(t, "no weights yet") {
		for i := range r.Versions {
			r.Versions[i].Weight = 0
		}
	}
	if stable := rapid.IntRange(-1, n-1).Draw(t, "stable"); stable >= 0 {
		r.Stable = r.Versions[stable].ID
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return testPlan(r, up), up
}

func testPlan(r route.Route, up []bool) *plan {
	i := -1
	return newPlan(r, func(route.Version) *balance.Set {
		i++
		set := &balance.Set{}
		if up[i] {
			set.Update([]balance.Address{{Pod: "p", Host: "h"}})
		}
		return set
	}, func(string) *atomic.Int64 { return &atomic.Int64{} })
}

func TestEveryBlockKeepsTheWeightsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, up := drawnPlan(t)
		for i := range up {
			p.versions[i].pods.Update([]balance.Address{{Pod: "p", Host: "h"}})
		}
		if p.split == nil {
			t.Skip("no weights")
		}
		for range 3 {
			got := map[string]int{}
			for range blockSize {
				got[p.choose("").ID]++
			}
			for _, v := range p.versions {
				if got[v.ID] != v.Weight {
					t.Fatalf("%s with weight %d got %d of 100", v.ID, v.Weight, got[v.ID])
				}
			}
		}
	})
}

func TestOnlyReadyVersionsServe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, up := drawnPlan(t)
		sum := 0
		for i, v := range p.versions {
			if up[i] {
				sum += v.Weight
			}
		}
		got := map[*version]int{}
		for range 20 * blockSize {
			got[p.choose("")]++
		}
		for i, v := range p.versions {
			switch {
			case !up[i] && got[v] > 0:
				t.Fatalf("%s is not ready and got %d requests", v.ID, got[v])
			case up[i] && sum > 0 && (v.Weight > 0) != (got[v] > 0):
				t.Fatalf("%s with weight %d of %d got %d requests", v.ID, v.Weight, sum, got[v])
			case up[i] && sum == 0 && v != p.stable && got[v] > 0:
				t.Fatalf("%s has no weight, is not stable, and got %d requests", v.ID, got[v])
			}
		}
		if serves := sum > 0 || p.stable != nil && p.stable.ready(); (got[nil] == 0) != serves {
			t.Fatalf("%d requests went nowhere; somebody can serve: %v", got[nil], serves)
		}
	})
}

func TestTheReadyShareByTheirWeights(t *testing.T) {
	p := testPlan(route.Route{Model: "m", Versions: []route.Version{
		{ID: "a", Weight: 60, Port: 1}, {ID: "b", Weight: 20, Port: 1}, {ID: "c", Weight: 20, Port: 1},
	}}, []bool{true, true, false})
	got := map[string]int{}
	for range 80 * 10 {
		got[p.choose("").ID]++
	}
	// Whole blocks, as the slots of c are passed over: 60 and 20 of every 80. The last block may not be whole.
	if diff := got["a"] - 600; diff < -20 || diff > 20 || got["c"] != 0 {
		t.Errorf("with c down: %v, want about 600 and 200", got)
	}
}

func TestBlocksCannotBeForeseen(t *testing.T) {
	weights := []int{50, 50}
	first, second := newBlocks(weights), newBlocks(weights)
	if first.slots == second.slots {
		t.Error("two routers deal the same order")
	}
}

func TestTheLedgerReportsWholeSeconds(t *testing.T) {
	at := func(unix int64) time.Time { return time.Unix(unix, 1) }
	thousand := []route.Second{
		{Unix: 1000, ID: "v1", Pod: "a", Requests: 1, Failures: 1, Latencies: map[int]int64{}},
		{Unix: 1000, ID: "v1", Pod: "b", Requests: 2, Failures: 1, Reasked: 1, LatencySum: 4000, Latencies: map[int]int64{
			route.Bucket(3 * time.Millisecond): 1, route.Bucket(time.Millisecond): 1,
		}},
	}
	next := route.Second{Unix: 1001, ID: "v2", Pod: "c", Requests: 1, LatencySum: 5000, Latencies: map[int]int64{route.Bucket(5 * time.Millisecond): 1}}
	last := route.Second{Unix: 1002, ID: "v2", Pod: "c", Requests: 1, Latencies: map[int]int64{}}
	for sentence, c := range map[string]struct {
		since int64
		now   int64
		want  []route.Second
	}{
		"all that is whole":       {0, 1002, append(thousand, next)},
		"only what is later":      {1000, 1002, []route.Second{next}},
		"nothing new":             {1001, 1002, nil},
		"the one under way later": {1001, 1003, []route.Second{last}},
		"nothing too old":         {0, 1001 + kept, []route.Second{next, last}},
	} {
		t.Run(sentence, func(t *testing.T) {
			var l ledger
			l.count(at(1000), "v1", "b", outcome{took: 3 * time.Millisecond})
			l.count(at(1000), "v1", "b", outcome{failed: true, reasked: true, took: time.Millisecond})
			l.count(at(1000), "v1", "a", outcome{failed: true})
			l.count(at(1001), "v2", "c", outcome{took: 5 * time.Millisecond})
			l.count(at(1002), "v2", "c", outcome{})
			if diff := cmp.Diff(c.want, l.after(c.since, at(c.now))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheLedgerAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l ledger
		now, want := int64(5000), map[int64]int64{}
		for range rapid.IntRange(0, 300).Draw(t, "requests") {
			now += rapid.Int64Range(0, 3).Draw(t, "pause")
			l.count(time.Unix(now, 0), "v", "p", outcome{})
			want[now]++
		}
		got := map[int64]int64{}
		for _, s := range l.after(0, time.Unix(now+1, 0)) {
			got[s.Unix] += s.Requests
		}
		for unix := range want {
			if unix < now+1-kept {
				delete(want, unix)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	})
}

func TestWhatComesLateIsToldInTheNextSecond(t *testing.T) {
	var l ledger
	l.count(time.Unix(1000, 0), "v", "p", outcome{})
	told := l.after(0, time.Unix(1001, 0))
	l.count(time.Unix(1000, 999), "v", "p", outcome{took: time.Millisecond})
	if diff := cmp.Diff([]route.Second{{Unix: 1000, ID: "v", Pod: "p", Requests: 1, Latencies: map[int]int64{}}}, told); diff != "" {
		t.Errorf("told first (-want +got):\n%s", diff)
	}
	late := []route.Second{{
		Unix: 1001, ID: "v", Pod: "p", Requests: 1, LatencySum: 1000, Latencies: map[int]int64{route.Bucket(time.Millisecond): 1},
	}}
	if diff := cmp.Diff(late, l.after(1000, time.Unix(1002, 0))); diff != "" {
		t.Errorf("told later (-want +got):\n%s", diff)
	}
}

func TestALedgerGoesOnWhenItsClockIsSetBack(t *testing.T) {
	for sentence, c := range map[string]struct{ ahead, since, want int64 }{
		"from an hour ahead":   {3600, 999, 1000},
		"by a moment, no more": {2, 1001, 1002},
	} {
		t.Run(sentence, func(t *testing.T) {
			var l ledger
			l.count(time.Unix(1000, 0), "v", "p", outcome{failed: true})
			l.after(0, time.Unix(1000+c.ahead, 0))
			l.after(0, time.Unix(1000, 0))
			l.count(time.Unix(1000, 500), "v", "p", outcome{})
			told := l.after(c.since, time.Unix(c.want+1, 0))
			if diff := cmp.Diff([]route.Second{{Unix: c.want, ID: "v", Pod: "p", Requests: 1, Latencies: map[int]int64{}}}, told); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestASessionThatFailedAlreadyIsARepeat(t *testing.T) {
	now := time.Unix(1000, 0)
	sum := func(l *ledger) route.Second {
		all := l.after(0, now.Add(time.Second))
		if len(all) != 1 {
			t.Fatalf("%d sources", len(all))
		}
		return all[0]
	}
	var l ledger
	for _, o := range []outcome{
		{session: 1}, {session: 1, failed: true}, {session: 1, failed: true}, {session: 1}, {session: 2}, {session: 2}, {failed: true}, {failed: true},
	} {
		l.count(now, "v", "p", o)
	}
	want := route.Second{Unix: 1000, ID: "v", Pod: "p", Requests: 8, Failures: 4, RepeatRequests: 2, RepeatFailures: 1, Latencies: map[int]int64{}}
	if diff := cmp.Diff(want, sum(&l)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var fresh ledger
	fresh.count(now, "v", "p", outcome{session: 1, failed: true})
	fresh.count(now, "w", "p", outcome{session: 1, failed: true})
	fresh.forgetSessions()
	fresh.count(now, "v", "p", outcome{session: 1, failed: true})
	for _, s := range fresh.after(0, now.Add(time.Second)) {
		if s.RepeatRequests != 0 {
			t.Errorf("at another version, or after another candidate came: %+v", s)
		}
	}
}

func TestSessionsThatFailedAreBounded(t *testing.T) {
	var s sessions
	for i := range uint64(maxSessions + 10) {
		s.add(i)
		s.add(i)
	}
	if len(s.known) != maxSessions || len(s.order) != maxSessions || s.known[9] || !s.known[10] || !s.known[maxSessions+9] {
		t.Errorf("%d sessions are kept; the first ten should have gone", len(s.known))
	}
}

// drawnSessions are names as clients choose them: alike but for a digit.
func drawnSessions(t *rapid.T) []string {
	prefix := rapid.StringMatching(`[a-z-]{0,12}`).Draw(t, "prefix")
	names := make([]string, 1000)
	for i := range names {
		names[i] = prefix + strconv.Itoa(i)
	}
	return names
}

func twoVersions(weight int, candidate string) route.Route {
	return route.Route{Model: "m", Stable: "s", Candidate: candidate, Versions: []route.Version{
		{ID: "s", Weight: 100 - weight, Port: 1}, {ID: candidate, Weight: weight, Port: 1},
	}}
}

func TestAHigherWeightMovesSessionsToTheCandidateOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		candidate := rapid.StringMatching(`[a-z0-9-]{2,20}`).Draw(t, "candidate")
		low := rapid.IntRange(0, 100).Draw(t, "weight")
		high := rapid.IntRange(low, 100).Draw(t, "later")
		both := []bool{true, true}
		before, after, aborted := testPlan(twoVersions(low, candidate), both), testPlan(twoVersions(high, candidate), both), testPlan(twoVersions(0, candidate), both)
		moved := 0
		for _, session := range drawnSessions(t) {
			was, is := before.choose(session).ID, after.choose(session).ID
			if again := after.choose(session).ID; again != is {
				t.Fatalf("session %s is asked of %s and of %s", session, is, again)
			}
			if was == candidate && is != candidate {
				t.Fatalf("session %s went back to stable as the weight rose from %d to %d", session, low, high)
			}
			if at := aborted.choose(session).ID; at != "s" {
				t.Fatalf("session %s stays at %s after the abort", session, at)
			}
			if is == candidate {
				moved++
			}
		}
		// Six standard deviations of a fair share of 1,000.
		if share := float64(high) * 10; math.Abs(float64(moved)-share) > 6*math.Sqrt(share*(1-share/1000))+1 {
			t.Fatalf("%d of 1,000 sessions at weight %d", moved, high)
		}
	})
}

func TestASessionsVersionThatCannotServe(t *testing.T) {
	for sentence, c := range map[string]struct {
		up     []bool
		weight int
		want   *string
	}{
		"the candidate is down":              {[]bool{true, false}, 100, new("s")},
		"stable is down":                     {[]bool{false, true}, 50, new("c")},
		"stable is down, nothing elsewhere":  {[]bool{false, true}, 0, nil},
		"both are":                           {[]bool{false, false}, 50, nil},
		"stable has no weight, all are down": {[]bool{true, false}, 100, new("s")},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := testPlan(twoVersions(c.weight, "c"), c.up)
			for i := range 100 {
				v := p.choose("session-" + strconv.Itoa(i))
				if (v == nil) != (c.want == nil) || v != nil && v.ID != *c.want {
					t.Fatalf("got %v, want %v", v, c.want)
				}
			}
		})
	}
}

func TestAnotherCandidateGetsOtherSessions(t *testing.T) {
	both := []bool{true, true}
	first, second := testPlan(twoVersions(50, "c-1"), both), testPlan(twoVersions(50, "c-2"), both)
	alike := 0
	for i := range 1000 {
		session := strconv.Itoa(i)
		if (first.choose(session).ID == "s") == (second.choose(session).ID == "s") {
			alike++
		}
	}
	if alike < 400 || alike > 600 {
		t.Errorf("%d of 1,000 sessions are at the candidate of both releases or of none; about 500 would be by chance", alike)
	}
}

func TestSessionsWithoutARelease(t *testing.T) {
	p := testPlan(route.Route{Model: "m", Stable: "s", Versions: []route.Version{{ID: "s", Weight: 100, Port: 1}}}, []bool{true})
	if v := p.choose("a"); v == nil || v.ID != "s" {
		t.Errorf("got %v", v)
	}
}
