package analysis_test

import (
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

func TestTheOldestHoursGoFirst(t *testing.T) {
	var h analysis.History
	const start = int64(1_700_000_000 / 3600 * 3600)
	for hour := range int64(5) {
		for _, pod := range []string{"a", "b"} {
			for minute := range int64(60) {
				h.Add(start+hour*3600+minute*60, pod, analysis.Counts{Requests: 10})
			}
		}
	}
	for want := 8.0; want >= 2; want -= 2 {
		if !h.DropOldest() || h.PodHours() != want {
			t.Fatalf("%v Pod-hours are left, want %v", h.PodHours(), want)
		}
	}
	if h.DropOldest() || h.PodHours() != 2 {
		t.Errorf("the latest hour went: %v Pod-hours are left", h.PodHours())
	}
}
