package scrape

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(seconds float64) time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

func TestRate(t *testing.T) {
	type point struct{ at, value float64 }
	for name, test := range map[string]struct {
		points []point
		now    float64
		window time.Duration
		want   float64
		ok     bool
	}{
		"nothing was read":                        {nil, 0, Short, 0, false},
		"one sample says nothing of speed":        {[]point{{0, 10}}, 0, Short, 0, false},
		"two samples":                             {[]point{{0, 10}, {1, 40}}, 1, Short, 30, true},
		"a young series counts its whole age":     {[]point{{0, 0}, {1, 10}, {2, 40}}, 2, Short, 20, true},
		"the window leaves out what is older":     {[]point{{0, 0}, {1, 600}, {2, 600}, {7, 660}}, 7, Short, 10, true},
		"a restart counts what was counted since": {[]point{{0, 100}, {1, 110}, {2, 5}}, 2, Short, 7.5, true},
		"the newest sample is stale":              {[]point{{0, 0}, {1, 10}}, 6.1, Short, 0, false},
		"the newest sample is old but not stale":  {[]point{{0, 0}, {1, 10}}, 6, Short, 10, true},
		"a sample from the past is ignored":       {[]point{{0, 0}, {2, 20}, {1, 500}, {3, 30}}, 3, Short, 10, true},
		"NaN, infinity and -1 are no count":       {[]point{{0, 0}, {1, math.NaN()}, {1, math.Inf(1)}, {1, -1}, {2, 20}}, 2, Short, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s Series
			for _, p := range test.points {
				s.Add(at(p.at), p.value)
			}
			got, _, ok := s.Rate(at(test.now), test.window)
			if math.Abs(got-test.want) > 1e-9 || ok != test.ok {
				t.Errorf("got %v, %v; want %v, %v", got, ok, test.want, test.ok)
			}
		})
	}
}

// Against a second, dumb implementation that keeps every sample: same rates, never negative, and bounded memory.
func TestRateIsThatOfAllSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Series
		var times, grown []float64
		now, counter, total := 0.0, 0.0, 0.0
		for range rapid.IntRange(2, 200).Draw(t, "samples") {
			now += rapid.Float64Range(0.5, 3).Draw(t, "step")
			step := float64(rapid.IntRange(0, 1000).Draw(t, "requests"))
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 && step < counter {
				counter = 0
			}
			counter += step
			if len(times) > 0 {
				total += step
			}
			times, grown = append(times, now), append(grown, total)
			s.Add(at(now), counter)
		}
		for _, window := range []time.Duration{Short, Long} {
			got, _, ok := s.Rate(at(now), window)
			want := dumbRate(times, grown, window.Seconds())
			if !ok || math.Abs(got-want) > 1e-6 || got < 0 {
				t.Fatalf("over %v: got %v, %v; want %v", window, got, ok, want)
			}
		}
		if len(s.samples) > 122 { // a minute in steps of half a second, and the two ends
			t.Fatalf("%d samples are kept", len(s.samples))
		}
	})
}

func dumbRate(times, grown []float64, window float64) float64 {
	last := len(times) - 1
	base := 0
	for i := range last {
		if at(times[i]).Compare(at(times[last]).Add(-time.Duration(window*float64(time.Second)))) <= 0 {
			base = i
		}
	}
	return (grown[last] - grown[base]) / at(times[last]).Sub(at(times[base])).Seconds()
}
