package trial

import "math"

// Bound is how long a test must go on for which stable's rate is known and requests fail independently: on average no test
// that wrongly returns a candidate with a chance of at most α returns one that fails at a rate sooner than after ln(1/α) nats of the
// Kullback-Leibler divergence between the rates, which each of the candidate's requests adds to (Wald 1945). In seconds.
func Bound(fails, stable, requestsPerSecond float64) float64 {
	return math.Log(1/falseRollbackRate) / (requestsPerSecond * divergence(fails, stable))
}

// divergence is KL(p‖q) of one request.
func divergence(p, q float64) float64 {
	nats := 0.0
	if p > 0 {
		nats += p * math.Log(p/q)
	}
	if p < 1 {
		nats += (1 - p) * math.Log((1-p)/(1-q))
	}
	return nats
}

// upperBound is the one-sided 95 % bound on a rate of which k of n were seen (Clopper and Pearson 1934): the rate at which
// k or fewer have a chance of 5 %.
func upperBound(k, n int) float64 {
	if k >= n {
		return 1
	}
	low, high := float64(k)/float64(n), 1.0
	for range 60 {
		middle := (low + high) / 2
		if atMost(k, n, middle) > 0.05 {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// atMost is the chance of k or fewer of n at a rate.
func atMost(k, n int, rate float64) float64 {
	sum := 0.0
	all, _ := math.Lgamma(float64(n) + 1)
	for i := range k + 1 {
		some, _ := math.Lgamma(float64(i) + 1)
		others, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(all - some - others + float64(i)*math.Log(rate) + float64(n-i)*math.Log1p(-rate))
	}
	return sum
}
