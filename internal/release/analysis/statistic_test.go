package analysis_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// histories are seconds in rising order, some missing, some with one side only, of a stable and a candidate of any quality.
func histories(most int) *rapid.Generator[[]analysis.Second] {
	return rapid.Custom(func(t *rapid.T) []analysis.Second {
		stableFails := rapid.IntRange(0, 100).Draw(t, "percent of stable's that fail")
		candidateFails := rapid.IntRange(0, 100).Draw(t, "percent of the candidate's that fail")
		unix := rapid.Int64Range(1, 2_000_000_000).Draw(t, "begin")
		seconds := make([]analysis.Second, rapid.IntRange(1, most).Draw(t, "seconds"))
		for i := range seconds {
			seconds[i] = heard(unix, counts(t, "stable", 100, stableFails), counts(t, "candidate", 30, candidateFails))
			unix += rapid.SampledFrom([]int64{1, 1, 1, 1, 1, 1, 2, 9, 10, 31, 700}).Draw(t, "step")
		}
		return seconds
	})
}

func counts(t *rapid.T, side string, most int64, fails int) analysis.Counts {
	requests := max(0, rapid.Int64Range(-3, most).Draw(t, side+" requests"))
	around := requests * int64(fails) / 100
	failures := rapid.Int64Range(max(0, around-2), min(requests, around+2)).Draw(t, side+" failures")
	return analysis.Counts{Requests: requests, Failures: failures}
}

func TestTheStatisticSaysWhatAllSecondsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := dumb{allowed: 0.005, startsKnown: rapid.Bool().Draw(t, "starts are known")}
		var s analysis.Statistic
		s.Config.Limits.Failures.StartsKnown = d.startsKnown
		for _, second := range histories(40).Draw(t, "history") {
			s, d.heard = s.Add(second), append(d.heard, second)
			if d.first() == 0 {
				continue
			}
			j := s.Judgement()
			if got := s.Verdict(); got != j.Verdict {
				t.Fatalf("the verdict is %s, with words it is %s", got, j.Verdict)
			}
			score, threshold := d.score()
			near(t, "how far the threshold is", j.Threshold-j.Score, threshold-score)
			if !d.tied() {
				near(t, "score", j.Score, score)
				near(t, "threshold", j.Threshold, threshold)
			}
			near(t, "no worse", s.Failures.NoWorse+min(s.Failures.NoWorseCurrent, 0.75), d.noWorse())
			if math.Abs(score-threshold) > 1e-6 && (j.Verdict == analysis.Fail) != d.failed() {
				t.Fatalf("verdict %s at %g nats of %g", j.Verdict, score, threshold)
			}
			if j.Verdict == analysis.Fail {
				return
			}
			if pass := d.noWorse() - math.Log(1/0.01); math.Abs(pass) > 1e-3 && (j.Verdict == analysis.Pass) != (pass > 0) {
				t.Fatalf("verdict %s at %g nats over what a pass takes", j.Verdict, pass)
			}
		}
	})
}

func near(t *rapid.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-4*max(1, math.Abs(want)) {
		t.Fatalf("%s: %g; read from all seconds it is %g", what, got, want)
	}
}

func TestBatchesAndRestartsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := histories(60).Draw(t, "history")
		cut := rapid.IntRange(0, len(history)).Draw(t, "cut")
		start := analysis.Statistic{Config: analysis.Config{Slow: true, AllowedDisagreement: 0.02, Limits: analysis.Limits{Failures: analysis.Limit{WarmUp: 2}, Slow: analysis.Limit{WarmUp: 5}}}}
		for i := range history {
			c := &history[i].Pods[1].Counts
			c.Slow, c.Mirrored, c.Disagreed = c.Requests/9, c.Requests, c.Requests/7
		}
		want := start.Add(history...)
		begun := start.Add(history[:cut]...)
		data, err := json.Marshal(begun)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) >= 6144 {
			t.Fatalf("%d bytes: %s", len(data), data)
		}
		var read analysis.Statistic
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, begun.Add(history[cut:]...)); diff != "" {
			t.Errorf("in two batches: %s", diff)
		}
		if diff := cmp.Diff(want, read.Add(history[cut:]...)); diff != "" {
			t.Errorf("after a restart: %s", diff)
		}
	})
}

