package rollout

import "time"

// all of the traffic, in percent.
const all = 100

// step of a plan: Pods that must be ready, then a weight, then how long it is held.
type step struct {
	// weight of the candidate in percent, the share of the others' requests that it is also asked, and its Pods for both.
	weight, shadow, pods int
	hold                 time.Duration
	// watched is not over before the candidate answered leastRequests; gated begins only once the candidate may be promoted.
	watched, gated bool
}

// plan is what a strategy means: the steps to all of the traffic. The last one is the promotion.
func plan(strategy Strategy, policy Policy) []step {
	n := policy.Replicas
	var steps []step
	switch strategy {
	case RollingUpdate:
		for i, before := 1, 0; i < n; i++ {
			if weight := all * i / n; weight > before {
				steps = append(steps, step{weight: weight, pods: i})
				before = weight
			}
		}
	case Canary:
		for _, given := range policy.Steps {
			s := step{weight: given.Weight, shadow: policy.Shadow, hold: given.Hold, watched: true}
			s.pods = podsFor(s.load(), n)
			steps = append(steps, s)
		}
		return append(steps, step{weight: all, pods: n, gated: true})
	case BlueGreen, FirstVersion:
	}
	return append(steps, step{weight: all, pods: n})
}

// Share is a weight of a candidate beside stable, in percent, and the Pods that can take it.
type Share struct{ Weight, Pods int }

// Shares are what a candidate of this policy gets beside stable, in order. One that is switched to at once gets none.
func Shares(policy Policy) []Share {
	policy.Replicas = max(policy.Replicas, 1)
	var shares []Share
	for _, s := range plan(policy.Strategy, policy) {
		if s.weight < all {
			shares = append(shares, Share{s.weight, podsFor(s.weight, policy.Replicas)})
		}
	}
	return shares
}

// load of the candidate in percent of all requests: those that it answers and those that are mirrored to it.
func (s step) load() int { return loadOf(s.weight, s.shadow) }

func loadOf(weight, shadow int) int {
	return weight + (shadow*(all-weight)+all-1)/all
}

// load of the candidate as it is now.
func (t *turn) load() int {
	r := t.State.Release
	weight := t.State.Weights[r.Candidate]
	if weight == 0 {
		return 0
	}
	return loadOf(weight, r.Shadow)
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
	case t.warm():
		return BlueGreen
	default:
		return t.policy.Strategy
	}
}

// warm says whether the candidate was stable until a moment ago and kept what it had.
func (t *turn) warm() bool { return t.State.Retiring[t.State.Release.Candidate].Until.After(t.now) }

// step that the release is in.
func (t *turn) step() (s step, last bool) {
	steps := plan(t.strategy(), t.policy)
	i := t.index(steps)
	s, last = steps[i], i == len(steps)-1
	s.gated = s.gated && !t.State.Release.Hastened
	return s, last
}

// index of the step among those of the plan. A policy that has fewer steps than before leaves the last one, and no step
// takes from the candidate what it has. A person's promotion is the last step.
func (t *turn) index(steps []step) int {
	r, last := t.State.Release, len(steps)-1
	if r.Hastened {
		return last
	}
	i := min(r.Step, last)
	for r.StepStartedAt.IsZero() && i < last && steps[i].weight < t.State.Weights[r.Candidate] {
		i++
	}
	return i
}
