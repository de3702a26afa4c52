package rollout

import (
	"fmt"
	"slices"
)

// asked says whether a person asks for this of the latest attempt at a version. One that names an earlier attempt was
// acted upon, or came too late.
func (t *turn) asked(kind ActionType, version string) bool {
	a := t.policy.Action
	return a.Type == kind && a.Version == version && a.Attempt == t.State.Attempts[version]
}

// hasten remembers that a person asked for the candidate's promotion.
func (t *turn) hasten() {
	if r := t.State.Release; r != nil && r.Returning == nil && t.asked(Promote, r.Version) {
		r.Hastened = true
	}
}

// abort ends the release as a person asks.
func (t *turn) abort() bool {
	return t.giveUp(ReasonAborted, t.abortion(t.State.Release.Version, t.State.Release.Attempt), true)
}

// abortion is what people are told of an Abort.
func (t *turn) abortion(version string, attempt int) string {
	return fmt.Sprintf("attempt %d at %s was aborted; run `suoke rollout retry %s` to begin it once more", attempt, version, t.policy.Model)
}

// toBegin says whether a release of the wanted version is due, and whether it is a person's Retry after a refusal.
func (t *turn) toBegin() (due, again bool) {
	wanted := t.seen.Wanted
	if wanted.ID == "" || wanted.ID == t.State.Stable {
		return false, false
	}
	_, again = t.State.Refused[wanted.ID]
	return !again || t.asked(Retry, wanted.Version), again
}

// evaluation of the candidate that counts. What a Retry was asked for after its evaluation is evaluated once more.
func (t *turn) evaluation() Evaluation {
	r := t.State.Release
	e := t.seen.Versions[r.Candidate].Evaluation
	if r.Anew && e.Attempt < r.Attempt && e.Outcome != EvaluationDisabled {
		return Evaluation{}
	}
	return e
}

// unevaluable says whether a refusal was for the evaluation.
func (r Refusal) unevaluable() bool {
	return slices.Contains([]string{ReasonEvaluationFailed, ReasonEvaluationError}, r.Reason)
}

// held says what a pause holds.
func (t *turn) held() bool {
	r := t.State.Release
	message := fmt.Sprintf("spec.paused is true, so %s stays at %d %%", r.Version, t.State.Weights[r.Candidate])
	if r.Hastened {
		message += " and is promoted after the pause"
	}
	return t.routersRest(ReasonPaused, sentences(message, t.resume()))
}

// notBegun says that a pause keeps a release from beginning.
func (t *turn) notBegun() bool {
	return t.routersRest(ReasonPaused, sentences("spec.paused is true, so no release of "+t.seen.Wanted.Version+" begins", t.resume()))
}

func (t *turn) resume() string {
	return fmt.Sprintf("run `suoke rollout resume %s` to go on", t.policy.Model)
}
