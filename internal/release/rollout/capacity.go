package rollout

// capacity says how many Pods each version needs for what was decided.
func (t *turn) capacity() {
	t.Replicas = map[ID]int{}
	for id, retiree := range t.State.Retiring {
		t.Replicas[id] = retiree.Replicas
	}
	if r := t.State.Release; r != nil {
		t.Replicas[r.Candidate] = t.candidatePods()
	}
	if t.State.Stable != "" {
		t.Replicas[t.State.Stable] = t.stablePods()
	}
}

// stablePods are what the whole load needs: everything may come back at any time. A rolling update gives one away for each
// step whose weight the routers confirmed; the Pod that goes drains what it has.
func (t *turn) stablePods() int {
	n := t.policy.Replicas
	r := t.State.Release
	if r == nil || r.Returning != nil || t.strategy() != RollingUpdate {
		return n
	}
	kept := n * t.State.Weights[t.State.Stable] / all
	return max(n-r.Step, kept, 1)
}

// candidatePods are one to be evaluated, then what the weight needs that it has or may have next. One that is still warm,
// or that gives its traffic back, is not shrunk.
func (t *turn) candidatePods() int {
	r := t.State.Release
	s, _ := t.step()
	pods := max(1, podsFor(t.State.Weights[r.Candidate], t.policy.Replicas), t.State.Retiring[r.Candidate].Replicas)
	mayGrow := r.Returning == nil && t.evaluated() && (!s.gated || t.unmet().Reason == "")
	if mayGrow {
		pods = max(pods, s.pods)
	}
	return pods
}
