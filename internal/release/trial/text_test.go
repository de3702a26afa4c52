package trial

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheTextIsToBeRead(t *testing.T) {
	seconds, bad := &Quantiles{Median: 10, P99: 24}, &Quantiles{Median: 11}
	report := Report{
		Seed: 1, Releases: 1000, Detections: 30, Histories: 5,
		FalseRollbacks: []FalseRollback{
			{Title: "independent", Rule: "replay", Percent: 0, UpperPercent: 0.3},
			{Title: "independent", Rule: "plain", Percent: 0.1, UpperPercent: 0.47},
			{Title: "spells of 10 s", Rule: "replay", Percent: 0.5, UpperPercent: 1.05},
			{Title: "spells of 10 s", Rule: "plain", Percent: 22, UpperPercent: 24.3},
		},
		Late: []Detection{
			{Title: "independent", Rule: "replay", Fails: 0.05, BoundSeconds: 3.2361, BoundBad: 3.2361, Ratio: 3.09, Seconds: seconds, Bad: bad},
			{Title: "independent", Rule: "10s-x3", Fails: 0.05, BoundSeconds: 3.2361, BoundBad: 3.2361},
		},
		Passes: []Passes{{Title: "independent", Rule: "young", Releases: 1000, Passed: 995, Seconds: Quantiles{Median: 188}, Percent: 0.2, UpperPercent: 0.63}},
	}
	want := `
False rollbacks: % of 1000 releases of 30 minutes whose candidate is as good as stable (upper 95 % bound)

world                replay          plain
independent     0.00 (0.30)    0.10 (0.47)
spells of 10 s  0.50 (1.05)  22.00 (24.30)

To read: α is 1 %; of such bounds, 95 of 100 are above the true share. 0.00 (0.03) is none of 10,000.

A candidate that fails from minute 10 on (30 releases each; seconds and requests since then)

Seconds until it is returned, median/p99:

                       5 %
information bound      3.2
replay, independent  10/24
10s-x3, independent      –

Its failed requests until then, median/p99:

                           5 %
at the information bound     3
replay, independent       11/>
10s-x3, independent          –

The median, in times the information bound:

                     5 %
replay, independent  3.1
10s-x3, independent    –

To read: the bound is ln(1/α)/(requests/s · KL), for whom stable's rate is known and failures are independent; rules end at whole seconds;
> is that it was not returned within 30 minutes, – that it had always been returned before.

Pass: the increase in failures is below 0.5 percentage points; 1000 releases each, 20 candidate requests/s

                    seconds to Pass, median/p99  passed in 30 minutes, %  false Pass, % (upper 95 % bound)
young, independent                        188/>                     99.5                       0.20 (0.63)

To read: a false Pass is one that is given at any time within 30 minutes to a candidate that fails more often by just the allowed increase.
`
	var got strings.Builder
	if err := report.WriteText(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got.String()); diff != "" {
		t.Error(diff)
	}
}
