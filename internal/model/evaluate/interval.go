package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// z975 is the 0.975 quantile of the standard normal distribution.
	z975 = 1.959963984540054
	// resamples of the bootstrap, and its seed: the same answers give the same interval.
	resamples = 1000
	seed      = 20231111
)

// Wilson is the 95 % score interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927; recommended over the normal
// interval by Brown, Cai and DasGupta, Stat. Sci. 16, 2001).
func Wilson(successes, trials int) Interval {
	n := float64(trials)
	p := float64(successes) / n
	z2 := z975 * z975
	centre := (p + z2/(2*n)) / (1 + z2/n)
	half := z975 / (1 + z2/n) * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	// Rounding must not put the interval beside a share of exactly 0 or 1.
	return Interval{Low: min(max(0, centre-half), p), High: max(min(1, centre+half), p)}
}

// bootstrap gives the 95 % percentile interval of each statistic over rows drawn with replacement (Efron and Tibshirani,
// An Introduction to the Bootstrap, 1993, §13.3). A statistic may be NaN on a sample, which then does not count.
func bootstrap(rows int, names []string, statistics func(sample []int) []float64) map[string]Interval {
	//nolint:gosec // resampling wants a repeatable generator, not an unpredictable one
	random := rand.New(rand.NewPCG(seed, uint64(rows)))
	sample := make([]int, rows)
	values := make([][]float64, len(names))
	for range resamples {
		for i := range sample {
			sample[i] = random.IntN(rows)
		}
		drawn := statistics(sample)
		for i := range names {
			if !math.IsNaN(drawn[i]) {
				values[i] = append(values[i], drawn[i])
			}
		}
	}
	intervals := make(map[string]Interval, len(names)+1)
	for i, name := range names {
		if len(values[i]) > 0 {
			slices.Sort(values[i])
			intervals[name] = Interval{Low: quantile(values[i], 0.025), High: quantile(values[i], 0.975)}
		}
	}
	return intervals
}

// quantile interpolates linearly between order statistics (Hyndman and Fan's type 7).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}
