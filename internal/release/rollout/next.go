package rollout

import (
	"fmt"
	"time"
)

// next does what a situation calls for. It is true if that changed the situation, so that it must be looked at again.
func (t *turn) next(s situation) bool {
	switch s {
	case settled:
		return t.settle()
	case returning:
		return t.giveBack()
	case unwanted:
		return t.giveUp(ReasonAborted, t.name(t.seen.Wanted.ID)+" is wanted instead")
	case condemned:
		return t.condemn()
	case overdue:
		return t.giveUp(ReasonProgressDeadline, t.lateness())
	case unevaluated:
		return t.waitForEvaluation()
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
	wanted := t.seen.Wanted
	refusal, refused := t.State.Refused[wanted.ID]
	switch {
	case refused:
		return t.rest(refusal.Reason, refusal.Message, time.Time{})
	case wanted.ID != "" && wanted.ID != t.State.Stable:
		return t.begin()
	case t.State.Stable == "":
		return t.rest("", "", time.Time{})
	default:
		return t.serve()
	}
}

// begin a release of the wanted version.
func (t *turn) begin() bool {
	wanted := t.seen.Wanted
	t.State.Attempts[wanted.Version]++
	t.State.Release = &Release{
		Candidate: wanted.ID, Version: wanted.Version, Attempt: t.State.Attempts[wanted.Version], StartedAt: t.now,
	}
	t.record(wanted.ID, t.lastPhase(wanted.ID), Testing, ReasonStarting, wanted.Version+" is wanted; it is brought up and evaluated at weight 0")
	return true
}

// giveWeight gives the candidate the step's weight in one write.
func (t *turn) giveWeight() bool {
	r := t.State.Release
	s, last := t.step()
	if last {
		return t.promote()
	}
	if r.FirstWeightAt.IsZero() {
		r.Strategy = t.strategy()
		r.FirstWeightAt, r.UpSince = t.now, t.now
		t.record(r.Candidate, Testing, InCanary, ReasonStepHolding, fmt.Sprintf("%s has %d %% of the traffic%s", r.Version, s.weight, t.unevaluatedNote()))
	}
	r.StepStartedAt, r.RequestsBefore = t.now, t.seen.Judgement.CandidateRequests
	t.split(s.weight)
	return true
}

func (t *turn) nextStep() bool {
	r := t.State.Release
	steps := plan(t.strategy(), t.policy)
	r.Step, r.StepStartedAt = min(r.Step+1, len(steps)-1), time.Time{}
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
		t.State.Retiring[old] = Retiree{Until: until, Replicas: t.stablePods()}
		t.record(old, Production, Deprecated, ReasonSuperseded, r.Version+" has all of the traffic")
	}
	t.record(r.Candidate, was, Production, reason, fmt.Sprintf("%s has all of the traffic%s", r.Version, t.unevaluatedNote()))
	t.split(all)
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
	return t.giveUp(why.Reason, why.Message)
}

// giveUp ends the release badly. A version that was only not wanted any more is not held to be refused.
func (t *turn) giveUp(reason, message string) bool {
	r := t.State.Release
	was := Testing
	if !r.FirstWeightAt.IsZero() {
		was = InCanary
	}
	refusal := Refusal{Version: r.Version, Reason: reason, Message: message, At: t.now}
	if reason != ReasonAborted {
		t.State.Refused[r.Candidate] = refusal
	}
	t.record(r.Candidate, was, Rollback, reason, message)
	if t.State.Weights[r.Candidate] > 0 {
		t.State.Retiring[r.Candidate] = Retiree{Until: t.now, Replicas: t.candidatePods()}
	}
	r.Returning = &refusal
	return true
}

// giveBack returns the traffic to stable: in one write where stable kept what the whole load needs, and else as fast as
// its Pods return. Once stable has everything, the release is over, and a candidate that served is left to retire.
func (t *turn) giveBack() bool {
	r := t.State.Release
	if t.State.Weights[r.Candidate] == 0 {
		t.State.Release = nil
		return true
	}
	back := all
	if t.strategy() == RollingUpdate {
		back = shareOf(t.seen.Versions[t.State.Stable].Ready, t.policy.Replicas)
	}
	if back > t.State.Weights[t.State.Stable] {
		t.split(all - back)
	}
	if left := t.State.Weights[r.Candidate]; left > 0 {
		return t.rest(r.Returning.Reason, fmt.Sprintf("the last %d %% go back to %s as its Pods return: %s", left, t.name(t.State.Stable), r.Returning.Message), time.Time{})
	}
	t.State.Release = nil
	return true
}

// split gives the candidate a weight and stable the rest.
func (t *turn) split(weight int) {
	weights := map[ID]int{}
	for id, w := range map[ID]int{t.State.Release.Candidate: weight, t.State.Stable: all - weight} {
		if w > 0 {
			weights[id] = w
		}
	}
	t.State.Weights = weights
	t.State.Revision++
	t.State.SplitAt, t.State.ConfirmedAt = t.now, time.Time{}
}

// unevaluatedNote ends a sentence about traffic for a version that was not evaluated.
func (t *turn) unevaluatedNote() string {
	if t.seen.Versions[t.State.Release.Candidate].Evaluation.Outcome == EvaluationDisabled {
		return "; it was not evaluated, as validation.enabled is false"
	}
	return ""
}
