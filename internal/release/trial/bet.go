package trial

import "math"

// bet is a bet on differences (Waudby-Smith and Ramdas, arXiv 2010.09686): each second it stakes a part of its capital on
// the candidate's share of failures being above stable's. Where the candidate is no worse the capital is not expected to
// grow, so it returns at capital 1/α. The stake is their approximately growth-optimal one: mean/(variance + mean²) of past
// seconds, at most mostStake.
type bet struct{}

func (bet) Name() string { return "bet" }

func (bet) Begin(Past) Judge {
	var b betJudge
	return b.add
}

const mostStake = 0.75

type betJudge struct {
	// n seconds had requests of both; sum and squares of their differences.
	n, sum, squares float64
	capital         float64 // in nats
}

func (b *betJudge) add(s *Second) bool {
	if s.Stable.Requests == 0 || s.Candidate.Requests == 0 {
		return false
	}
	difference := float64(s.Candidate.Failures)/float64(s.Candidate.Requests) - float64(s.Stable.Failures)/float64(s.Stable.Requests)
	// Both are as if there had been one second more, with mean 0 and variance 1/4: so the first stakes are small.
	mean, meanOfSquares := b.sum/(b.n+1), (b.squares+0.25)/(b.n+1)
	stake := min(max(0, mean/meanOfSquares), mostStake)
	b.capital += math.Log1p(stake * difference)
	b.n++
	b.sum += difference
	b.squares += difference * difference
	return b.capital >= math.Log(1/falseRollbackRate)
}
