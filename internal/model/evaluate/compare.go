package evaluate

import "math"

// Two numbers are the same answer if they differ by at most tolerance of the greater one, or by nearZero: what routers allow
// that compare mirrored answers.
const (
	tolerance = 0.01
	nearZero  = 1e-6
)

// compareClasses counts the rows that one version alone got right (Q. McNemar, Psychometrika 12, 1947, with the exact
// binomial probability).
func compareClasses(labels, candidate, stable []int) Comparison {
	c := Comparison{Differ: new(int32(0))}
	for i, label := range labels {
		if candidate[i] != stable[i] {
			*c.Differ++
		}
		switch right, stableRight := candidate[i] == label, stable[i] == label; {
		case right && !stableRight:
			c.CandidateOnly++
		case stableRight && !right:
			c.StableOnly++
		}
	}
	c.PValue = evenSplit(c.CandidateOnly, c.StableOnly)
	return c
}

// compareNumbers counts the rows on which one version came closer: the sign test, which like McNemar's asks how uneven a
// split of the differing rows is. Rows on which both are equally far off say nothing.
func compareNumbers(targets, candidate, stable []float64) Comparison {
	c := Comparison{Differ: new(int32(0))}
	for i, target := range targets {
		if apart(candidate[i], stable[i]) {
			*c.Differ++
		}
		switch off, stableOff := math.Abs(candidate[i]-target), math.Abs(stable[i]-target); {
		case off < stableOff:
			c.CandidateOnly++
		case stableOff < off:
			c.StableOnly++
		}
	}
	c.PValue = evenSplit(c.CandidateOnly, c.StableOnly)
	return c
}

// compareBits counts the texts of which one version needed fewer bits per byte, by the sign test too.
func compareBits(candidate, stable []float64) Comparison {
	return compareNumbers(make([]float64, len(candidate)), candidate, stable)
}

// worst of two comparisons is the one that says more against the candidate, or less for it; the first where they say the same.
func worst(a, b Comparison) Comparison {
	if b.favour() < a.favour() {
		return b
	}
	return a
}

// favour rises from 0, all against the candidate, over 1, nothing either way, to 2.
func (c Comparison) favour() float64 {
	if c.StableOnly > c.CandidateOnly {
		return c.PValue
	}
	return 2 - c.PValue
}

// apart says whether two numbers are further from each other than rounding explains.
func apart(a, b float64) bool {
	return math.Abs(a-b) > max(nearZero, tolerance*max(math.Abs(a), math.Abs(b)))
}

// evenSplit is the exact two-sided p-value of a : b under a fair coin, twice the probability of the smaller tail.
func evenSplit(a, b int32) float64 {
	n, fewer := float64(a)+float64(b), float64(min(a, b))
	all, _ := math.Lgamma(n + 1)
	tail := 0.0
	for k := 0.0; k <= fewer; k++ {
		in, _ := math.Lgamma(k + 1)
		out, _ := math.Lgamma(n - k + 1)
		tail += math.Exp(all - in - out - n*math.Ln2)
	}
	return min(1, 2*tail)
}
