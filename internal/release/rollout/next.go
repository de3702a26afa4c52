package rollout

import (
	"fmt"
	"maps"
	"time"
)

// next does what a situation calls for. It is true if that changed the situation, so that it must be looked at again.
func (t *turn) next(s situation) bool {
	switch s {
	case settled:
		return t.settle()
	case regretted:
		return t.takeBack()
	case returning:
		return t.giveBack()
	case unwanted:
		return t.giveUp(ReasonAborted, t.instead(), false)
	case aborted:
		return t.abort()
	case condemned:
		return t.condemn()
	case overdue:
		return t.giveUp(ReasonProgressDeadline, t.lateness(), true)
	case unevaluated:
		return t.waitForEvaluation()
	case paused:
		return t.held()
	case unpromoted:
		return t.waitForPromotion()
	case short:
		return t.waitForPods()
	case unresolved:
		return t.waitForWanted()
	case unconfirmed:
		return t.waitForRouters()
	case due:
		return t.giveWeight()
	case holding:
		return t.hold()
	case unasked:
		return t.waitForRequests()
	case over:
		return t.nextStep()
	}
	return false
}

// settle begins a release if another version is wanted, or says who serves.
func (t *turn) settle() bool {
	refusal, refused := t.State.Refused[t.seen.Wanted.ID]
	due, again := t.toBegin()
	switch {
	case due && t.policy.Paused:
		return t.notBegun()
	case due:
		return t.begin(again)
	case refused:
		return t.rest(refusal.Reason, refusal.Message, time.Time{})
	case t.State.Stable == "":
		return t.rest("", "", time.Time{})
	default:
		return t.serve()
	}
}

// begin a release of the wanted version, perhaps once more. It ends the rollback window of the one before.
func (t *turn) begin(again bool) bool {
	wanted := t.seen.Wanted
	t.State.Attempts[wanted.Version]++
	t.State.Watch = nil
	t.State.Release = &Release{
		Candidate: wanted.ID, Version: wanted.Version, Attempt: t.State.Attempts[wanted.Version], StartedAt: t.now,
		Anew: t.State.Refused[wanted.ID].unevaluable(),
	}
	delete(t.State.Refused, wanted.ID)
	message := wanted.Version + " is wanted; it is brought up and evaluated at weight 0"
	if again {
		message = fmt.Sprintf("attempt %d at %s begins, as a person asked to retry it", t.State.Release.Attempt, wanted.Version)
	}
	t.record(wanted.ID, t.lastPhase(wanted.ID), Testing, ReasonStarting, message)
	return true
}

// giveWeight gives the candidate the step's weight in one write.
func (t *turn) giveWeight() bool {
	r := t.State.Release
	s, last := t.step()
	if last {
		return t.promote()
	}
	r.Step = t.index(plan(t.strategy(), t.policy))
	if r.FirstWeightAt.IsZero() {
		r.Strategy = t.strategy()
		r.FirstWeightAt, r.UpSince = t.now, t.now
		t.record(r.Candidate, Testing, InCanary, ReasonStepHolding, fmt.Sprintf("%s has %d %% of the traffic%s", r.Version, s.weight, t.unevaluatedNote()))
	}
	r.StepStartedAt, r.RequestsBefore = t.now, t.seen.Judgement.CandidateRequests
	t.split(s.weight, s.shadow)
	return true
}

func (t *turn) nextStep() bool {
	r := t.State.Release
	last := len(plan(t.strategy(), t.policy)) - 1
	r.Step, r.StepStartedAt = min(r.Step+1, last), time.Time{}
	if r.Hastened {
		r.Step = last
	}
	return true
}

// promote makes the candidate stable with all of the traffic, in one write. What was stable stays warm for a while,
// unless its capacity went to the candidate already.
func (t *turn) promote() bool {
	r := t.State.Release
	reason, was := ReasonPromoted, Testing
	if !r.FirstWeightAt.IsZero() {
		was = InCanary
	}
	if old := t.State.Stable; old == "" {
		reason = ReasonFirstVersion
	} else {
		until := t.now
		if t.strategy() != RollingUpdate {
			until = t.now.Add(t.policy.ScaleDownDelay)
		}
		t.watch()
		t.State.Retiring[old] = Retiree{Until: until, Replicas: t.stablePods()}
		t.record(old, Production, Deprecated, ReasonSuperseded, r.Version+" has all of the traffic")
	}
	t.record(r.Candidate, was, Production, reason, fmt.Sprintf("%s has all of the traffic%s", r.Version, t.unevaluatedNote()))
	t.split(all, 0)
	t.revise()
	delete(t.State.Retiring, r.Candidate)
	t.State.Stable, t.State.Release = r.Candidate, nil
	return true
}

