package operator

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/release/analysis"
	recordfile "github.com/suoke-life/suoke/internal/release/record"
)

// recompute adds the seconds that people are shown to the statistic that they are shown.
func recompute(t *rapid.T, j judge) analysis.Judgement {
	e := j.evidence()
	var s analysis.Statistic
	if err := json.Unmarshal(e.Statistic.Raw, &s); err != nil {
		t.Fatal(err)
	}
	for _, second := range e.Seconds {
		s = s.Add(recordfile.ShownSecond(second.Second, second.Stable, second.Candidate))
	}
	return s.Judgement()
}

func TestEvidenceIsRecomputable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := analysis.Config{Slow: rapid.Bool().Draw(t, "slow"), AllowedDisagreement: rapid.SampledFrom([]float64{0, 0.05}).Draw(t, "allowed")}
		config.Limits.Failures.WarmUp = rapid.Int64Range(0, 30).Draw(t, "warm-up")
		config.Limits.Failures.StartExcess = rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "excess of failures")
		config.Limits.Slow.StartExcess = rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "excess of slow answers")
		config.Limits.Slow.WarmUp = config.Limits.Failures.WarmUp + rapid.Int64Range(0, 30).Draw(t, "longer where answers are slow")
		j := judge{ID: "v2", SlowAfter: time.Millisecond, Statistic: analysis.Statistic{Config: config}}
		j.settle()
		rate := rapid.IntRange(0, 10).Draw(t, "failures")
		slowly := rapid.SampledFrom([]int{1, 10}).Draw(t, "slow answers")
		switched := rapid.Int64Range(100, 600).Draw(t, "switch")
		unix := int64(1000)
		for range rapid.IntRange(1, 400).Draw(t, "seconds") {
			unix += rapid.Int64Range(1, 3).Draw(t, "later")
			second := analysis.Second{Unix: unix, Pods: []analysis.PodSecond{
				{Pod: "v1-a", Counts: analysis.Counts{Requests: 40, Failures: 1, Slow: 2}},
				{Pod: rapid.SampledFrom([]string{"v2-a", "v2-b"}).Draw(t, "pod"), Candidate: true, Counts: analysis.Counts{
					Requests: 10, Failures: int64(rapid.IntRange(0, rate).Draw(t, "failed")), Slow: int64(rapid.IntRange(0, slowly).Draw(t, "slow ones")), Mirrored: 4, Disagreed: int64(rapid.IntRange(0, 1).Draw(t, "disagreed")),
				}},
			}}
			if unix-1000 > switched && j.Statistic.Failures.Before == nil {
				j.Statistic = j.Statistic.Historical()
				j.settle()
			}
			j.add(second, heardSecond{unix: unix})
		}
		got, want := recompute(t, j), j.Statistic.Judgement()
		words := cmpopts.IgnoreFields(analysis.Judgement{}, "Message") // a warm-up in which nothing counts yet is not among the seconds
		if diff := cmp.Diff(want, got, words); diff != "" {
			t.Fatalf("recomputed (-want +got):\n%s", diff)
		}
		text, err := json.Marshal(j.evidence())
		if err != nil || len(text) > 20_000 {
			t.Fatalf("%d bytes of evidence, %v", len(text), err)
		}
		if n := len(j.Recent); n > shownSeconds || n > 0 && j.Recent[n-1].Unix-j.Recent[0].Unix >= shownSeconds {
			t.Fatalf("%d seconds are shown", n)
		}
	})
}
