package trial

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// newRandom is the source of the random numbers of one thing that is simulated, which its names and numbers tell from all
// others.
func newRandom(seed uint64, numbers [2]int, names ...string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %d", names, numbers)
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // a simulation is to be repeatable, not secret
}

// poisson draws from a Poisson distribution by inverting its table.
type poisson struct {
	// upTo[k] is the chance of at most k; guide[i] is the least k with upTo[k] > i/len(guide).
	upTo  []float64
	guide [256]int
}

func newPoisson(mean float64) *poisson {
	p := &poisson{}
	sum := 0.0
	for k := 0; sum < 1-1e-12 || float64(k) < mean; k++ {
		gamma, _ := math.Lgamma(float64(k) + 1)
		term := math.Exp(float64(k)*math.Log(mean) - mean - gamma)
		if mean == 0 {
			term = 1
		}
		sum += term
		p.upTo = append(p.upTo, sum)
		if mean == 0 {
			break
		}
	}
	k := 0
	for i := range p.guide {
		for k < len(p.upTo)-1 && p.upTo[k] <= float64(i)/float64(len(p.guide)) {
			k++
		}
		p.guide[i] = k
	}
	return p
}

func (p *poisson) draw(random *rand.Rand) int64 {
	u := random.Float64()
	k := p.guide[int(u*float64(len(p.guide)))]
	for k < len(p.upTo)-1 && p.upTo[k] <= u {
		k++
	}
	return int64(k)
}

// hazard decides which of a row of requests fail, each with a chance of its own, without a draw for each: a request adds
// -ln(1 - chance), and one fails whenever what was added since the last failure passes an exponential variable.
type hazard struct {
	left float64
	// chance is the last one asked for, and each is what a request adds at it.
	chance, each float64
}

func newHazard(random *rand.Rand) hazard { return hazard{left: random.ExpFloat64()} }

// among returns how many of some requests fail.
func (h *hazard) among(random *rand.Rand, requests int64, chance float64) int64 {
	if chance != h.chance {
		h.chance, h.each = chance, -math.Log1p(-min(chance, 1))
	}
	failed := int64(0)
	for requests > 0 && h.each > 0 {
		if h.left >= h.each*float64(requests) {
			h.left -= h.each * float64(requests)
			break
		}
		requests -= int64(h.left/h.each) + 1
		failed++
		h.left = random.ExpFloat64()
	}
	return failed
}
