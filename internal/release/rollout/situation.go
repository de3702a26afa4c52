package rollout

import (
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// situation is what is true of a model's release.
type situation int

const (
	// settled: no release is under way.
	settled situation = iota
	// regretted: the last release is to be taken back within its rollback window.
	regretted
	// returning: the release has ended badly, and stable does not have all of the traffic yet.
	returning
	// unwanted: another version is wanted than the candidate.
	unwanted
	// aborted: a person ends the release.
	aborted
	// condemned: evidence speaks against the candidate.
	condemned
	// overdue: the candidate was not ready in time, or its evaluation had not begun.
	overdue
	// unevaluated: the candidate may not have more traffic before its evaluation.
	unevaluated
	// paused: a person holds the release where it is.
	paused
	// unpromoted: the canary has done its steps, and something stands against its promotion.
	unpromoted
	// short: Pods for the next weight are missing.
	short
	// unresolved: what is wanted now is not known, so nothing more is given.
	unresolved
	// unconfirmed: ready routers do not serve the split yet.
	unconfirmed
	// due: nothing stands against the step's weight.
	due
	// holding: the step's weight was given, and its time is not over.
	holding
	// unasked: the step's time is over, and the candidate answered too few requests in it to be judged by.
	unasked
	// over: the step is done.
	over
)

// situation says which state the release is in.
func (t *turn) situation() situation {
	r := t.State.Release
	switch {
	case r == nil && t.regret().Reason != "":
		return regretted
	case r == nil:
		return settled
	case r.Returning != nil:
		return returning
	case t.seen.Wanted.ID != "" && t.seen.Wanted.ID != r.Candidate:
		return unwanted
	case t.asked(Abort, r.Version):
		return aborted
	case t.against().Reason != "":
		return condemned
	case t.late():
		return overdue
	case r.StepStartedAt.IsZero():
		return t.beforeWeight()
	default:
		return t.atWeight()
	}
}

// beforeWeight is the situation of a step whose weight was not given yet.
func (t *turn) beforeWeight() situation {
	s, _ := t.step()
	switch {
	case !t.evaluated():
		return unevaluated
	case t.policy.Paused:
		return paused
	case s.gated && t.unmet().Reason != "":
		return unpromoted
	case t.missing() != "":
		return short
	case t.seen.Wanted.ID == "":
		return unresolved
	case !t.confirmed():
		return unconfirmed
	default:
		return due
	}
}

// atWeight is the situation of a step whose weight was given.
func (t *turn) atWeight() situation {
	r := t.State.Release
	s, _ := t.step()
	switch {
	case t.policy.Paused:
		return paused
	case !t.confirmed():
		return unconfirmed
	case t.now.Before(r.StepStartedAt.Add(s.hold)):
		return holding
	case s.watched && t.answered() < leastRequests:
		return unasked
	default:
		return over
	}
}

// evaluated says whether the candidate may have traffic.
func (t *turn) evaluated() bool {
	outcome := t.evaluation().Outcome
	return outcome == EvaluationPassed || outcome == EvaluationDisabled
}

// against is the evidence against the candidate, if there is any. That an evaluation cannot be carried out speaks against
// a version only before it has traffic; and where a Fail returns nothing, a person may promote in spite of it.
func (t *turn) against() Progress {
	r := t.State.Release
	serves := t.State.Weights[r.Candidate] > 0
	evaluation, judged := t.evaluation(), t.seen.Judgement
	ignored := r.Hastened && !t.policy.RollbackEnabled
	switch {
	case serves && judged.Verdict == analysis.Fail && !ignored:
		return Progress{Reason: judged.Reason, Message: judged.Message}
	case evaluation.Outcome == EvaluationFailed:
		return Progress{Reason: ReasonEvaluationFailed, Message: evaluation.Message}
	case evaluation.Outcome == EvaluationError && !serves:
		return Progress{Reason: ReasonEvaluationError, Message: evaluation.Message}
	default:
		return Progress{}
	}
}

// late says whether a candidate without traffic is not ready, or its evaluation has not begun, although its time is over.
func (t *turn) late() bool {
	r := t.State.Release
	if !r.FirstWeightAt.IsZero() || r.Evaluating || t.now.Before(t.deadline()) {
		return false
	}
	return !t.evaluated() || t.missing() != ""
}

// deadline of what the candidate is brought up for now: its evaluation, and after that its first weight.
func (t *turn) deadline() time.Time {
	r := t.State.Release
	since := r.StartedAt
	if r.EvaluatedAt.After(since) {
		since = r.EvaluatedAt
	}
	return since.Add(t.policy.ProgressDeadline)
}

// missing is the version whose ready Pods cannot take the step's weights; empty if none. A load that does not rise needs
// no more Pods: what is lost is the routers' business.
func (t *turn) missing() ID {
	r := t.State.Release
	s, _ := t.step()
	short := func(id ID, load, now int) bool {
		return id != "" && load > now && t.seen.Versions[id].Ready < podsFor(load, t.policy.Replicas)
	}
	switch {
	case short(r.Candidate, s.load(), t.load()):
		return r.Candidate
	case short(t.State.Stable, all-s.weight, t.State.Weights[t.State.Stable]):
		return t.State.Stable
	default:
		return ""
	}
}
