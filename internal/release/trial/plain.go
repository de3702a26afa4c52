package trial

import (
	"math"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// plain is the sequential two-sample test as it is published: the e-process of Turner, Ly and Grünwald (arXiv 2106.02693)
// over a grid of alternatives and of times at which the candidate turned bad, with no cap; it returns at 1/α.
type plain struct{}

func (plain) Name() string { return "plain" }

func (plain) Begin(Past) Judge {
	var p plainJudge
	return p.add
}

type plainJudge struct {
	requests, failures float64
	second             int64
	scores             [5]float64
}

const (
	// remembers is the time in seconds over which stable's failure rate fades.
	remembers = 1800
	// highest failure rate of an alternative.
	highest = 0.99
)

func (p *plainJudge) add(s *Second) bool {
	rate := (p.failures + 0.5) / (p.requests + 100) // of past seconds only
	p.requests = p.requests*math.Exp(-1.0/remembers) + float64(s.Stable.Requests)
	p.failures = p.failures*math.Exp(-1.0/remembers) + float64(s.Stable.Failures)
	if p.second == 0 && s.Candidate.Requests == 0 {
		return false
	}
	p.second++
	t := float64(p.second)
	anew := -math.Log(float64(len(p.scores)) * t * (t + 1))
	ns, nc := float64(s.Stable.Requests), float64(s.Candidate.Requests)
	best := math.Inf(-1)
	for i, more := range [...]float64{0.01, 0.03, 0.1, 0.3, 0.8} {
		if p.second == 1 || p.scores[i] < anew {
			p.scores[i] = anew
		}
		if ns > 0 && nc > 0 {
			worse := max(rate, min(rate+more, highest))
			both := (ns*rate + nc*worse) / (ns + nc)
			p.scores[i] += likelier(s.Stable, rate, both) + likelier(s.Candidate, worse, both)
		}
		best = max(best, p.scores[i])
	}
	return best >= math.Log(1/falseRollbackRate)
}

// likelier is the log-likelihood ratio of counts at one failure rate against another.
func likelier(c analysis.Counts, a, b float64) float64 {
	answered := float64(c.Requests-c.Failures) * math.Log((1-a)/(1-b))
	if c.Failures == 0 {
		return answered
	}
	return answered + float64(c.Failures)*math.Log(a/b)
}
