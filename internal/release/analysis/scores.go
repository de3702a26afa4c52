package analysis

import "math"

// Scores are the nats that speak for each alternative: of the blocks that ended, each capped, and of the current block
// before its cap.
type Scores struct {
	Ended   [alternatives]float64 `json:"ended"`
	Current [alternatives]float64 `json:"current"`
}

// capping is the length of a score's blocks in seconds, and the most that one can prove, in nats.
type capping struct {
	length int64
	most   float64
}

// advance goes from one elapsed second to another. A candidate may have turned bad at the start of any block: if that is
// block b, it has the prior weight 1/(b(b+1)), which sums to 1, for each alternative, and a score begins anew where that is
// more than what it has. The weights fall, so of the blocks that begin between from and to the first counts.
func (s *Scores) advance(from, to int64, c capping) {
	ended := block(from, c.length)
	if ended == block(to, c.length) {
		return
	}
	anew := prior(ended + 1)
	for i := range s.Ended {
		if from == 0 {
			s.Ended[i] = anew
		} else {
			s.Ended[i] = max(s.Ended[i]+min(s.Current[i], c.most), anew)
		}
	}
	s.Current = [alternatives]float64{}
}

// prior is the logarithm of the weight of each alternative that begins with a block.
func prior(block int64) float64 {
	b := float64(block)
	return -math.Log(alternatives * b * (b + 1))
}

// block is the number, from 1, of the block that an elapsed second is in; 0 before the first.
func block(elapsed, length int64) int64 { return (elapsed + length - 1) / length }

func (s *Scores) add(x [alternatives]float64) {
	for i := range x {
		s.Current[i] += x[i]
	}
}

// value is the score: the maximum, which is below the logarithm of the mixture.
func (s *Scores) value(c capping) float64 {
	best := math.Inf(-1)
	for i := range s.Ended {
		best = max(best, s.Ended[i]+min(s.Current[i], c.most))
	}
	return best
}
