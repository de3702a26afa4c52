package rollout

import "time"

// all of the traffic, in percent.
const all = 100

// step of a plan: Pods that must be ready, then a weight, then how long it is held.
type step struct {
	// weight of the candidate in percent, and its Pods for that.
	weight, pods int
	hold         time.Duration
	// watched is not over before the candidate answered leastRequests; gated begins only once the candidate may be promoted.
	watched, gated bool
}

// plan is what a strategy means: the steps to all of the traffic. The last one is the promotion.
func plan(strategy Strategy, policy Policy) []step {
	n := policy.Replicas
	var steps []step
	switch strategy {
	case RollingUpdate:
		for i := 1; i < n; i++ {
			steps = append(steps, step{weight: all * i / n, pods: i})
		}
	case Canary:
		for _, s := range policy.Steps {
			steps = append(steps, step{weight: s.Weight, pods: podsFor(s.Weight, n), hold: s.Hold, watched: true})
		}
		return append(steps, step{weight: all, pods: n, gated: true})
	case BlueGreen, FirstVersion:
	}
	return append(steps, step{weight: all, pods: n})
}

// podsFor is the least number of Pods that can take a weight, where n take everything.
func podsFor(weight, n int) int { return (weight*n + all - 1) / all }

// shareOf is the greatest weight that so many Pods can take, where n take everything.
func shareOf(pods, n int) int { return min(all, all*pods/n) }

// strategy that the release under way goes by. Its first weight settles it; going back to a version that is still warm
// needs no second trial.
func (t *turn) strategy() Strategy {
	r := t.State.Release
	switch {
	case r.Strategy != "":
		return r.Strategy
	case t.State.Stable == "":
		return FirstVersion
	case t.State.Retiring[r.Candidate].Until.After(t.now):
		return BlueGreen
	default:
		return t.policy.Strategy
	}
}

// step that the release is in. A policy that has fewer steps than before leaves the last one.
func (t *turn) step() (s step, last bool) {
	steps := plan(t.strategy(), t.policy)
	i := min(t.State.Release.Step, len(steps)-1)
	return steps[i], i == len(steps)-1
}
