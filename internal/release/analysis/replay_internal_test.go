package analysis

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestAReplayedWindowIsScoredAsARelease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := make([][alternatives]float64, rapid.IntRange(1, 90).Draw(t, "seconds"))
		for i := range x {
			x[i] = [alternatives]float64(rapid.SliceOfN(rapid.Float64Range(-3, 3), alternatives, alternatives).Draw(t, "says"))
		}
		var want maxima
		for i := range want {
			want[i] = [scores]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
		}
		var e Evidence
		for i := range x {
			elapsed := int64(i + 1)
			e.add(elapsed-1, elapsed, x[i], [alternatives]float64{}, 0)
			for score, by := range cappings() {
				top := &want[phase(elapsed)][score]
				*top = max(*top, e.Scores[score].value(by))
			}
		}
		if diff := cmp.Diff(want, newReplays(0.01, 1, nil).window(x), cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestThresholdsLeaveTheirShares counts what the replays of each phase would have returned.
func TestThresholdsLeaveTheirShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newReplays(0.2, 1, nil)
		r.largest = 1
		draw := func(label string) (all []maxima) {
			for range rapid.IntRange(50, 200).Draw(t, label) {
				var m maxima
				for i := range m {
					m[i] = [scores]float64(rapid.SliceOfN(rapid.Float64Range(-5, 40), scores, scores).Draw(t, "maxima"))
				}
				all = append(all, m)
			}
			return all
		}
		r.early, r.whole = draw("early"), draw("whole")
		thresholds := r.thresholds()
		fired := func(all []maxima, upTo int) float64 {
			quiet := all
			for p := range upTo {
				for score := range scores {
					quiet = below(quiet, thresholds, p, score)
				}
			}
			return float64(len(all)-len(quiet)) / float64(len(all))
		}
		early := 0.35 + 0.11 + 0.20
		if got := fired(r.early, 3); got > r.alpha*early+1e-9 {
			t.Errorf("%g of the early windows fire; their share is %g", got, r.alpha*early)
		}
		if got := fired(r.whole, phases) - fired(r.whole, 3); got > r.alpha*(early+0.28)+1e-9 {
			t.Errorf("%g of the whole windows fire in the last phase", got)
		}
		for p := range thresholds {
			for s, needed := range thresholds[p] {
				if share := shares()[p][s]; (share > 0) != (needed > 0) || needed > 0 && needed < math.Log(1/(parts()[s]*r.alpha))-1e-9 {
					t.Errorf("phase %d, score %d: share %g, threshold %g", p, s, share, needed)
				}
			}
		}
	})
}

func TestStudentsQuantiles(t *testing.T) {
	for ν, want := range map[float64]float64{1: 31.82, 2: 6.965, 3: 4.541, 4: 3.747, 10: 2.764, 100: 2.364} {
		if got := student(ν, 0.01); math.Abs(got-want) > 0.003*want {
			t.Errorf("%g degrees of freedom: %g, the tables have %g", ν, got, want)
		}
	}
}

func TestFewPodsThatDifferAreNotTakenAtTheirWord(t *testing.T) {
	for name, c := range map[string]struct{ spread, pods, least, most float64 }{
		"five that do not differ":             {0.03, 5, 1.05, 1.2},
		"five that differ by a third":         {0.3, 5, 2, 2.7},
		"five that chance to differ by twice": {0.6, 5, 3, 5},
		"three that do not differ":            {0.03, 3, 1.1, 1.4},
		"three that differ by a third":        {0.3, 3, 2, 3},
		"fifty that differ by a third":        {0.3, 50, 1.9, 2.2},
	} {
		t.Run(name, func(t *testing.T) {
			got := math.Exp(beyondOthers(c.spread*c.spread, c.pods-1, 0.01) * math.Sqrt(1+1/c.pods))
			if got < c.least || got > c.most {
				t.Errorf("one more may be %.2f times as bad", got)
			}
			if own := math.Exp(student(c.pods-1, 0.01) * c.spread * math.Sqrt(1+1/c.pods)); got > own {
				t.Errorf("with the prior %.2f times as bad, without it %.2f", got, own)
			}
		})
	}
}

func TestTheClosestPairIsWhereTheDistanceIsFlat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ε := rapid.Float64Range(0, 0.9).Draw(t, "increase")
		p := rapid.Float64Range(1e-6, 0.99).Draw(t, "stable's rate")
		pc := rapid.Float64Range(1e-6, 0.99).Draw(t, "candidate's rate")
		ns, nc := float64(rapid.IntRange(1, 10_000).Draw(t, "stable requests")), float64(rapid.IntRange(1, 10_000).Draw(t, "candidate requests"))
		q := closest(p, pc, ε, ns, nc)
		distance := func(q float64) float64 {
			return ns*(entropy(p, q)+entropy(1-p, 1-q)) + nc*(entropy(pc, q+ε)+entropy(1-pc, 1-q-ε))
		}
		if q <= 0 || q >= 1-ε {
			t.Fatalf("%g is no rate that leaves room for %g", q, ε)
		}
		for _, other := range []float64{q * 0.999, q + (1-ε-q)*0.001} {
			if distance(other) < distance(q)*(1-1e-12)-1e-12 {
				t.Errorf("%g is at distance %g, and %g at %g", q, distance(q), other, distance(other))
			}
		}
	})
}

func TestTheUpperBoundIsSeldomBelowTheRate(t *testing.T) {
	for _, rate := range []float64{0.001, 0.005, 0.05, 0.5} {
		const n = 1000
		below, chance := 0.0, math.Pow(1-rate, n)
		for bad := range n + 1 {
			if upper(sample{n, float64(bad)}, 0.01) < rate {
				below += chance
			}
			chance *= float64(n-bad) / float64(bad+1) * rate / (1 - rate)
		}
		if below > 0.01 {
			t.Errorf("rate %g: the bound is below it with a chance of %g", rate, below)
		}
	}
}
