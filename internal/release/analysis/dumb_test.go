package analysis_test

import (
	"math"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// dumb is the second implementation: it keeps every second and reads all of them again for each question, following the
// definitions with no thought of speed.
type dumb struct {
	heard   []analysis.Second
	allowed float64
}

var deltas = []float64{0.01, 0.03, 0.1, 0.3, 0.8}

// first is the second of the candidate's first request; 0 if there is none.
func (d dumb) first() int64 {
	for _, s := range d.heard {
		if s.Candidate.Requests > 0 {
			return s.Unix
		}
	}
	return 0
}

// rate of stable just before a second.
func (d dumb) rate(unix int64) float64 {
	requests, failures := 0.0, 0.0
	for _, s := range d.heard {
		if s.Unix < unix {
			weight := math.Exp(-float64(unix-s.Unix) / 1800)
			requests += weight * float64(s.Stable.Requests)
			failures += weight * float64(s.Stable.Failures)
		}
	}
	return (failures + 0.5) / (requests + 100)
}

// worse is the maximum over all δ and all blocks' first seconds t of ln(1/5) + ln(1/(t(t+1))) + the evidence of the blocks since then.
func (d dumb) worse(length int64, most float64) float64 {
	best := math.Inf(-1)
	for _, delta := range deltas {
		blocks := d.blocks(length, func(s analysis.Second) float64 { return d.worseIn(s, delta) })
		for start := range blocks {
			t := float64(start)*float64(length) + 1
			score := math.Log(1.0/5) + math.Log(1/(t*(t+1)))
			for _, block := range blocks[start:] {
				score += min(block, most)
			}
			best = max(best, score)
		}
	}
	return best
}

func (d dumb) noWorse() float64 {
	score := 0.0
	for _, block := range d.blocks(10, d.noWorseIn) {
		score += min(block, 0.75)
	}
	return score
}

// blocks sums what the seconds since the candidate's first request say.
func (d dumb) blocks(length int64, says func(analysis.Second) float64) []float64 {
	first, last := d.first(), d.heard[len(d.heard)-1].Unix
	blocks := make([]float64, (last-first)/length+1)
	for _, s := range d.heard {
		if s.Unix >= first && s.Stable.Requests > 0 && s.Candidate.Requests > 0 {
			blocks[(s.Unix-first)/length] += says(s)
		}
	}
	return blocks
}

func (d dumb) worseIn(s analysis.Second, delta float64) float64 {
	p := d.rate(s.Unix)
	pc := max(p, min(p+delta, 0.99))
	ns, nc := float64(s.Stable.Requests), float64(s.Candidate.Requests)
	p0 := (ns*p + nc*pc) / (ns + nc)
	return likelihood(s.Stable, p) + likelihood(s.Candidate, pc) - likelihood(s.Stable, p0) - likelihood(s.Candidate, p0)
}

func (d dumb) noWorseIn(s analysis.Second) float64 {
	p := d.rate(s.Unix)
	ns, nc := float64(s.Stable.Requests), float64(s.Candidate.Requests)
	distance := func(q float64) float64 { return ns*kl(p, q) + nc*kl(p, q+d.allowed) }
	low, high := 0.0, 1-d.allowed
	for range 300 {
		a, b := low+(high-low)/3, high-(high-low)/3
		if distance(a) < distance(b) {
			high = b
		} else {
			low = a
		}
	}
	return likelihood(s.Stable, p) + likelihood(s.Candidate, p) - likelihood(s.Stable, low) - likelihood(s.Candidate, low+d.allowed)
}

func likelihood(c analysis.Counts, p float64) float64 {
	return float64(c.Failures)*math.Log(p) + float64(c.Requests-c.Failures)*math.Log(1-p)
}

func kl(p, q float64) float64 { return p*math.Log(p/q) + (1-p)*math.Log((1-p)/(1-q)) }

// failed says whether the candidate is to be returned by now.
func (d dumb) failed() bool {
	score, threshold := d.score()
	return score >= threshold
}

func (d dumb) score() (score, threshold float64) {
	if d.heard[len(d.heard)-1].Unix-d.first()+1 <= 5 {
		return d.worse(1, math.Inf(1)), 20
	}
	return d.worse(10, 2), math.Log(2 / 0.01)
}
