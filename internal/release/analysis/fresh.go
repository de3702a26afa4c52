package analysis

import "math"

// Fresh is the evidence against the doubt that the candidate's Pods only start: that in its first seconds they are bad for
// being fresh, as much as a start may be, and later no worse than stable. It takes what speaks against either.
type Fresh struct {
	// Collapse is what the first seconds say, from the first of them on, that they are worse than a start.
	Collapse float64 `json:"collapse,omitzero"`
	// Later are the nats of the seconds after them for each alternative, without a cap; of each block, they may begin anew.
	Later Scores `json:"later,omitzero"`
}

const (
	// startSeconds is how long a start may take, and startExcess by how much the share of bad requests may be larger in it.
	startSeconds = 20
	startExcess  = 0.3
	// collapseExcess is the same of Pods that collapse.
	collapseExcess = 0.5
)

func (f *Fresh) add(from, to int64, worse [alternatives]float64, collapse float64) {
	if to <= startSeconds {
		f.Collapse += collapse
		return
	}
	f.Later.advance(max(0, from-startSeconds), to-startSeconds, freshCapping())
	f.Later.add(worse)
}

// value is the larger of the two, each with its prior weight: a collapse has two thirds, as it is to be told soon.
func (f *Fresh) value() float64 {
	return max(f.Collapse+math.Log(2.0/3), f.Later.value(freshCapping())+math.Log(1.0/3))
}

func freshCapping() capping { return capping{blockSeconds, math.Inf(1)} }

// collapse is the logarithm of the e-variable of one second: stable at p and the candidate at p + collapseExcess, against the
// closest of all pairs whose candidate is worse by at most startExcess.
func collapse(p float64, stable, candidate sample) float64 {
	pc := min(p+collapseExcess, rateCap)
	if stable.requests == 0 || candidate.requests == 0 || pc <= p+startExcess {
		return 0
	}
	q := closest(p, pc, startExcess, stable.requests, candidate.requests)
	return ratio(stable, p, q) + ratio(candidate, pc, q+startExcess)
}
