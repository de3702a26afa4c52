package trial

import (
	"math"
	"math/rand/v2"
	"testing"
)

func newTestRandom() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// near fails unless a mean of n values with a variance is within five standard deviations of what it should be.
func near(t *testing.T, what string, got, want, variance float64, n int) {
	t.Helper()
	if most := 5 * math.Sqrt(variance/float64(n)); math.Abs(got-want) > most {
		t.Errorf("%s: %.5g; want %.5g ± %.2g", what, got, want, most)
	}
}

func TestPoissonHasItsMeanAndVariance(t *testing.T) {
	for _, mean := range []float64{0, 0.2, 20, 100} {
		p, random := newPoisson(mean), newTestRandom()
		const n = 100_000
		sum, squares := 0.0, 0.0
		for range n {
			k := float64(p.draw(random))
			sum += k
			squares += (k - mean) * (k - mean)
		}
		near(t, "mean", sum/n, mean, mean, n)
		// The variance of (k-mean)² is mean + 2·mean².
		near(t, "variance", squares/n, mean, mean+2*mean*mean, n)
	}
}

func TestRequestsFailIndependentlyAtTheirRates(t *testing.T) {
	random := newTestRandom()
	h := newHazard(random)
	const n, requests = 100_000, 20
	rates := []float64{0.005, 0.505, 0, 1, 0.02}
	sums, squares := make([]float64, len(rates)), make([]float64, len(rates))
	for range n {
		for i, rate := range rates {
			k := float64(h.among(random, requests, rate))
			sums[i] += k
			squares[i] += (k - requests*rate) * (k - requests*rate)
		}
	}
	for i, rate := range rates {
		variance := requests * rate * (1 - rate)
		near(t, "mean", sums[i]/n, requests*rate, variance, n)
		near(t, "variance", squares[i]/n, variance, variance*(1+2*variance), n)
	}
}

func TestSpellsTakeTheirShareOfTime(t *testing.T) {
	for name, of := range map[string]Spells{
		"shorter than a second": {Length: 0.4, OfTime: 0.002},
		"of ten seconds":        {Length: 10, OfTime: 0.002},
		"of uneven lengths":     {Length: 10, OfTime: 0.002, Uneven: true},
	} {
		t.Run(name, func(t *testing.T) {
			random := newTestRandom()
			const n = 2_000_000
			s, inside, began := of.begin(random, 0), 0.0, 0.0
			for second := 1; second <= n; second++ {
				share := s.in(random, of, float64(second))
				if share < 0 || share > 1 {
					t.Fatalf("second %d: %v of it in a spell", second, share)
				}
				inside += share
			}
			// The number of spells is nearly Poisson distributed, and a length is at most exponential.
			near(t, "share of time", inside/n, of.OfTime, 2*of.OfTime*of.Length, n)
			for range 100_000 {
				if of.begin(random, 0).from == 0 {
					began++
				}
			}
			near(t, "share of beginnings inside", began/100_000, of.OfTime, of.OfTime, 100_000)
		})
	}
}