func TestSecondsThatAreNotLaterAreIgnored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := histories(30).Draw(t, "history")
		want := analysis.Statistic{}.Add(history...)
		again := rapid.SliceOf(rapid.SampledFrom(history)).Draw(t, "again")
		if diff := cmp.Diff(want, want.Add(again...)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMissingSecondsSayWhatEmptyOnesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := histories(30).Draw(t, "history")
		var filled []analysis.Second
		for i, second := range history {
			for unix := second.Unix - 1; i > 0 && unix > history[i-1].Unix; unix-- {
				filled = append(filled, analysis.Second{Unix: history[i-1].Unix + second.Unix - unix})
			}
			filled = append(filled, second)
		}
		want, got := analysis.Statistic{}.Add(history...), analysis.Statistic{}.Add(filled...)
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCapsOnlyTakeEvidenceAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s analysis.Statistic
		d := dumb{allowed: 0.005}
		for _, second := range histories(20).Draw(t, "history") {
			s, d.heard = s.Add(second), append(d.heard, second)
			if d.first() == 0 || s.Last-d.first() < 15 {
				continue
			}
			if free := d.worse(1, 10, math.Inf(1)); s.Judgement().Score > free+1e-4*max(1, math.Abs(free)) {
				t.Fatalf("capped %g, uncapped %g", s.Judgement().Score, free)
			}
			if s.Failed != "" {
				return
			}
		}
	})
}

func TestAFailStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := analysis.Statistic{}.Add(steady(1, 30, 80, 0, 20, 20)...)
		after := histories(40).Draw(t, "after")
		if diff := cmp.Diff(bad.Judgement(), bad.Add(after...).Judgement()); diff != "" || bad.Judgement().Verdict != analysis.Fail {
			t.Errorf("%s: %s", bad.Judgement().Verdict, diff)
		}
	})
}

func TestFailuresOfStableAloneFailNoCandidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := histories(60).Draw(t, "history")
		for i := range history {
			history[i] = heard(history[i].Unix, stableOf(history[i]), analysis.Counts{Requests: candidateOf(history[i]).Requests})
		}
		if j := (analysis.Statistic{}).Add(history...).Judgement(); j.Verdict == analysis.Fail {
			t.Error(j.Message)
		}
	})
}

func TestWithoutTheCandidateThereIsNoDataButStableIsLearned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := histories(60).Draw(t, "history")
		for i := range history {
			history[i] = heard(history[i].Unix, stableOf(history[i]), analysis.Counts{})
		}
		s := analysis.Statistic{}.Add(history...)
		if j := s.Judgement(); j.Verdict != analysis.NoData {
			t.Fatalf("%s: %s", j.Verdict, j.Message)
		}
		next := history[len(history)-1].Unix + 1
		keep := math.Exp(-1.0 / 1800)
		near(t, "stable's rate", (s.Failures.Past.Bad*keep+0.5)/(s.Failures.Past.Requests*keep+100), dumb{heard: history}.rate(next))
	})
}

