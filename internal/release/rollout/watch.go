package rollout

import (
	"fmt"
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// watch begins the rollback window of the release that is being promoted. There is none after going back to a version that
// was still warm: a person left the other one.
func (t *turn) watch() {
	r := t.State.Release
	if t.policy.ScaleDownDelay <= 0 || t.warm() {
		return
	}
	w := &Watch{
		Candidate: r.Candidate, Previous: t.State.Stable, Version: r.Version, Attempt: r.Attempt, Strategy: t.strategy(),
		FirstWeightAt: r.FirstWeightAt, UpSince: r.UpSince, Since: t.now, Until: t.now.Add(t.policy.ScaleDownDelay),
	}
	if w.FirstWeightAt.IsZero() {
		w.FirstWeightAt, w.UpSince = t.now, t.now
	}
	t.State.Watch = w
}

// keepWatch ends the rollback window when its time is over, or what it could return to is gone.
func (t *turn) keepWatch() {
	w := t.State.Watch
	if w == nil {
		return
	}
	t.heedDelay()
	if _, known := t.seen.Versions[w.Previous]; !known || !t.now.Before(w.Until) {
		t.State.Watch = nil
		return
	}
	t.lookAgain(w.Until)
	switch {
	case t.seen.Versions[w.Candidate].Ready == 0:
		w.UpSince = time.Time{}
	case w.UpSince.IsZero():
		w.UpSince = t.now
	}
}

// heedDelay lets what the ModelVersion says now count for the window that is open.
func (t *turn) heedDelay() {
	w := t.State.Watch
	if t.seen.Wanted.ID != w.Candidate {
		return // the policy is another version's
	}
	w.Until = w.Since.Add(t.policy.ScaleDownDelay)
	if kept, warm := t.State.Retiring[w.Previous]; warm && w.Strategy != RollingUpdate {
		t.State.Retiring[w.Previous] = Retiree{Until: w.Until, Replicas: kept.Replicas}
	}
}

// found is what the judgement has found against a version in its rollback window.
func (t *turn) found() Progress {
	if j := t.seen.Judgement; t.State.Watch != nil && j.Verdict == analysis.Fail {
		return Progress{Reason: j.Reason, Message: j.Message}
	}
	return Progress{}
}

// regret is why the last release is to be taken back, if it is.
func (t *turn) regret() Progress {
	w := t.State.Watch
	switch {
	case w == nil:
		return Progress{}
	case t.asked(Abort, w.Version):
		return Progress{Reason: ReasonAborted, Message: t.abortion(w.Version, w.Attempt)}
	case t.policy.RollbackEnabled:
		return t.found()
	default:
		return Progress{}
	}
}

// takeBack makes the version before stable again. It gets at once what its ready Pods can take, which is everything while
// it is warm, and the rest as they return.
func (t *turn) takeBack() bool {
	w, why := t.State.Watch, t.regret()
	refusal := Refusal{Version: w.Version, Reason: why.Reason, Message: why.Message, At: t.now}
	t.State.Refused[w.Candidate] = refusal
	t.record(w.Candidate, Production, Rollback, why.Reason, why.Message)
	t.record(w.Previous, t.lastPhase(w.Previous), Production, ReasonRestored, fmt.Sprintf("%s serves again, as %s was returned (%s)", t.name(w.Previous), w.Version, why.Reason))
	delete(t.State.Retiring, w.Previous)
	t.State.Retiring[w.Candidate] = Retiree{Until: t.now, Replicas: t.atMostAsMany(w.Candidate, t.policy.Replicas)}
	t.State.Stable, t.State.Watch = w.Previous, nil
	t.State.Release = &Release{
		Candidate: w.Candidate, Version: w.Version, Attempt: w.Attempt, StartedAt: w.Since, Strategy: w.Strategy,
		FirstWeightAt: w.FirstWeightAt, UpSince: w.UpSince, PromotedAt: w.Since, Returning: &refusal,
	}
	t.split(all-t.canTakeBack(), 0)
	t.revise()
	return true
}

// canTakeBack is how much of the traffic stable's ready Pods can take. In the turn that ends a release, those that were to go
// are not counted, whether or not they were seen to go.
func (t *turn) canTakeBack() int {
	ready := t.seen.Versions[t.State.Stable].Ready
	if t.kept > 0 {
		ready = min(ready, t.kept)
	}
	return shareOf(ready, t.policy.Replicas)
}
