package analysis_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// mapped changes what the candidate did.
func mapped(seconds []analysis.Second, does func(c *analysis.Counts)) []analysis.Second {
	for i := range seconds {
		does(&seconds[i].Pods[1].Counts)
	}
	return seconds
}

func TestEachKindCanFail(t *testing.T) {
	all := analysis.Config{Slow: true, AllowedDisagreement: 0.02}
	for name, c := range map[string]struct {
		config analysis.Config
		does   func(c *analysis.Counts)
		want   string
	}{
		"it fails":     {all, func(c *analysis.Counts) { c.Failures = c.Requests / 2 }, analysis.ErrorRate},
		"it is slow":   {all, func(c *analysis.Counts) { c.Slow = c.Requests / 2 }, analysis.Latency},
		"it disagrees": {all, func(c *analysis.Counts) { c.Mirrored, c.Disagreed = 10, 5 }, analysis.Disagreement},
		"it disagrees, and gets no requests of its own": {all, func(c *analysis.Counts) { *c = analysis.Counts{Mirrored: 10, Disagreed: 5} }, analysis.Disagreement},
		"it disagrees as much as is allowed":            {all, func(c *analysis.Counts) { c.Mirrored, c.Disagreed = 50, 1 }, ""},
		"slow answers are not judged":                   {analysis.Config{}, func(c *analysis.Counts) { c.Slow = c.Requests / 2 }, ""},
		"disagreement is not judged":                    {analysis.Config{}, func(c *analysis.Counts) { c.Mirrored, c.Disagreed = 10, 5 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := analysis.Statistic{Config: c.config}.Add(mapped(steady(1, 60, 80, 0, 20, 0), c.does)...).Judgement()
			if j.Reason != c.want || (j.Verdict == analysis.Fail) != (c.want != "") {
				t.Errorf("%s %s: %s", j.Verdict, j.Reason, j.Message)
			}
			share := 0.0
			for _, k := range j.Kinds {
				share += k.FalseRollbackRate
			}
			if math.Abs(share-0.01) > 1e-12 {
				t.Errorf("the kinds' shares of α are %g in all", share)
			}
		})
	}
}

func TestAfterTheSwitchThePastIsComparedWith(t *testing.T) {
	before := analysis.Statistic{}.Add(steady(1, 1200, 80, 1, 20, 0)...).Historical()
	if diff := cmp.Diff(before, before.Historical()); diff != "" {
		t.Errorf("twice: %s", diff)
	}
	for name, c := range map[string]struct {
		failures int64
		want     analysis.Verdict
	}{
		"it fails half":                 {50, analysis.Fail},
		"it fails one in twenty":        {5, analysis.Fail},
		"it fails as stable did before": {1, analysis.Pass},
		"it never fails":                {0, analysis.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			j := before.Add(steady(1201, 1800, 0, 0, 100, c.failures)...).Judgement()
			if j.Verdict != c.want || j.Rule != analysis.Historical {
				t.Errorf("%s, rule %s: %s", j.Verdict, j.Rule, j.Message)
			}
			if got := j.Kinds[0].StableRequests; got < 900*80 || got > 1200*80 {
				t.Errorf("stable's last quarter of an hour had %d requests", got)
			}
		})
	}
	for failures, fails := range map[int64]bool{1: false, 10: true} {
		j := (analysis.Statistic{}).Historical().Add(steady(1, 60, 0, 0, 20, failures)...).Judgement()
		if (j.Verdict == analysis.Fail) != fails {
			t.Errorf("with no past at all and %d of 20 failing: %s: %s", failures, j.Verdict, j.Message)
		}
	}
}

func TestPodsThatDifferAreAllowedFor(t *testing.T) {
	twice := steady(1, 1800, 80, 0, 20, 0)
	for i := range twice { // stable fails one in 200, the candidate one in 80
		twice[i].Pods[0].Failures = int64(i%5+1) / 5 * 2
		twice[i].Pods[1].Failures = int64(i%8+1) / 8 * 2
	}
	for name, c := range map[string]struct {
		limit analysis.Limit
		want  analysis.Verdict
	}{
		"nothing is known":             {analysis.Limit{}, analysis.Inconclusive},
		"Pods are known not to differ": {analysis.Limit{Margin: 1.05}, analysis.Fail},
		"replayed Pods did not differ": {analysis.Limit{Margin: 1.05, Thresholds: flat(5.7)}, analysis.Fail},
		"replayed Pods differed":       {analysis.Limit{Margin: 2, Thresholds: flat(5.7)}, analysis.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			s := analysis.Statistic{Config: analysis.Config{Limits: analysis.Limits{Failures: c.limit}}}
			if j := s.Add(twice...).Judgement(); j.Verdict != c.want {
				t.Errorf("%s: %s", j.Verdict, j.Message)
			}
		})
	}
}

func flat(nats float64) (t analysis.Thresholds) {
	for i := range t {
		t[i] = [3]float64{nats, nats, nats}
	}
	return t
}
