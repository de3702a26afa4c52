package analysis

import (
	"cmp"
	"math"
)

// rule is how one kind is judged.
type rule struct {
	name string
	// alpha is the kind's share of α.
	alpha float64
	// margin is how many times as bad as stable a candidate may be for being other Pods: no evidence counts that does not
	// speak against that. 1 is no margin.
	margin float64
	// doubt is such a margin that evidence must only outweigh; see Evidence. 0 is none.
	doubt float64
	// fresh is what is needed beside, in nats, against the doubt that the candidate's Pods only start; see Fresh. 0 is nothing.
	fresh float64
	// thresholds by phase.
	thresholds Thresholds
}

const (
	// blockSeconds is the length of the longer blocks whose evidence is capped.
	blockSeconds = 10
	// secondCap and blockCap are how many nats a second and a block can prove, so that one spell returns nobody.
	secondCap = 1.5
	blockCap  = 2
	// noWorseCap is how many a block can prove that a candidate is not worse: uncapped, a spell of stable's flatters it.
	noWorseCap = 0.75

	// youngEarly is what it takes in the first phase with little history, in nats. As good a candidate reaches 20 with a
	// chance of at most exp(-20) where failures are independent; where they come in spells, one seldom falls into so short
	// a time, and must be a collapse to count.
	youngEarly = 20
	// usualMargin is allowed for where nothing is known of how Pods differ. Of Pods whose rates are log-normal with a
	// standard deviation of 0.3 in the logarithm one in eighteen is that much worse than four others, and is mostly kept as it
	// must also be worse by the least increase that is tried; more would make evident candidates wait.
	usualMargin = 1.7
)

// The scores by their place.
const (
	uncapped = iota
	bySecond
	byBlock
	scores
)

// cappings of the scores.
func cappings() [scores]capping {
	return [...]capping{uncapped: {1, math.Inf(1)}, bySecond: {1, secondCap}, byBlock: {blockSeconds, blockCap}}
}

// parts of a kind's α by score, where thresholds stand at their floor: half of it is the uncapped score's, which is the fastest
// where stable is quiet.
func parts() [scores]float64 {
	return [...]float64{uncapped: 0.5, bySecond: 0.25, byBlock: 0.25}
}

// phases of a release: its first seconds, the time that a spell may take, a minute, and the rest.
const phases = 4

// phase that an elapsed second is in. The first second is seldom whole.
func phase(elapsed int64) int {
	switch {
	case elapsed <= 3:
		return 0
	case elapsed <= 15:
		return 1
	case elapsed <= 60:
		return 2
	default:
		return phases - 1
	}
}

// young is the rule of a kind with little history: half of its α is spent on the score capped by block; the first phase
// needs exp(-20) of the rest.
func young(alpha, doubt float64) rule {
	late := [scores]float64{byBlock: math.Log(2 / alpha)}
	return rule{name: Young, alpha: alpha, margin: 1, doubt: doubt, thresholds: Thresholds{{uncapped: youngEarly}, late, late, late}}
}

// starting is the rule for a candidate whose Pods may only start: all must speak against that too. So spells after its first
// second return nobody early, and a collapse may take longer to be told from a start.
func (r rule) starting() rule {
	r.fresh = math.Log(1 / r.alpha)
	r.thresholds[1][uncapped] = youngEarly
	return r
}

// rule of a kind with these limits.
func (c Config) rule(l Limit) rule {
	if l.Thresholds != (Thresholds{}) {
		return rule{name: Replay, alpha: c.share(), margin: max(1, l.Margin), thresholds: l.Thresholds}
	}
	r := young(c.share(), cmp.Or(l.Margin, usualMargin))
	if !l.StartsKnown {
		r = r.starting()
	}
	return r
}
