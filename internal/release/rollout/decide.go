package rollout

import (
	"maps"
	"slices"
	"time"
)

// turn is one decision in the making.
type turn struct {
	Decision

	// policy has as Replicas what all of the traffic needs now; least is what stable has at rest.
	policy Policy
	least  int
	seen   Observation
	now    time.Time
	// revised says that this turn has made a revision.
	revised bool
	// kept are stable's Pods until the release ended in this turn; 0 if it did not.
	kept int
}

// Decide says what to do now. It changes nothing that it is given.
func Decide(state State, policy Policy, seen Observation, now time.Time) Decision {
	policy.Replicas = max(policy.Replicas, 1)
	t := &turn{Decision: Decision{State: state.clone()}, policy: policy, least: policy.Replicas, seen: seen, now: now.Round(0).UTC()}
	t.measure()
	t.forgive()
	t.hearRouters()
	t.keepWatch()
	t.retire()
	t.hearPods()
	t.hearEvaluation()
	t.hasten()
	for t.next(t.situation()) {
	}
	t.evaluate()
	t.capacity()
	return t.Decision
}

func (s State) clone() State {
	s.Weights = maps.Clone(s.Weights)
	s.Retiring = cloned(s.Retiring)
	s.Refused = cloned(s.Refused)
	s.Attempts = cloned(s.Attempts)
	s.History = slices.Clone(s.History)
	if s.Release != nil {
		r := *s.Release
		s.Release = &r
	}
	if s.Watch != nil {
		w := *s.Watch
		s.Watch = &w
	}
	return s
}

// cloned is a map that can be written to.
func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// forgive drops what is held against versions that are not wanted any more: wanting one again is asking for a new try.
func (t *turn) forgive() {
	if wanted := t.seen.Wanted.ID; wanted != "" {
		maps.DeleteFunc(t.State.Refused, func(id ID, _ Refusal) bool { return id != wanted })
	}
}

// hearPods keeps the account of the candidate's uptime.
func (t *turn) hearPods() {
	r := t.State.Release
	switch {
	case r == nil || t.State.Weights[r.Candidate] == 0:
	case t.seen.Versions[r.Candidate].Ready == 0:
		r.UpSince = time.Time{}
	case r.UpSince.IsZero():
		r.UpSince = t.now
	}
}

// hearEvaluation keeps the account of when the candidate's evaluation ran, as the deadline counts from its end.
func (t *turn) hearEvaluation() {
	r := t.State.Release
	if r == nil {
		return
	}
	runs := t.evaluation().Outcome == EvaluationRunning && r.FirstWeightAt.IsZero()
	if r.Evaluating && !runs {
		r.EvaluatedAt = t.now
	}
	r.Evaluating = runs
}

// evaluate asks for the candidate's evaluation until it has an outcome.
func (t *turn) evaluate() {
	r := t.State.Release
	if r == nil || r.Returning != nil {
		return
	}
	switch t.evaluation().Outcome {
	case EvaluationPending, EvaluationRunning:
		t.Evaluate = r.Candidate
	case EvaluationPassed, EvaluationFailed, EvaluationError, EvaluationDisabled:
	}
}

// rest ends the turn with what people are told, until the time given if nothing happens before.
func (t *turn) rest(reason, message string, until time.Time) bool {
	t.Progress = Progress{UnderWay: t.State.Release != nil, Reason: reason, Message: message}
	t.lookAgain(until)
	return false
}

// lookAgain makes the next turn come at that time at the latest.
func (t *turn) lookAgain(at time.Time) {
	if in := at.Sub(t.now); in > 0 && (t.After == 0 || in < t.After) {
		t.After = in
	}
}

// name of a version as people write it.
func (t *turn) name(id ID) string {
	if r := t.State.Release; r != nil && r.Candidate == id {
		return r.Version
	}
	if t.seen.Wanted.ID == id {
		return t.seen.Wanted.Version
	}
	if v := t.seen.Versions[id].Version; v != "" {
		return v
	}
	return string(id)
}
