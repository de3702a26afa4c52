package rollout

import "time"

// AutoscalerLag is how long after a split an autoscaler is given to know the traffic of its version: the five minutes over which
// it holds the most that it found, and the time that counting takes.
const AutoscalerLag = 6 * time.Minute

// measure finds out how many Pods all of the traffic needs. An autoscaler has the say over each version, but sees only that
// version's part of the traffic: it takes from stable what goes to the candidate, and knows nothing of what may come back.
// So in a release, until the end of its rollback window and for AutoscalerLag after a split, what counts is the most that stable
// had or all requests together needed; also where the autoscaler goes in the meantime.
func (t *turn) measure() {
	if most := t.policy.MaxReplicas; most > 0 {
		t.State.Size = max(t.State.Size, min(max(t.seen.Needed, t.seen.Versions[t.State.Stable].Pods), most))
		t.policy.Replicas = max(t.policy.Replicas, min(t.State.Size, most))
		return
	}
	t.policy.Replicas = max(t.policy.Replicas, t.State.Size)
}

// hadTime says whether autoscalers have had the time to know the traffic that each version has.
func (t *turn) hadTime() bool {
	if t.policy.MaxReplicas == 0 {
		return true
	}
	at := t.State.ConfirmedAt
	if at.IsZero() {
		return false
	}
	t.lookAgain(at.Add(AutoscalerLag))
	return !t.now.Before(at.Add(AutoscalerLag))
}

// capacity says how many Pods each version needs for what was decided.
func (t *turn) capacity() {
	t.Replicas, t.Size = map[ID]int{}, t.policy.Replicas
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
	if t.State.Size > 0 && t.State.Release == nil && t.State.Watch == nil && t.hadTime() {
		t.State.Size = 0
	}
}

// stablePods are what the whole load needs: everything may come back at any time. A rolling update gives one away for each
// step whose weight the routers confirmed, but none that its weight needs; the Pod that goes drains what it has.
func (t *turn) stablePods() int {
	n := t.policy.Replicas
	r := t.State.Release
	if r == nil && t.policy.MaxReplicas > 0 && t.hadTime() {
		return t.least
	}
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
	if r.Returning != nil {
		return t.atMostAsMany(r.Candidate, pods)
	}
	if t.evaluated() && (!s.gated || t.unmet().Reason == "") {
		pods = max(pods, s.pods)
	}
	return pods
}

// atMostAsMany are so many Pods, but of a version that its autoscaler keeps smaller no more than it has: one that is taken out of
// the traffic is not enlarged by what all of the traffic needs.
func (t *turn) atMostAsMany(id ID, pods int) int {
	if t.policy.MaxReplicas == 0 {
		return pods
	}
	return min(pods, max(1, t.seen.Versions[id].Pods))
}
