package analysis

import "math"

// Rate of stable as a running, decayed count.
type Rate struct {
	Requests float64 `json:"n"`
	Bad      float64 `json:"bad"`
}

// after lets seconds pass.
func (r Rate) after(seconds int64) Rate {
	keep := math.Exp(-float64(seconds) / memory)
	return Rate{Requests: r.Requests * keep, Bad: r.Bad * keep}
}

func (r Rate) plus(s sample) Rate { return Rate{Requests: r.Requests + s.requests, Bad: r.Bad + s.bad} }

// value is strictly between 0 and 1.
func (r Rate) value() float64 { return (r.Bad + priorBad) / (r.Requests + priorRequests) }

// sample is a number of requests, and of those of them that are bad: that failed, were slow, or disagreed.
type sample struct{ requests, bad float64 }

// alternatives is how many increases are tried.
const alternatives = 5

// increases are the δ by which a worse candidate may be bad more often than is allowed for: the grid of alternatives, with
// equal prior weights.
func increases() [alternatives]float64 { return [...]float64{0.01, 0.03, 0.1, 0.3, 0.8} }

// rateCap bounds the candidate's rate under an alternative.
const rateCap = 0.99

// worse gives, for each δ, the logarithm of the two-sample e-variable of one second: stable at p and the candidate at
// r·p + δ, against the closest of all pairs whose candidate is at most r times as bad, which is the worst case of them
// (Turner, Ly and Grünwald, J. Stat. Plan. Inference 230, 2024, arXiv 2106.02693; Turner and Grünwald, arXiv 2203.09785).
// p is known before the second. Without requests on one side it is 0.
func worse(p, r float64, stable, candidate sample) (x [alternatives]float64) {
	if stable.requests == 0 || candidate.requests == 0 {
		return x
	}
	for i, δ := range increases() {
		pc := min(r*p+δ, rateCap)
		if pc <= r*p {
			continue
		}
		q := within(p, pc, r, stable.requests, candidate.requests)
		x[i] = ratio(stable, p, q) + ratio(candidate, pc, r*q)
	}
	return x
}

// within is the q that minimises ns·KL(p‖q) + nc·KL(pc‖r·q), where pc > r·p: its slope is 0 at the smaller root of
// r(ns+nc)q² - (ns(1+rp) + nc(r+pc))q + (ns·p + nc·pc).
func within(p, pc, r, ns, nc float64) float64 {
	a, b, c := r*(ns+nc), ns*(1+r*p)+nc*(r+pc), ns*p+nc*pc
	return 2 * c / (b + math.Sqrt(max(0, b*b-4*a*c)))
}

// beyond gives, for each δ, the logarithm of the one-sample e-variable of one second: the candidate at the allowed rate + δ
// against the allowed rate.
func beyond(allowed float64, candidate sample) (x [alternatives]float64) {
	for i, δ := range increases() {
		if pc := min(allowed+δ, rateCap); pc > allowed {
			x[i] = ratio(candidate, pc, allowed)
		}
	}
	return x
}

// noWorse is the logarithm of the reverse e-variable of one second: both sides at p against stable at q and the candidate
// at q + ε, with the q that is closest to p: the projection on all candidates that are worse by ε or more (as above).
func noWorse(p, ε float64, stable, candidate sample) float64 {
	if stable.requests == 0 || candidate.requests == 0 {
		return 0
	}
	q := closest(p, p, ε, stable.requests, candidate.requests)
	return ratio(stable, p, q) + ratio(candidate, p, q+ε)
}

// worseBy gives, for each δ, the logarithm of the e-variable of one second: stable at p and the candidate at p + ε + δ,
// against the closest of all pairs whose candidate is worse by at most ε.
func worseBy(p, ε float64, stable, candidate sample) (x [alternatives]float64) {
	if stable.requests == 0 || candidate.requests == 0 {
		return x
	}
	for i, δ := range increases() {
		pc := min(p+ε+δ, rateCap)
		if pc <= p+ε {
			continue
		}
		q := closest(p, pc, ε, stable.requests, candidate.requests)
		x[i] = ratio(stable, p, q) + ratio(candidate, pc, q+ε)
	}
	return x
}

// closest is the q in (0, 1-ε) that minimises ns·KL(p‖q) + nc·KL(pc‖q+ε). The sum is convex and its slope has one root
// between p and pc-ε, which Newton's steps find; one that would leave where the root must be is halved into instead.
func closest(p, pc, ε, ns, nc float64) float64 {
	const enough, steps = 1e-13, 100
	low, high := max(0, min(p, pc-ε)), min(max(p, pc-ε), 1-ε)
	q := (ns*p + nc*(pc-ε)) / (ns + nc)
	for range steps {
		if inside := q > low && q < high; !inside {
			q = low + (high-low)/2
		}
		r := q + ε
		slope := ns*(q-p)*r*(1-r) + nc*(r-pc)*q*(1-q)
		if slope < 0 {
			low = q
		} else {
			high = q
		}
		step := slope / (ns*(r*(1-r)+(q-p)*(1-2*r)) + nc*(q*(1-q)+(r-pc)*(1-2*q)))
		if q -= step; math.Abs(step) <= enough*q {
			break
		}
	}
	return q
}

// ratio is the log-likelihood ratio of a sample at rate a against rate b.
func ratio(s sample, a, b float64) float64 {
	good := (s.requests - s.bad) * math.Log((1-a)/(1-b))
	if s.bad == 0 {
		return good
	}
	return s.bad*math.Log(a/b) + good
}
