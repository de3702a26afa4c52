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
	// startsKnown says that nothing is allowed for that recorded starts did not show.
	startsKnown bool
}

var deltas = []float64{0.01, 0.03, 0.1, 0.3, 0.8}

// first is the second of the candidate's first request; 0 if there is none.
func (d dumb) first() int64 {
	for _, s := range d.heard {
		if candidateOf(s).Requests > 0 {
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
			requests += weight * float64(stableOf(s).Requests)
			failures += weight * float64(stableOf(s).Failures)
		}
	}
	return (failures + 0.5) / (requests + 100)
}

// worse is the maximum over all δ and all blocks b of ln(1/5) + ln(1/(b(b+1))) + the evidence of the blocks from b on,
// against candidates that are at most margin times as bad.
func (d dumb) worse(margin float64, length int64, most float64) float64 {
	best := math.Inf(-1)
	for _, delta := range deltas {
		best = max(best, lastly(d.blocks(d.first(), length, func(s analysis.Second) float64 { return d.worseIn(s, margin, delta) }), most))
	}
	return best
}

// lastly is the most that blocks say, if the candidate turned bad at the start of any of them.
func lastly(blocks []float64, most float64) float64 {
	best := math.Inf(-1)
	for start := range blocks {
		b := float64(start + 1)
		score := math.Log(1.0/5) + math.Log(1/(b*(b+1)))
		for _, block := range blocks[start:] {
			score += min(block, most)
		}
		best = max(best, score)
	}
	return best
}

func (d dumb) noWorse() float64 {
	score := 0.0
	for _, block := range d.blocks(d.first(), 10, d.noWorseIn) {
		score += min(block, 0.75)
	}
	return score
}

// blocks sums what the seconds since one of them say.
func (d dumb) blocks(first, length int64, says func(analysis.Second) float64) []float64 {
	last := d.heard[len(d.heard)-1].Unix
	blocks := make([]float64, (last-first)/length+1)
	for _, s := range d.heard {
		if s.Unix >= first && stableOf(s).Requests > 0 && candidateOf(s).Requests > 0 {
			blocks[(s.Unix-first)/length] += says(s)
		}
	}
	return blocks
}

func (d dumb) worseIn(s analysis.Second, margin, delta float64) float64 {
	p, stable, candidate := d.rate(s.Unix), stableOf(s), candidateOf(s)
	pc := min(margin*p+delta, 0.99)
	if pc <= margin*p {
		return 0
	}
	ns, nc := float64(stable.Requests), float64(candidate.Requests)
	q := least(0, 1/margin, func(q float64) float64 { return ns*kl(p, q) + nc*kl(pc, margin*q) })
	return likelihood(stable, p) + likelihood(candidate, pc) - likelihood(stable, q) - likelihood(candidate, margin*q)
}

func (d dumb) noWorseIn(s analysis.Second) float64 {
	p, stable, candidate := d.rate(s.Unix), stableOf(s), candidateOf(s)
	ns, nc := float64(stable.Requests), float64(candidate.Requests)
	q := least(0, 1-d.allowed, func(q float64) float64 { return ns*kl(p, q) + nc*kl(p, q+d.allowed) })
	return likelihood(stable, p) + likelihood(candidate, p) - likelihood(stable, q) - likelihood(candidate, q+d.allowed)
}

// least is where a convex function is.
func least(low, high float64, f func(float64) float64) float64 {
	for range 90 {
		a, b := low+(high-low)/3, high-(high-low)/3
		if f(a) < f(b) {
			high = b
		} else {
			low = a
		}
	}
	return low
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

// score is by the rule for little history, which counts nothing after the first seconds that does not also speak against
// a candidate whose Pods are 1.7 times as bad for being other Pods, and nothing at all that does not speak against Pods that
// only start, unless starts are known.
func (d dumb) score() (score, threshold float64) {
	early, blocks, late, both := d.scores()
	if !both && d.elapsed() <= 3 || both && early-20 >= blocks-late {
		return early, 20
	}
	return blocks, late
}

// tied says that two scores are as far from their thresholds, as where both are held back by the same doubt: either may be told.
func (d dumb) tied() bool {
	early, blocks, late, both := d.scores()
	return both && math.Abs(early-20-(blocks-late)) < 1e-6
}

// scores are the uncapped one, which takes 20 nats, and that of blocks with what it takes; and whether both count.
func (d dumb) scores() (early, blocks, late float64, both bool) {
	uncappedFor := int64(15)
	doubt := d.fresh() - math.Log(1/0.01)
	if d.startsKnown {
		doubt, uncappedFor = math.Inf(1), 3
	}
	early, late = min(d.worse(1, 1, math.Inf(1)), 20+doubt), math.Log(2/0.01)
	blocks = min(d.worse(1, 10, 2), late+d.worse(1.7, 10, 2), late+doubt)
	return early, blocks, late, d.elapsed() > 3 && d.elapsed() <= uncappedFor
}

// elapsed seconds since the candidate's first request.
func (d dumb) elapsed() int64 { return d.heard[len(d.heard)-1].Unix - d.first() + 1 }

// fresh is what speaks against Pods that fail 0.3 more for 20 seconds and no more than stable's later.
func (d dumb) fresh() float64 {
	collapse := 0.0
	for _, s := range d.heard {
		stable, candidate := stableOf(s), candidateOf(s)
		if p := d.rate(s.Unix); s.Unix >= d.first() && s.Unix < d.first()+20 && stable.Requests > 0 && candidate.Requests > 0 && p < 0.69 {
			ns, nc, pc := float64(stable.Requests), float64(candidate.Requests), min(p+0.5, 0.99)
			q := least(0, 0.7, func(q float64) float64 { return ns*kl(p, q) + nc*kl(pc, q+0.3) })
			collapse += likelihood(stable, p) + likelihood(candidate, pc) - likelihood(stable, q) - likelihood(candidate, q+0.3)
		}
	}
	if d.heard[len(d.heard)-1].Unix < d.first()+20 {
		return max(collapse+math.Log(2.0/3), math.Log(1.0/3)) // later there is nothing yet
	}
	later := math.Inf(-1)
	for _, delta := range deltas {
		later = max(later, lastly(d.blocks(d.first()+20, 10, func(s analysis.Second) float64 { return d.worseIn(s, 1, delta) }), math.Inf(1)))
	}
	return max(collapse+math.Log(2.0/3), later+math.Log(1.0/3))
}

// totals of a second.
func totals(s analysis.Second, candidate bool) (sum analysis.Counts) {
	for _, pod := range s.Pods {
		if pod.Candidate == candidate && pod.Failures >= 0 && pod.Failures <= pod.Requests {
			sum = sum.Plus(pod.Counts)
		}
	}
	return sum
}

func stableOf(s analysis.Second) analysis.Counts { return totals(s, false) }

func candidateOf(s analysis.Second) analysis.Counts { return totals(s, true) }

// heard is a second of one Pod each.
func heard(unix int64, stable, candidate analysis.Counts) analysis.Second {
	return analysis.Second{Unix: unix, Pods: []analysis.PodSecond{
		{Pod: "stable", Counts: stable}, {Pod: "candidate", Candidate: true, Counts: candidate},
	}}
}
