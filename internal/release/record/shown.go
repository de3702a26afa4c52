package record

import "github.com/suoke-life/suoke/internal/release/analysis"

// Shown are counts as status.evidence shows them, in this order, up to the last that is not 0: requests, failures, slow ones,
// mirrored ones, those that disagreed, and those that say nothing of slowness.
func Shown(c analysis.Counts) []int64 {
	all := [...]int64{c.Requests, c.Failures, c.Slow, c.Mirrored, c.Disagreed, c.Untimed}
	n := len(all)
	for n > 0 && all[n-1] == 0 {
		n--
	}
	shown := make([]int64, n)
	copy(shown, all[:])
	return shown
}

// ShownSecond is a second that is shown, for a statistic without a warm-up: what one leaves out is not among the counts.
func ShownSecond(unix int64, stable, candidate []int64) analysis.Second {
	return analysis.Second{Unix: unix, Pods: []analysis.PodSecond{
		{Pod: "stable", Counts: OfShown(stable)}, {Pod: "candidate", Candidate: true, Counts: OfShown(candidate)},
	}}
}

// OfShown are the counts that are shown so.
func OfShown(shown []int64) analysis.Counts {
	var all [6]int64
	copy(all[:], shown)
	return analysis.Counts{Requests: all[0], Failures: all[1], Slow: all[2], Mirrored: all[3], Disagreed: all[4], Untimed: all[5]}
}
