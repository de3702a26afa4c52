package rollout_test

import (
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// TestTheRequestsOfAStepAreEnoughToFail: a canary that fails all of the 20 requests that a step waits for is returned,
// at any share up to half and at the rates of a busy model.
func TestTheRequestsOfAStepAreEnoughToFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stable, candidate int64 }{
		"half of 40 a second":     {20, 20},
		"half of 10 a second":     {5, 5},
		"a fifth of 20 a second":  {16, 4},
		"a tenth of 100 a second": {90, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s analysis.Statistic
			for unix := int64(1); unix <= 600; unix++ {
				s = s.Add(analysis.Second{Unix: unix, Pods: []analysis.PodSecond{
					{Pod: "stable", Counts: analysis.Counts{Requests: c.stable}},
				}})
			}
			for unix := int64(601); unix < 601+20/c.candidate; unix++ {
				s = s.Add(analysis.Second{
					Unix: unix, Pods: []analysis.PodSecond{
						{Pod: "stable", Counts: analysis.Counts{Requests: c.stable}},
						{Pod: "candidate", Candidate: true, Counts: analysis.Counts{Requests: c.candidate, Failures: c.candidate}},
					},
				})
			}
			if j := s.Judgement(); j.Verdict != analysis.Fail {
				t.Errorf("%s: %s", j.Verdict, j.Message)
			}
		})
	}
}
