package analysis

import "math"

// Rate is stable's failure rate as a running, decayed count.
type Rate struct {
	Requests float64 `json:"n"`
	Failures float64 `json:"f"`
}

// after lets seconds pass.
func (r Rate) after(seconds int64) Rate {
	keep := math.Exp(-float64(seconds) / memory)
	return Rate{Requests: r.Requests * keep, Failures: r.Failures * keep}
}

func (r Rate) plus(c Counts) Rate {
	return Rate{Requests: r.Requests + float64(c.Requests), Failures: r.Failures + float64(c.Failures)}
}

// value is strictly between 0 and 1.
func (r Rate) value() float64 { return (r.Failures + priorFailures) / (r.Requests + priorRequests) }

// Scores are the nats that speak for each alternative: of the blocks that ended, each capped, and of the current block
// before its cap.
type Scores struct {
	Ended   [alternatives]float64 `json:"ended"`
	Current [alternatives]float64 `json:"current"`
}

// advance goes from one elapsed second to another, in blocks of a length in seconds. A candidate may have turned bad at
// the start of any block: if that is second t, it has the prior weight 1/(t(t+1)), which sums to at most 1, for each
// alternative, and a score begins anew where that is more than what it has. The weights fall, so of the blocks that begin
// between from and to the first counts.
func (s *Scores) advance(from, to, length int64, most float64) {
	ended := block(from, length)
	if ended == block(to, length) {
		return
	}
	t := float64(ended*length + 1)
	anew := -math.Log(alternatives * t * (t + 1))
	for i := range s.Ended {
		if from == 0 {
			s.Ended[i] = anew
		} else {
			s.Ended[i] = max(s.Ended[i]+min(s.Current[i], most), anew)
		}
	}
	s.Current = [alternatives]float64{}
}

// block is the number, from 1, of the block that an elapsed second is in; 0 before the first.
func block(elapsed, length int64) int64 { return (elapsed + length - 1) / length }

func (s *Scores) add(x [alternatives]float64) {
	for i := range x {
		s.Current[i] += x[i]
	}
}

// value is the score: the maximum, which is below the logarithm of the mixture.
func (s *Scores) value(most float64) float64 {
	best := math.Inf(-1)
	for i := range s.Ended {
		best = max(best, s.Ended[i]+min(s.Current[i], most))
	}
	return best
}

// worse gives, for each δ, the logarithm of the two-sample e-variable of one second: both sides at the rates (p, p+δ)
// against both at the mean rate, which is the worst case of all candidates that are no worse (Turner, Ly and Grünwald,
// J. Stat. Plan. Inference 230, 2024, arXiv 2106.02693; Turner and Grünwald, arXiv 2203.09785). p is known before the
// second. Without requests on one side it is 0.
func worse(p float64, stable, candidate Counts) (x [alternatives]float64) {
	ns, nc := float64(stable.Requests), float64(candidate.Requests)
	if ns == 0 || nc == 0 {
		return x
	}
	for i, δ := range increases() {
		pc := max(p, min(p+δ, rateCap))
		p0 := (ns*p + nc*pc) / (ns + nc)
		x[i] = ratio(stable, p, p0) + ratio(candidate, pc, p0)
	}
	return x
}

// noWorse is the logarithm of the reverse e-variable of one second: both sides at p against stable at q and the candidate
// at q + ε, with the q that is closest to p: the projection on all candidates that are worse by ε or more (as above).
func noWorse(p, ε float64, stable, candidate Counts) float64 {
	if stable.Requests == 0 || candidate.Requests == 0 {
		return 0
	}
	q := closest(p, ε, float64(stable.Requests), float64(candidate.Requests))
	return ratio(stable, p, q) + ratio(candidate, p, q+ε)
}

// closest is the q in (0, 1-ε) that minimises ns·KL(p‖q) + nc·KL(p‖q+ε). The sum is convex and its slope has one root
// between p-ε and p, which is halved into until the floating-point numbers end.
func closest(p, ε, ns, nc float64) float64 {
	low, high := max(0, p-ε), min(p, 1-ε)
	for {
		q := low + (high-low)/2
		if q <= low || q >= high {
			return q
		}
		r := q + ε
		if ns*(q-p)*r*(1-r)+nc*(r-p)*q*(1-q) < 0 {
			low = q
		} else {
			high = q
		}
	}
}

// ratio is the log-likelihood ratio of counts at rate a against rate b.
func ratio(c Counts, a, b float64) float64 {
	f := float64(c.Failures)
	return f*math.Log(a/b) + (float64(c.Requests)-f)*math.Log((1-a)/(1-b))
}
