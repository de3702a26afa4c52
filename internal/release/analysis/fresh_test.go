package analysis_test

import (
	"slices"
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// starting are the first minutes of a candidate of whose requests a share fails in its first 20 seconds that falls evenly to
// nothing, and then some.
func starting(failures, seconds, later int64) []analysis.Second {
	var all []analysis.Second
	for t := range seconds {
		failed := max(0, failures*(20-t)/20)
		if t >= 20 {
			failed = later
		}
		all = append(all, steady(301+t, 1, 80, t%5/4*2, 20, failed)...)
	}
	return all
}

func TestAStartIsAllowedFor(t *testing.T) {
	slowly := func(slow ...int64) []analysis.Second {
		seconds := steady(301, 60, 80, 0, 20, 0)
		for t, n := range slow {
			seconds[t].Pods[1].Slow = n
		}
		return seconds
	}
	for name, c := range map[string]struct {
		candidate []analysis.Second
		// by is the elapsed second by which it is returned; 0 is that it stays.
		by int64
	}{
		"it fails three of ten at first":                 {starting(6, 120, 0), 0},
		"it fails three of ten for twenty seconds":       {slices.Concat(steady(301, 20, 80, 0, 20, 6), steady(321, 600, 80, 0, 20, 0)), 0},
		"it goes on failing":                             {starting(6, 120, 4), 42},
		"it fails one in five from the first second on":  {steady(301, 120, 80, 0, 20, 4), 42},
		"it fails half":                                  {steady(301, 120, 80, 0, 20, 10), 4},
		"it fails all":                                   {steady(301, 120, 80, 0, 20, 20), 1},
		"it fails all after its first second":            {slices.Concat(steady(301, 1, 80, 0, 20, 0), steady(302, 120, 80, 0, 20, 20)), 3},
		"it fails half of what it is asked when started": {slices.Concat(steady(301, 20, 80, 0, 20, 0), steady(321, 120, 80, 0, 20, 10)), 62},
		"all answers are slow for two seconds":           {slowly(20, 20), 0},
		"all answers are slow":                           {slowly(20, 20, 20, 20, 20, 20), 6},
	} {
		t.Run(name, func(t *testing.T) {
			s := analysis.Statistic{Config: analysis.Config{Slow: true}}.Add(steady(1, 300, 80, 0, 0, 0)...)
			s = s.Add(c.candidate...)
			at := int64(0)
			if s.Failed != "" {
				at = s.Last - 300
			}
			if at > c.by || c.by > 0 && at == 0 {
				t.Errorf("returned at second %d, and not %d: %s", at, c.by, s.Judgement().Message)
			}
		})
	}
}

func TestAStartIsNotAllowedForWhereStartsAreKnown(t *testing.T) {
	known := analysis.Config{Limits: analysis.Limits{Failures: analysis.Limit{StartsKnown: true}}}
	for name, c := range map[string]struct {
		candidate []analysis.Second
		by        int64
	}{
		"it fails three of ten at first": {starting(6, 120, 0), 3},
		"it fails half":                  {steady(301, 120, 80, 0, 20, 10), 2},
		"it is as good as stable":        {steady(301, 600, 80, 0, 20, 0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := analysis.Statistic{Config: known}.Add(steady(1, 300, 80, 0, 0, 0)...).Add(c.candidate...)
			at := int64(0)
			if s.Failed != "" {
				at = s.Last - 300
			}
			if at > c.by || c.by > 0 && at == 0 {
				t.Errorf("returned at second %d, and not %d: %s", at, c.by, s.Judgement().Message)
			}
		})
	}
}
