package analysis_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

func TestJudgementsInWords(t *testing.T) {
	for name, c := range map[string]struct {
		config  analysis.Config
		seconds []analysis.Second
		want    analysis.Judgement
	}{
		"nothing was heard": {
			seconds: nil,
			want: analysis.Judgement{
				Verdict: analysis.NoData, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: 0, Threshold: 20,
				Message: "no request to the candidate has ended yet",
			},
		},
		"stable alone": {
			seconds: steady(1, 60, 80, 1, 0, 0),
			want: analysis.Judgement{
				Verdict: analysis.NoData, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: 0, Threshold: 20,
				Message: "no request to the candidate has ended yet",
			},
		},
		"a candidate alone": {
			seconds: steady(1, 60, 0, 0, 20, 10),
			want: analysis.Judgement{
				Verdict: analysis.Inconclusive, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: -2.30, Threshold: 5.30,
				Message: "600 of 1200 answers failed (50 %), and stable had none to compare with",
			},
		},
		"a collapse in the first seconds": {
			seconds: steady(1, 60, 80, 1, 20, 10),
			want: analysis.Judgement{
				Verdict: analysis.Fail, Reason: analysis.ErrorRate, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: 20.91, Threshold: 20,
				Message: "40 of 80 answers failed against 4 of 320 of stable (50 % against 1.25 %): 20.9 nats of evidence that it is worse, and 20.0 were needed",
			},
		},
		"a collapse after a good start": {
			seconds: slices.Concat(steady(1, 10, 80, 1, 20, 0), steady(11, 100, 80, 1, 20, 10)),
			want: analysis.Judgement{
				Verdict: analysis.Fail, Reason: analysis.ErrorRate, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: 6.60, Threshold: 5.30,
				Message: "410 of 1020 answers failed against 51 of 4080 of stable (40.2 % against 1.25 %): 6.6 nats of evidence that it is worse, and 5.3 were needed",
			},
		},
		"one bad stretch of ten seconds": {
			seconds: slices.Concat(steady(1, 60, 80, 1, 20, 0), steady(61, 10, 80, 1, 20, 10), steady(71, 10, 80, 1, 20, 0)),
			want: analysis.Judgement{
				Verdict: analysis.Inconclusive, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: -5.16, Threshold: 5.30,
				Message: "100 of 1600 answers failed against 80 of 6400 of stable (6.25 % against 1.25 %): 0.0 of the 5.3 nats of evidence needed that it is worse, 0.0 of 4.6 that the increase is below 0.5 percentage points",
			},
		},
		"one minute as good as stable": {
			seconds: steady(1, 60, 80, 0, 20, 0),
			want: analysis.Judgement{
				Verdict: analysis.Inconclusive, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: -2.74, Threshold: 5.30,
				Message: "0 of 1200 answers failed against 0 of 4800 of stable (0 % against 0 %): 0.0 of the 5.3 nats of evidence needed that it is worse, 4.5 of 4.6 that the increase is below 0.5 percentage points",
			},
		},
		"three minutes as good as stable": {
			seconds: steady(1, 180, 80, 0, 20, 0),
			want: analysis.Judgement{
				Verdict: analysis.Pass, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: -2.84, Threshold: 5.30,
				Message: "0 of 3600 answers failed against 0 of 14400 of stable (0 % against 0 %): 13.5 nats of evidence that the increase is below 0.5 percentage points, and 4.6 were needed",
			},
		},
		"a smaller α takes more": {
			config:  analysis.Config{FalseRollbackRate: 0.0001},
			seconds: steady(1, 60, 80, 0, 20, 2),
			want: analysis.Judgement{
				Verdict: analysis.Inconclusive, Rule: analysis.Young, FalseRollbackRate: 0.0001, Score: 9.70, Threshold: 9.90,
				Message: "120 of 1200 answers failed against 0 of 4800 of stable (10 % against 0 %): 9.7 of the 9.9 nats of evidence needed that it is worse, 0.0 of 9.2 that the increase is below 0.5 percentage points",
			},
		},
		"a larger allowed increase is excluded sooner": {
			config:  analysis.Config{AllowedIncrease: 0.05},
			seconds: steady(1, 70, 80, 0, 20, 0),
			want: analysis.Judgement{
				Verdict: analysis.Pass, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: -2.75, Threshold: 5.30,
				Message: "0 of 1400 answers failed against 0 of 5600 of stable (0 % against 0 %): 5.2 nats of evidence that the increase is below 5 percentage points, and 4.6 were needed",
			},
		},
		"a bad candidate beside a worse stable": {
			seconds: slices.Concat(steady(1, 600, 80, 80, 0, 0), steady(601, 60, 80, 80, 20, 10)),
			want: analysis.Judgement{
				Verdict: analysis.Inconclusive, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: -2.30, Threshold: 5.30,
				Message: "600 of 1200 answers failed against 4800 of 4800 of stable (50 % against 100 %): 0.0 of the 5.3 nats of evidence needed that it is worse, 4.5 of 4.6 that the increase is below 0.5 percentage points",
			},
		},
		"more failures than requests": {
			seconds: steady(1, 60, 80, 0, 20, 21),
			want: analysis.Judgement{
				Verdict: analysis.NoData, Rule: analysis.Young, FalseRollbackRate: 0.01, Score: 0, Threshold: 20,
				Message: "no request to the candidate has ended yet",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := analysis.Statistic{Config: c.config}.Add(c.seconds...).Judgement()
			if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 0.005), cmpopts.IgnoreFields(analysis.Judgement{}, "Kinds", "NoWorse", "NoWorseThreshold")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