// condemn ends the release, unless the candidate has traffic and may not be rolled back.
func (t *turn) condemn() bool {
	why := t.against()
	if t.State.Weights[t.State.Release.Candidate] > 0 && !t.policy.RollbackEnabled {
		return t.rest(ReasonRollbackDisabled, fmt.Sprintf("rollbackEnabled is false, so %s keeps its weight although: %s", t.State.Release.Version, why.Message), time.Time{})
	}
	return t.giveUp(why.Reason, why.Message, true)
}

// instead is why another version than the candidate is wanted.
func (t *turn) instead() string {
	if wanted := t.seen.Wanted.Version; wanted != t.State.Release.Version {
		return wanted + " is wanted instead"
	}
	return t.State.Release.Version + " is wanted with another Pod template or artifact"
}

// giveUp ends the release badly. A version that was only not wanted any more is not held to be refused.
func (t *turn) giveUp(reason, message string, held bool) bool {
	r := t.State.Release
	was := Testing
	if !r.FirstWeightAt.IsZero() {
		was = InCanary
	}
	refusal := Refusal{Version: r.Version, Reason: reason, Message: message, At: t.now}
	if held {
		t.State.Refused[r.Candidate] = refusal
	}
	t.record(r.Candidate, was, Rollback, reason, message)
	if t.State.Weights[r.Candidate] > 0 {
		t.State.Retiring[r.Candidate] = Retiree{Until: t.now, Replicas: t.candidatePods()}
	}
	t.kept = t.stablePods()
	r.Returning = &refusal
	return true
}

// giveBack returns the traffic to stable: in one write where stable kept what the whole load needs, and else, after a
// rolling update or a promotion, as fast as its Pods return. Whoever took all of stable's Pods away does not make the
// candidate's answers worse than none. Once stable has everything, the release is over, and a candidate that served is left to retire.
func (t *turn) giveBack() bool {
	r := t.State.Release
	if t.State.Weights[r.Candidate] == 0 {
		t.State.Release = nil
		return true
	}
	retiree := t.State.Retiring[r.Candidate]
	retiree.Replicas = t.candidatePods() // the model may have been scaled since
	t.State.Retiring[r.Candidate] = retiree
	back := all
	none := t.seen.Versions[t.State.Stable].Ready == 0 && t.seen.Versions[r.Candidate].Ready > 0
	if none || t.strategy() == RollingUpdate || !r.PromotedAt.IsZero() {
		back = t.canTakeBack()
	}
	if back > t.State.Weights[t.State.Stable] {
		t.split(all-back, 0)
	}
	if left := t.State.Weights[r.Candidate]; left > 0 {
		return t.rest(r.Returning.Reason, fmt.Sprintf("the last %d %% go back to %s as its Pods return: %s", left, t.name(t.State.Stable), r.Returning.Message), time.Time{})
	}
	t.State.Release = nil
	return true
}

// split gives the candidate a weight, with a share of the other requests to shadow, and stable the rest.
func (t *turn) split(weight, shadow int) {
	r := t.State.Release
	weights := map[ID]int{}
	for id, w := range map[ID]int{r.Candidate: weight, t.State.Stable: all - weight} {
		if w > 0 {
			weights[id] = w
		}
	}
	if maps.Equal(weights, t.State.Weights) && shadow == r.Shadow {
		return
	}
	t.State.Weights, r.Shadow = weights, shadow
	t.revise()
}

// revise makes a revision of the route, one in a turn at most: a decision is one write.
func (t *turn) revise() {
	if !t.revised {
		t.State.Revision++
		t.revised = true
	}
	t.State.SplitAt, t.State.ConfirmedAt = t.now, time.Time{}
}

// unevaluatedNote ends a sentence about traffic for a version that was not evaluated.
func (t *turn) unevaluatedNote() string {
	if t.evaluation().Outcome == EvaluationDisabled {
		return "; no evaluation stands behind it, as validation.enabled is false"
	}
	return ""
}
