package rollout_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// chronicle is a slow second opinion: it keeps everything that ever happened in a world, and after each decision works out
// the rules of DESIGN §5 anew from that alone. It shares nothing with the engine, not even its arithmetic.
type chronicle struct {
	entries []entry
	// phases are all transitions; the engine keeps the last 50.
	phases []rollout.Transition
}

// entry is one decision that was written down, with what it was made of.
type entry struct {
	at            time.Time
	seen          rollout.Observation
	policy        rollout.Policy
	before, after rollout.State
	replicas      map[rollout.ID]int
	// phases that changed.
	phases []rollout.Transition
	// loss says that this was no decision: the state was lost and recovered.
	loss bool
}

// note adds a decision that was written, and returns what is wrong with it, if anything is.
func (c *chronicle) note(e entry) error {
	e.phases = fresh(e.before.History, e.after.History)
	c.entries = append(c.entries, e)
	c.phases = append(c.phases, e.phases...)
	for _, rule := range []func() error{
		c.phasesFollow, c.phasesAgree, c.onlyEvaluatedGetWeight, c.raisesAreWithinCapacity, c.rollingWeights, c.holdsWereHeld,
		c.pauseHolds, c.candidateKeeps, c.abortsEnd, c.failsReturn, c.attemptsCount, c.returnedStaysReturned,
		c.capacityIsKept, c.deadlineCounts,
	} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

// lost notes that the state was lost and recovered: nothing is under way, and stable is the same.
func (c *chronicle) lost(at time.Time, before, after rollout.State) {
	e := entry{at: at, before: before, after: after, phases: fresh(before.History, after.History), loss: true}
	c.entries = append(c.entries, e)
	c.phases = append(c.phases, e.phases...)
}

func (c *chronicle) last() entry { return c.entries[len(c.entries)-1] }

// fresh are the transitions that one history has beyond another.
func fresh(before, after []rollout.Transition) []rollout.Transition {
	for n := range len(after) + 1 {
		kept := after[:len(after)-n]
		if len(kept) <= len(before) && slices.Equal(before[len(before)-len(kept):], kept) {
			return after[len(after)-n:]
		}
	}
	return after
}

// phasesFollow: every change of phase is one of these, for a reason that belongs to it.
func (c *chronicle) phasesFollow() error {
	allowed := map[string]string{
		"Draft Testing": "Starting", "Rollback Testing": "Starting", "Deprecated Testing": "Starting",
		"Testing Canary": "StepHolding", "Testing Production": "FirstVersion Promoted", "Canary Production": "Promoted",
		"Testing Rollback":      "Aborted EvaluationFailed EvaluationError ProgressDeadline",
		"Canary Rollback":       "Aborted EvaluationFailed ErrorRate Latency Disagreement",
		"Production Rollback":   "Aborted ErrorRate Latency Disagreement",
		"Production Deprecated": "Superseded", "Deprecated Production": "Restored",
	}
	now := map[rollout.ID]rollout.Phase{}
	for _, p := range c.phases {
		if was := cmp.Or(now[p.ID], rollout.Draft); was != p.From {
			return fmt.Errorf("%s goes from %s to %s and was in %s", p.ID, p.From, p.To, was)
		}
		reasons := allowed[string(p.From)+" "+string(p.To)]
		if !slices.Contains(strings.Fields(reasons), p.Reason) {
			return fmt.Errorf("%s goes from %s to %s by %s", p.ID, p.From, p.To, p.Reason)
		}
		now[p.ID] = p.To
	}
	return nil
}

// phasesAgree: the phases that the whole history leads to are those that the state is in.
func (c *chronicle) phasesAgree() error {
	s, now := c.last().after, map[rollout.ID]rollout.Phase{}
	for _, p := range c.phases {
		now[p.ID] = p.To
	}
	for id, phase := range now {
		switch phase {
		case rollout.Production:
			if s.Stable != id {
				return fmt.Errorf("%s is in Production, and %q is stable", id, s.Stable)
			}
		case rollout.Testing, rollout.InCanary:
			if s.Release == nil || s.Release.Candidate != id || (s.Weights[id] > 0) != (phase == rollout.InCanary) {
				return fmt.Errorf("%s is in %s, with release %+v and weights %v", id, phase, s.Release, s.Weights)
			}
		case rollout.Draft, rollout.Deprecated, rollout.Rollback:
			if s.Weights[id] > 0 && (s.Release == nil || s.Release.Returning == nil) {
				return fmt.Errorf("%s is in %s with weight %d", id, phase, s.Weights[id])
			}
		}
	}
	return nil
}

// onlyEvaluatedGetWeight: who has a weight was seen evaluated, at the latest when it got its first.
func (c *chronicle) onlyEvaluatedGetWeight() error {
	for id := range c.last().after.Weights {
		proved := false
		for _, e := range c.entries {
			outcome := e.seen.Versions[id].Evaluation.Outcome
			proved = proved || outcome == rollout.EvaluationPassed || outcome == rollout.EvaluationDisabled
			if e.after.Weights[id] > 0 && !proved {
				return fmt.Errorf("%s has a weight and was never evaluated", id)
			}
		}
	}
	return nil
}

// raisesAreWithinCapacity counts Pods one by one until they take the load.
func (c *chronicle) raisesAreWithinCapacity() error {
	e := c.last()
	for id, weight := range e.after.Weights {
		if weight <= e.before.Weights[id] || id == e.before.Stable && e.before.Stable == e.after.Stable && weight == 100 {
			continue // everything goes back to stable in one write
		}
		load := float64(weight)
		if r := e.after.Release; r != nil && r.Candidate == id {
			load += float64(r.Shadow) * float64(100-weight) / 100
		}
		pods := 0
		for float64(pods)*100 < load*float64(c.size()) {
			pods++
		}
		if ready := e.seen.Versions[id].Ready; ready < pods {
			return fmt.Errorf("%s is raised to %d %% (%.1f %% with its shadow) with %d of %d ready Pods", id, weight, load, ready, pods)
		}
	}
	return nil
}

// rollingWeights: a rolling update gives the share of one more Pod at a time, or everything when a person promotes it.
func (c *chronicle) rollingWeights() error {
	e := c.last()
	r := e.after.Release
	if r == nil || r.Strategy != rollout.RollingUpdate || r.Returning != nil {
		return nil
	}
	was, is := e.before.Weights[r.Candidate], e.after.Weights[r.Candidate]
	if is == was {
		return nil
	}
	next, n := 0, c.size()
	for pods := n; pods > 0; pods-- {
		if share := 100 * pods / n; share > was {
			next = share
		}
	}
	if is != next {
		return fmt.Errorf("a rolling update of %d Pods goes from %d %% to %d %%, and %d %% is next", n, was, is, next)
	}
	return nil
}

// holdsWereHeld: a canary rises a minute after its last rise at the earliest, as all steps of the worlds say, and to
// everything only by autoPromotion; unless a person promotes it.
func (c *chronicle) holdsWereHeld() error {
	e := c.last()
	r := e.before.Release
	if r == nil || r.Strategy != rollout.Canary || r.Hastened || e.after.Stable == r.Candidate && c.promotedNow() {
		return nil
	}
	if e.after.Weights[r.Candidate] <= e.before.Weights[r.Candidate] && e.after.Stable != r.Candidate {
		return nil
	}
	if e.after.Stable == r.Candidate && !e.policy.AutoPromotion {
		return fmt.Errorf("%s was promoted without autoPromotion", r.Candidate)
	}
	for _, earlier := range slices.Backward(c.entries[:len(c.entries)-1]) {
		if earlier.after.Weights[r.Candidate] > earlier.before.Weights[r.Candidate] {
			if held := e.at.Sub(earlier.at); held < time.Minute {
				return fmt.Errorf("%s had its weight for %s only", r.Candidate, held)
			}
			return nil
		}
	}
	return fmt.Errorf("%s has a weight that nobody gave", r.Candidate)
}

// promotedNow says whether a person asks for the promotion in this decision.
func (c *chronicle) promotedNow() bool {
	return c.asks(rollout.Promote, c.last().before.Release.Version)
}

// asks says whether a person asks for that, of the latest of all attempts.
func (c *chronicle) asks(kind rollout.ActionType, version string) bool {
	e := c.last()
	return e.policy.Action == rollout.Action{Type: kind, Version: version, Attempt: c.attempts(version, len(c.entries)-1)}
}

// attempts at a version that the first so many decisions began.
func (c *chronicle) attempts(version string, decisions int) int {
	begun := 0
	for _, e := range c.entries[:decisions] {
		for _, p := range e.phases {
			if p.Version == version && p.To == rollout.Testing {
				begun++
			}
		}
	}
	return begun
}

// pauseHolds: in a pause only what was stable gets more, and nothing begins.
func (c *chronicle) pauseHolds() error {
	e := c.last()
	if !e.policy.Paused {
		return nil
	}
	for _, p := range e.phases {
		if p.To == rollout.Testing {
			return fmt.Errorf("a release of %s begins in a pause", p.Version)
		}
	}
	for id, weight := range e.after.Weights {
		if weight > e.before.Weights[id] && id != e.after.Stable {
			return fmt.Errorf("%s is raised to %d %% in a pause", id, weight)
		}
	}
	if r := e.before.Release; r != nil && e.after.Stable == r.Candidate {
		return fmt.Errorf("%s is promoted in a pause", r.Candidate)
	}
	return nil
}

// candidateKeeps: a candidate loses nothing before its release ends.
func (c *chronicle) candidateKeeps() error {
	e := c.last()
	was, is := e.before.Release, e.after.Release
	if was == nil || is == nil || was.Candidate != is.Candidate || was.Attempt != is.Attempt || is.Returning != nil {
		return nil
	}
	if from, to := e.before.Weights[is.Candidate], e.after.Weights[is.Candidate]; to < from {
		return fmt.Errorf("%s falls from %d %% to %d %% in mid-release", is.Candidate, from, to)
	}
	return nil
}

// abortsEnd: what a person aborts has ended after one decision, and is not begun again by itself.
func (c *chronicle) abortsEnd() error {
	e := c.last()
	r, w := e.before.Release, e.before.Watch
	switch {
	case r != nil && c.asks(rollout.Abort, r.Version):
		if n := e.after.Release; n != nil && n.Returning == nil && n.Candidate == r.Candidate || e.after.Stable == r.Candidate {
			return fmt.Errorf("%s was aborted and goes on: %+v", r.Version, n)
		}
	case r == nil && w != nil && e.at.Before(w.Until) && c.asks(rollout.Abort, w.Version):
		if e.after.Stable != w.Previous {
			return fmt.Errorf("%s was aborted in its rollback window, and %s is stable", w.Version, e.after.Stable)
		}
	}
	return nil
}

// failsReturn: evidence against a version with traffic takes it away in this decision, if rollbacks are allowed, and gives
// it no more if they are not and no person insists.
func (c *chronicle) failsReturn() error {
	e := c.last()
	if e.seen.Judgement.Verdict != analysis.Fail {
		return nil
	}
	r, w := e.before.Release, e.before.Watch
	switch {
	case r != nil && e.before.Weights[r.Candidate] > 0 && r.Returning == nil:
		ended := e.after.Release == nil || e.after.Release.Returning != nil || e.after.Release.Candidate != r.Candidate
		if e.policy.RollbackEnabled && (!ended || e.after.Stable == r.Candidate) {
			return fmt.Errorf("%s fails and goes on", r.Candidate)
		}
		if !r.Hastened && !c.promotedNow() && e.after.Weights[r.Candidate] > e.before.Weights[r.Candidate] {
			return fmt.Errorf("%s fails and is raised", r.Candidate)
		}
	case r == nil && w != nil && e.at.Before(w.Until) && e.policy.RollbackEnabled:
		if e.after.Stable != w.Previous {
			return fmt.Errorf("%s fails in its rollback window, and %s is stable", w.Candidate, e.after.Stable)
		}
	}
	return nil
}

// attemptsCount: the attempts of the state are the releases that were begun.
func (c *chronicle) attemptsCount() error {
	s := c.last().after
	for version, n := range s.Attempts {
		if begun := c.attempts(version, len(c.entries)); n != begun {
			return fmt.Errorf("%d attempts at %s, and %d were begun", n, version, begun)
		}
	}
	return nil
}

// returnedStaysReturned: a version that was refused begins again only when another was wanted since, or a person retries, be
// it before the attempt that failed at once. One whose release was lost was not refused.
func (c *chronicle) returnedStaysReturned() error {
	e, begun := c.last(), map[string]int{}
	for _, p := range e.phases {
		if p.To != rollout.Testing {
			continue
		}
		ended := c.attempts(p.Version, len(c.entries)-1) + begun[p.Version]
		begun[p.Version]++
		if p.From != rollout.Rollback || e.policy.Action == (rollout.Action{Type: rollout.Retry, Version: p.Version, Attempt: ended}) {
			continue
		}
		otherwise := false
		for _, earlier := range slices.Backward(c.entries[:len(c.entries)-1]) {
			otherwise = otherwise || earlier.seen.Wanted.ID != "" && earlier.seen.Wanted.ID != p.ID
			ended := slices.ContainsFunc(earlier.phases, func(q rollout.Transition) bool {
				return q.ID == p.ID && q.To == rollout.Rollback
			})
			if ended {
				otherwise = otherwise || earlier.loss
				break
			}
		}
		if !otherwise {
			return fmt.Errorf("%s begins again by itself", p.Version)
		}
	}
	return nil
}

// size is how many Pods all of the traffic needs: those of the policy, or the most that an autoscaler gave to stable, or would
// have given to everything, since a release began, up to the end of its rollback window and until autoscalers have seen the
// new split for six minutes.
func (c *chronicle) size() int {
	now, most := c.last().policy, 0
	for i, e := range slices.Backward(c.entries) {
		if e.loss {
			break
		}
		if e.policy.MaxReplicas > 0 {
			most = max(most, min(e.policy.MaxReplicas, max(e.seen.Needed, e.seen.Versions[e.before.Stable].Pods)))
		}
		if i == 0 || c.entries[i-1].calm() {
			break
		}
	}
	if now.MaxReplicas > 0 {
		most = min(most, now.MaxReplicas)
	}
	return max(now.Replicas, most)
}

// calm: nothing is under way, and who has the traffic is known.
func (e entry) calm() bool {
	s := e.after
	known := e.policy.MaxReplicas == 0 || !s.ConfirmedAt.IsZero() && e.at.Sub(s.ConfirmedAt) >= 6*time.Minute
	return s.Release == nil && s.Watch == nil && known
}

// capacityIsKept: what may have to take everything at once is as large as that needs.
func (c *chronicle) capacityIsKept() error {
	e := c.last()
	needed := map[rollout.ID]int{}
	maps.Copy(needed, e.after.Weights)
	if w := e.after.Watch; w != nil && e.after.Retiring[w.Previous].Until.After(e.at) {
		needed[w.Previous] = 100
	}
	for id, weight := range needed {
		n := c.size()
		if at := e.after.ConfirmedAt; id == e.after.Stable && e.after.Release == nil && e.policy.MaxReplicas > 0 && !at.IsZero() && e.at.Sub(at) >= 6*time.Minute {
			n = e.policy.Replicas // its autoscaler knows it
		}
		if e.replicas[id]*100 < (weight-1)*n {
			return fmt.Errorf("%s is to have %d of %d Pods, and must take %d %%", id, e.replicas[id], n, weight)
		}
	}
	return nil
}

// deadlineCounts: a candidate without traffic is given up for its deadline when nothing has evaluated it for so long, since
// the release began or since it was last seen to be evaluated; and then it is, if it is not evaluated.
func (c *chronicle) deadlineCounts() error {
	e := c.last()
	r := e.before.Release
	if r == nil || r.Returning != nil || e.before.Weights[r.Candidate] > 0 || !r.FirstWeightAt.IsZero() {
		return nil
	}
	since, ran := e.at, false
	for _, earlier := range c.entries {
		if earlier.before.Release == nil || earlier.before.Release.Candidate != r.Candidate || earlier.before.Release.Attempt != r.Attempt {
			since, ran = earlier.at, false // it had not begun, or began there
			continue
		}
		v := earlier.seen.Versions[r.Candidate].Evaluation
		runs := v.Outcome == rollout.EvaluationRunning && (v.Attempt == r.Attempt || !r.Anew)
		if ran && !runs {
			since = earlier.at
		}
		ran = runs
	}
	over := !ran && e.at.Sub(since) >= e.policy.ProgressDeadline
	for _, p := range e.phases {
		if p.Reason == "ProgressDeadline" && !over {
			return fmt.Errorf("%s is given up for its deadline %s after %s, evaluated now: %v", p.ID, e.at.Sub(since), since, ran)
		}
	}
	if n := e.after.Release; over && e.seen.Versions[r.Candidate].Evaluation.Outcome == rollout.EvaluationPending && n != nil && n.Candidate == r.Candidate && n.Attempt == r.Attempt {
		return fmt.Errorf("%s is not evaluated since %s and goes on", r.Candidate, since)
	}
	return nil
}
