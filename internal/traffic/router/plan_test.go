package router

import (
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
				got[p.choose().ID]++
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
			got[p.choose()]++
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
		got[p.choose().ID]++
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
	var l ledger
	at := func(unix int64) time.Time { return time.Unix(unix, 1) }
	l.count(at(1000), "v1", "b", outcome{took: 3 * time.Millisecond})
	l.count(at(1000), "v1", "b", outcome{failed: true, slow: true, reasked: true, took: time.Millisecond})
	l.count(at(1000), "v1", "a", outcome{failed: true})
	l.count(at(1001), "v2", "c", outcome{took: 5 * time.Millisecond})
	l.count(at(1002), "v2", "c", outcome{})
	thousand := []route.Second{
		{Unix: 1000, ID: "v1", Pod: "a", Requests: 1, Failures: 1},
		{Unix: 1000, ID: "v1", Pod: "b", Requests: 2, Failures: 1, Slow: 1, Reasked: 1, LatencySum: 4000},
	}
	next := route.Second{Unix: 1001, ID: "v2", Pod: "c", Requests: 1, LatencySum: 5000}
	for sentence, c := range map[string]struct {
		since int64
		now   int64
		want  []route.Second
	}{
		"all that is whole":       {0, 1002, append(thousand, next)},
		"only what is later":      {1000, 1002, []route.Second{next}},
		"nothing new":             {1001, 1002, nil},
		"the one under way later": {1001, 1003, []route.Second{{Unix: 1002, ID: "v2", Pod: "c", Requests: 1}}},
		"nothing too old":         {0, 1001 + kept, []route.Second{next, {Unix: 1002, ID: "v2", Pod: "c", Requests: 1}}},
	} {
		t.Run(sentence, func(t *testing.T) {
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
