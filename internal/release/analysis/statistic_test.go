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
			seconds[i] = analysis.Second{
				Unix:      unix,
				Stable:    counts(t, "stable", 100, stableFails),
				Candidate: counts(t, "candidate", 30, candidateFails),
			}
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
		var s analysis.Statistic
		d := dumb{allowed: 0.005}
		for _, second := range histories(40).Draw(t, "history") {
			s, d.heard = s.Add(second), append(d.heard, second)
			if d.first() == 0 {
				continue
			}
			j := s.Judgement()
			score, threshold := d.score()
			near(t, "score", j.Score, score)
			near(t, "threshold", j.Threshold, threshold)
			near(t, "no worse", s.NoWorse+min(s.NoWorseCurrent, 0.75), d.noWorse())
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
		want := analysis.Statistic{}.Add(history...)
		begun := analysis.Statistic{}.Add(history[:cut]...)
		data, err := json.Marshal(begun)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) >= 2048 {
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
		for _, second := range histories(40).Draw(t, "history") {
			s, d.heard = s.Add(second), append(d.heard, second)
			if d.first() == 0 || s.Last-s.First < 5 {
				continue
			}
			if free := d.worse(10, math.Inf(1)); s.Judgement().Score > free+1e-6*math.Abs(free) {
				t.Fatalf("capped %g, uncapped %g", s.Judgement().Score, free)
			}
			if s.Failed {
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
			history[i].Candidate.Failures = 0
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
			history[i].Candidate = analysis.Counts{}
		}
		s := analysis.Statistic{}.Add(history...)
		if j := s.Judgement(); j.Verdict != analysis.NoData {
			t.Fatalf("%s: %s", j.Verdict, j.Message)
		}
		next := history[len(history)-1].Unix + 1
		keep := math.Exp(-1.0 / 1800)
		near(t, "stable's rate", (s.Past.Failures*keep+0.5)/(s.Past.Requests*keep+100), dumb{heard: history}.rate(next))
	})
}

// TestOneSecondIsAnEVariable adds up, over every outcome of one second, its chance times what it multiplies the evidence
// by. Where the candidate is no worse the sum is at most 1: nobody gains by betting against it. The reverse holds where
// it is worse by the allowed increase.
func TestOneSecondIsAnEVariable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		past := analysis.Rate{
			Requests: rapid.Float64Range(0, 1e6).Draw(t, "past requests"),
		}
		past.Failures = past.Requests * rapid.Float64Range(0, 1).Draw(t, "past rate")
		ns, nc := rapid.Int64Range(1, 12).Draw(t, "stable requests"), rapid.Int64Range(1, 12).Draw(t, "candidate requests")
		low, high := rapid.Float64Range(0, 1).Draw(t, "a rate"), rapid.Float64Range(0, 1).Draw(t, "a rate")
		low, high = min(low, high), max(low, high)
		before := analysis.Statistic{First: 1, Last: 1, Past: past, Config: analysis.Config{AllowedIncrease: rapid.Float64Range(0.001, 0.2).Draw(t, "allowed")}}
		worse, noWorse := make([]float64, len(deltas)), 0.0
		for fs := range ns + 1 {
			for fc := range nc + 1 {
				after := before.Add(analysis.Second{
					Unix: 2, Stable: analysis.Counts{Requests: ns, Failures: fs}, Candidate: analysis.Counts{Requests: nc, Failures: fc},
				})
				for i, x := range after.Uncapped.Current {
					worse[i] += binomial(ns, fs, high) * binomial(nc, fc, low) * math.Exp(x)
				}
				noWorse += binomial(ns, fs, low*(1-before.Config.AllowedIncrease)) *
					binomial(nc, fc, low*(1-before.Config.AllowedIncrease)+before.Config.AllowedIncrease) * math.Exp(after.NoWorseCurrent)
			}
		}
		for i, sum := range worse {
			if sum > 1+1e-9 {
				t.Errorf("δ = %g: expected to multiply by %.12g", deltas[i], sum)
			}
		}
		if noWorse > 1+1e-9 {
			t.Errorf("no worse: expected to multiply by %.12g", noWorse)
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
		all[i] = analysis.Second{
			Unix:      from + int64(i),
			Stable:    analysis.Counts{Requests: stable, Failures: stableFailures},
			Candidate: analysis.Counts{Requests: candidate, Failures: candidateFailures},
		}
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