// TestOneSecondIsAnEVariable adds up, over every outcome of one second, its chance times what it multiplies the evidence
// by. Where the candidate is no worse, or is worse by no more than the margin or the excess of starts, the sum is at most 1: nobody gains by betting
// against it. The reverse holds where it is worse by the allowed increase.
func TestOneSecondIsAnEVariable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		past := analysis.Rate{Requests: rapid.Float64Range(0, 1e6).Draw(t, "past requests")}
		past.Bad = past.Requests * rapid.Float64Range(0, 1).Draw(t, "past rate")
		ns, nc := rapid.Int64Range(1, 12).Draw(t, "stable requests"), rapid.Int64Range(1, 12).Draw(t, "candidate requests")
		margin := rapid.Float64Range(1, 6).Draw(t, "margin")
		rate := rapid.Float64Range(0, 1).Draw(t, "stable's rate")
		low := rate * rapid.Float64Range(0, 1).Draw(t, "candidate's part of it")
		within := min(1, margin*low)
		before := analysis.Statistic{Last: 1, Failures: analysis.Evidence{First: 1, Past: past}}
		before.Config.AllowedIncrease = rapid.Float64Range(0.001, 0.2).Draw(t, "allowed")
		before.Config.Limits.Failures = analysis.Limit{Margin: margin}
		allowed := before.Config.AllowedIncrease
		starting := before
		starting.Config.Limits = analysis.Limits{Failures: analysis.Limit{WarmUp: 9, StartExcess: rapid.Float64Range(0, 0.9).Draw(t, "excess of starts")}}
		start := min(1, rate+starting.Config.Limits.Failures.StartExcess*rapid.Float64Range(0, 1).Draw(t, "part of the excess"))
		fresh := min(1, rate+0.3*rapid.Float64Range(0, 1).Draw(t, "part of a start"))
		begun := math.Log(1.0 / 10) // of each alternative, in the first second
		worse, doubt, warming := make([]float64, len(deltas)), make([]float64, len(deltas)), make([]float64, len(deltas))
		noWorse, collapse := 0.0, 0.0
		for fs := range ns + 1 {
			for fc := range nc + 1 {
				second := heard(2, analysis.Counts{Requests: ns, Failures: fs}, analysis.Counts{Requests: nc, Failures: fc})
				after, started := before.Add(second), starting.Add(second)
				for i := range deltas {
					warming[i] += binomial(ns, fs, rate) * binomial(nc, fc, start) * math.Exp(started.Failures.Warming.Scores[i]-begun)
					worse[i] += binomial(ns, fs, rate) * binomial(nc, fc, low) * math.Exp(after.Failures.Scores[0].Current[i])
					doubt[i] += binomial(ns, fs, low) * binomial(nc, fc, within) * math.Exp(after.Failures.Doubt.Current[i])
				}
				collapse += binomial(ns, fs, rate) * binomial(nc, fc, fresh) * math.Exp(after.Failures.Fresh.Collapse)
				noWorse += binomial(ns, fs, low*(1-allowed)) * binomial(nc, fc, low*(1-allowed)+allowed) * math.Exp(after.Failures.NoWorseCurrent)
			}
		}
		for i := range deltas {
			if worse[i] > 1+1e-9 || doubt[i] > 1+1e-9 || warming[i] > 1+1e-9 {
				t.Errorf("δ = %g: expected to multiply by %.12g, by %.12g against the margin, and by %.12g against starts", deltas[i], worse[i], doubt[i], warming[i])
			}
		}
		if noWorse > 1+1e-9 || collapse > 1+1e-9 {
			t.Errorf("expected to multiply by %.12g where it is worse, and by %.12g where it starts", noWorse, collapse)
		}
	})
}

// TestOneSecondAgainstAnAllowedRateIsAnEVariable is the same for one sample.
func TestOneSecondAgainstAnAllowedRateIsAnEVariable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		allowed := rapid.Float64Range(0.001, 0.999).Draw(t, "allowed")
		rate := allowed * rapid.Float64Range(0, 1).Draw(t, "part of it")
		n := rapid.Int64Range(1, 30).Draw(t, "mirrored")
		before := analysis.Statistic{Last: 1, Disagreement: analysis.Evidence{First: 1}}
		before.Config.AllowedDisagreement = allowed
		sum := make([]float64, len(deltas))
		for disagreed := range n + 1 {
			after := before.Add(heard(2, analysis.Counts{}, analysis.Counts{Mirrored: n, Disagreed: disagreed}))
			for i := range deltas {
				sum[i] += binomial(n, disagreed, rate) * math.Exp(after.Disagreement.Scores[0].Current[i])
			}
		}
		for i := range deltas {
			if sum[i] > 1+1e-9 {
				t.Errorf("δ = %g: expected to multiply by %.12g", deltas[i], sum[i])
			}
		}
	})
}

func binomial(n, k int64, p float64) float64 {
	ways := 1.0
	for i := range k {
		ways = ways * float64(n-i) / float64(i+1)
	}
	return ways * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k))
}

// steady is seconds of the same counts.
func steady(from, seconds int64, stable, stableFailures, candidate, candidateFailures int64) []analysis.Second {
	all := make([]analysis.Second, seconds)
	for i := range all {
		all[i] = heard(from+int64(i), analysis.Counts{Requests: stable, Failures: stableFailures}, analysis.Counts{Requests: candidate, Failures: candidateFailures})
	}
	return all
}

func BenchmarkAdd(b *testing.B) {
	s := analysis.Statistic{}.Add(steady(1, 60, 80, 1, 20, 0)...)
	second := steady(61, 1, 80, 1, 20, 0)[0]
	for b.Loop() {
		s = s.Add(second)
		second.Unix++
	}
}
