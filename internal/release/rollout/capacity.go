package rollout

// capacity says how many Pods each version needs for what was decided.
func (t *turn) capacity() {
	t.Replicas = map[ID]int{}
	for id, retiree := range t.State.Retiring {
		t.Replicas[id] = retiree.Replicas
	}
	if w := t.State.Watch; w != nil && t.State.Retiring[w.Previous].Until.After(t.now) {
		// Everything may come back in one write: it grows with what the whole load needs.
		t.Replicas[w.Previous] = max(t.State.Retiring[w.Previous].Replicas, t.policy.Replicas)
	}
	if r := t.State.Release; r != nil {
		t.Replicas[r.Candidate] = t.candidatePods()
	}
	if t.State.Stable != "" {
		t.Replicas[t.State.Stable] = t.stablePods()
	}
}

// stablePods are what the whole load needs: everything may come back at any time. A rolling update gives one away for each
// step whose weight the routers confirmed, but none that its weight needs; the Pod that goes drains what it has.
func (t *turn) stablePods() int {
	n := t.policy.Replicas
	r := t.State.Release
	if r == nil || r.Returning != nil || t.strategy() != RollingUpdate {
		return n
	}
	return max(n-t.givenAway(), stillNeeded(t.State.Weights[t.State.Stable], n), 1)
}

// givenAway are the Pods that the candidate has in stable's place.
func (t *turn) givenAway() int {
	steps := plan(RollingUpdate, t.policy)
	i := min(t.State.Release.Step, len(steps))
	if i == 0 {
		return 0
	}
	return steps[i-1].pods
}

// stillNeeded are the Pods for a weight that was what a whole number of Pods can take and was rounded up by less than 1.
func stillNeeded(weight, n int) int {
	return max(n*weight/all, podsFor(max(weight-1, 0), n))
}

// candidatePods are one to be evaluated, then what the weight needs that it has or may have next. One that is still warm,
// or that gives its traffic back, is not shrunk.
func (t *turn) candidatePods() int {
	r := t.State.Release
	s, _ := t.step()
	pods := max(1, podsFor(t.load(), t.policy.Replicas), t.State.Retiring[r.Candidate].Replicas)
	mayGrow := r.Returning == nil && t.evaluated() && (!s.gated || t.unmet().Reason == "")
	if mayGrow {
		pods = max(pods, s.pods)
	}
	return pods
}
