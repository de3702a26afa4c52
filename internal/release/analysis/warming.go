package analysis

import "slices"

// Warming is the evidence that Pods which warm up are worse than Pods that start: that they collapse.
type Warming struct {
	// Seconds in which they had requests; of each, Scores may begin anew.
	Seconds int64 `json:"seconds,omitempty"`
	// Stable and Candidate are the totals of those seconds.
	Stable    Tally `json:"stable,omitzero"`
	Candidate Tally `json:"candidate,omitzero"`
	// Scores are the nats for each alternative, without a cap.
	Scores [alternatives]float64 `json:"scores,omitzero"`
}

// collapseNats are needed to return a candidate for what it does while it warms up: as many as in the first seconds of a
// release with little history, and for the same reason.
const collapseNats = youngEarly

func (w *Warming) add(stable, candidate Tally, x [alternatives]float64) {
	w.Seconds++
	w.Stable, w.Candidate = w.Stable.plus(stable), w.Candidate.plus(candidate)
	anew := prior(w.Seconds)
	for i := range x {
		if w.Seconds == 1 {
			w.Scores[i] = anew
		}
		w.Scores[i] = max(w.Scores[i], anew) + x[i]
	}
}

func (w *Warming) score() float64 { return slices.Max(w.Scores[:]) }

func (w *Warming) collapsed() bool { return w.score() >= collapseNats }

// warm counts what Pods that warm up did in a second: against stable and as much more as recorded starts were bad, or against
// as much more than what the candidate is held against. What they answer differently is left out, as no starts tell of it.
func (k *kind) warm(p float64, stable, warming Tally) {
	if warming.Requests == 0 || k.name == Disagreement {
		return
	}
	var x [alternatives]float64
	if k.allowed > 0 {
		x = beyond(k.allowed+k.excess, warming.sample())
	} else {
		x = worseBy(p, k.excess, stable.sample(), warming.sample())
	}
	k.evidence.Warming.add(stable, warming, x)
}
