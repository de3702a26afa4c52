package trial

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

func tiny() Options {
	return Options{Seed: 7, Releases: 12, Detections: 5, Histories: 3, Workers: 1, Rules: []string{"plain", "bet", "60s-x1"}, Only: []string{"spells-3s", "sticky", TableDetection, TableLate}}
}

func run(t *testing.T, o Options) Report {
	t.Helper()
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestARunDependsOnItsSeedAndSizesOnly(t *testing.T) {
	want := run(t, tiny())
	for name, change := range map[string]func(*Options){
		"the same again":      func(*Options) {},
		"five workers":        func(o *Options) { o.Workers = 5 },
		"all others left out": func(o *Options) { o.Only = o.Only[:1] },
		"the last world only": func(o *Options) { o.Only = o.Only[1:2] },
		"one rule":            func(o *Options) { o.Rules = []string{"bet"} },
		"one table":           func(o *Options) { o.Only = []string{TableLate} },
	} {
		t.Run(name, func(t *testing.T) {
			o := tiny()
			change(&o)
			got := run(t, o)
			if diff := cmp.Diff(some(want, o), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	o := tiny()
	o.Seed++
	if cmp.Equal(want, run(t, o)) {
		t.Error("another seed gives the same")
	}
}

// some of a report is what the options ask for.
func some(r Report, o Options) Report {
	asked := func(names []string, name string) bool { return strings.Contains(strings.Join(names, " "), name) }
	var left Report
	left.Seed, left.Releases, left.Detections, left.Histories = r.Seed, r.Releases, r.Detections, r.Histories
	for _, row := range r.FalseRollbacks {
		if asked(o.Only, row.World) && asked(o.Rules, row.Rule) {
			left.FalseRollbacks = append(left.FalseRollbacks, row)
		}
	}
	for _, row := range r.Detection {
		if asked(o.Only, TableDetection) && asked(o.Rules, row.Rule) {
			left.Detection = append(left.Detection, row)
		}
	}
	for _, row := range r.Late {
		if asked(o.Only, TableLate) && asked(o.Rules, row.Rule) {
			left.Late = append(left.Late, row)
		}
	}
	return left
}

func TestProgressCountsToItsEnd(t *testing.T) {
	o := tiny()
	o.Workers = 4
	seen, all := 0, 0
	o.Progress = func(done, total int) {
		if done != seen+1 {
			t.Errorf("%d follows %d", done, seen)
		}
		seen, all = done, total
	}
	run(t, o)
	// Two worlds with 3 histories each, five qualities of candidate from the first second on, and three from minute 10.
	if want := 3 * (2 + 5 + 3); seen != want || all != want {
		t.Errorf("progress ends at %d of %d; want %d", seen, all, want)
	}
}

func TestARunEndsWhenItIsToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := tiny()
	o.Progress = func(int, int) { cancel() }
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("it says %v", err)
	}
}

func TestOptionsSayWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no releases":   {func(o *Options) { o.Releases = 0 }, "releases: write a number of at least 1, not 0"},
		"no histories":  {func(o *Options) { o.Histories = -1 }, "histories: write a number of at least 1, not -1"},
		"unknown world": {func(o *Options) { o.Only = []string{"mars"} }, `world or table "mars": write one of ["independent" "spells-1s"`},
		"unknown rule":  {func(o *Options) { o.Rules = []string{"coin"} }, `rule "coin": write one of ["replay" "young" "plain"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := tiny()
			c.change(&o)
			if _, err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("it says %v; want %s", err, c.want)
			}
		})
	}
}

// TestTheOperatorsRules plays a few releases by the rules of package analysis: good candidates stay and pass, and bad ones
// go.
func TestTheOperatorsRules(t *testing.T) {
	o := tiny()
	o.Rules, o.Only = []string{"young"}, []string{TableDetection, TableSlow, TablePass}
	report := run(t, o)
	if got := len(report.Detection); got != 4*5 {
		t.Errorf("%d rows of detection; want 4 worlds, 5 qualities", got)
	}
	for _, row := range slices.Concat(report.Detection, report.Slow) {
		if obvious := row.Fails == 1 || row.Slower == 2; obvious && (row.Seconds == nil || row.Seconds.P99 == 0 || row.Seconds.P99 > 60) {
			t.Errorf("%+v, %+v", row, row.Seconds)
		}
	}
	for _, row := range report.Passes {
		if row.Passed < 9 || row.FalsePasses > 1 {
			t.Errorf("%+v", row)
		}
	}
	o.Rules, o.Only, o.Histories = []string{"replay"}, []string{"spells-3s"}, 1
	for _, row := range slices.Concat(report.SlowFalse, run(t, o).FalseRollbacks) {
		if row.Returned > 1 {
			t.Errorf("%+v", row)
		}
	}
}

// TestHistoryIsLearnedOnce counts how often a block's history is asked for and played.
func TestHistoryIsLearnedOnce(t *testing.T) {
	learned := &lessons{seed: 1, known: map[lesson]func() analysis.Config{}}
	w := named("one-request")
	first := learned.of(w, 0, historySeconds)
	_, _ = learned.of(w, 1, historySeconds), learned.of(w, 0, historySeconds)
	if len(learned.known) != 2 {
		t.Errorf("%d histories are known; want 2", len(learned.known))
	}
	if got := first().Limits.PodHours; got < 100 || got > 121 {
		t.Errorf("the history has %v Pod-hours; want 5 Pods and 24 hours", got)
	}
}

func TestQuantilesCountWhatDidNotEnd(t *testing.T) {
	for name, c := range map[string]struct {
		ended  []int64
		missed int
		want   Quantiles
	}{
		"all ended":           {[]int64{3, 1, 2}, 0, Quantiles{Median: 2, P99: 3}},
		"the slowest did not": {[]int64{3, 1, 2, 4}, 1, Quantiles{Median: 3}},
		"most did not":        {[]int64{1}, 4, Quantiles{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, quantiles(c.ended, c.missed)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
