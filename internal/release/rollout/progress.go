package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// keptTransitions of the history, and of so many more IDs the last one: what became of a version is not forgotten.
	keptTransitions = 50
	keptIDs         = 100
)

// record adds a change of a version's phase to the history.
func (t *turn) record(id ID, from, to Phase, reason, message string) {
	t.State.History = append(t.State.History, Transition{
		ID: id, Version: t.name(id), From: from, To: to, At: t.now, Reason: reason, Message: message,
	})
	t.State.History = bounded(t.State.History)
}

// bounded is the history as it is kept.
func bounded(history []Transition) []Transition {
	recent := history[max(0, len(history)-keptTransitions):]
	known := latest(recent)
	var older []Transition
	for _, h := range slices.Backward(history[:len(history)-len(recent)]) {
		if _, found := known[h.ID]; !found && len(older) < keptIDs {
			known[h.ID], older = h, append(older, h)
		}
	}
	slices.Reverse(older)
	return append(older, recent...)
}

// lastPhase of a version, Draft if it has none yet.
func (t *turn) lastPhase(id ID) Phase {
	for _, h := range slices.Backward(t.State.History) {
		if h.ID == id {
			return h.To
		}
	}
	return Draft
}

func (t *turn) waitForEvaluation() bool {
	r := t.State.Release
	v, evaluation := t.seen.Versions[r.Candidate], t.evaluation()
	deadline := t.deadline()
	if r.Evaluating {
		deadline = time.Time{}
	}
	switch {
	case evaluation.Outcome == EvaluationError:
		return t.rest(ReasonEvaluationError, evaluation.Message, time.Time{})
	case v.Ready > 0:
		return t.rest(ReasonEvaluating, sentences(r.Version+" is being evaluated", evaluation.Message), deadline)
	case v.StuckReason != "":
		return t.rest(v.StuckReason, v.StuckMessage, deadline)
	default:
		return t.rest(ReasonStarting, sentences("the first Pod of "+r.Version+" comes up at weight 0", evaluation.Message), deadline)
	}
}

func (t *turn) waitForPromotion() bool {
	why := t.unmet()
	return t.rest(why.Reason, why.Message, t.State.Release.UpSince.Add(t.policy.MinUptime))
}

func (t *turn) waitForPods() bool {
	id := t.missing()
	s, _ := t.step()
	v, load, of := t.seen.Versions[id], s.load(), fmt.Sprintf("%d %% of the traffic needs", s.weight)
	switch {
	case id == t.State.Stable:
		load, of = all-s.weight, fmt.Sprintf("%d %% of the traffic needs", all-s.weight)
	case s.shadow > 0:
		of = fmt.Sprintf("%d %% of the traffic and %d %% of stable's, mirrored, need", s.weight, s.shadow)
	}
	deadline := t.deadline()
	if v.StuckReason != "" {
		return t.rest(v.StuckReason, v.StuckMessage, deadline)
	}
	return t.rest(ReasonScalingUp, fmt.Sprintf("%s has %d of the %d ready Pods that %s",
		t.name(id), v.Ready, podsFor(load, t.policy.Replicas), of), deadline)
}

func (t *turn) waitForWanted() bool {
	r := t.State.Release
	return t.rest(ReasonResolving, fmt.Sprintf("what the AIModel asks for now is not known yet; %s stays at %d %%", r.Version, t.State.Weights[r.Candidate]), time.Time{})
}

func (t *turn) waitForRouters() bool {
	r := t.State.Release
	return t.routersRest(ReasonStepHolding, fmt.Sprintf("the routers take on the split that gives %d %% to %s", t.State.Weights[r.Candidate], r.Version))
}

func (t *turn) hold() bool {
	r := t.State.Release
	s, _ := t.step()
	until := r.StepStartedAt.Add(s.hold)
	return t.rest(ReasonStepHolding, fmt.Sprintf("%s holds %d %% of the traffic until %s", r.Version, t.State.Weights[r.Candidate], instant(until)), until)
}

func (t *turn) waitForRequests() bool {
	r := t.State.Release
	return t.rest(ReasonInsufficientTraffic, fmt.Sprintf("%s answered %d requests since %s, when it was given %d %%; the step ends once it answered %d",
		r.Version, t.answered(), instant(r.StepStartedAt), t.State.Weights[r.Candidate], leastRequests), time.Time{})
}

// routersRest says what is so once the routers confirmed the split, or which one is late.
func (t *turn) routersRest(reason, message string) bool {
	late, otherwise := t.lagging()
	if late == "" {
		return t.rest(reason, message, otherwise)
	}
	return t.rest(ReasonRouterLagging, fmt.Sprintf("router %s is ready and has not taken on revision %d, which stands since %s",
		late, t.State.Revision, instant(t.State.SplitAt)), time.Time{})
}

// serve says that stable has all of the traffic, and what is left of the version before.
func (t *turn) serve() bool {
	message := t.name(t.State.Stable) + " has all of the traffic"
	if why := t.found(); why.Reason != "" {
		return t.rest(ReasonRollbackDisabled, fmt.Sprintf("rollbackEnabled is false, so %s although: %s", message, why.Message), time.Time{})
	}
	if !t.confirmed() {
		return t.routersRest(ReasonPromoted, message)
	}
	var draining, warm []string
	for id, retiree := range t.State.Retiring {
		if t.now.Before(retiree.Until) {
			warm = append(warm, fmt.Sprintf("%s is kept warm until %s", t.name(id), instant(retiree.Until)))
		} else {
			draining = append(draining, t.name(id)+" finishes its requests in flight")
		}
	}
	slices.Sort(draining)
	slices.Sort(warm)
	if len(draining) > 0 {
		return t.rest(ReasonDraining, sentences(append(draining, warm...)...), time.Time{})
	}
	return t.rest(ReasonPromoted, sentences(append([]string{message}, warm...)...), time.Time{})
}

// lateness says what a candidate lacked at its deadline.
func (t *turn) lateness() string {
	r := t.State.Release
	v := t.seen.Versions[r.Candidate]
	lacked := fmt.Sprintf("%d Pods were ready", v.Ready)
	if v.Ready > 0 && !t.evaluated() {
		lacked = sentences("its evaluation had not begun", t.evaluation().Message)
	}
	since := ""
	if !r.EvaluatedAt.IsZero() {
		since = " after it was last evaluated"
	}
	return sentences(fmt.Sprintf("%s was not ready and evaluated within %s%s: %s", r.Version, t.policy.ProgressDeadline, since, lacked), v.StuckMessage)
}

// instant is a time as people are told it.
func instant(at time.Time) string { return at.Format(time.RFC3339) }

// sentences joins those that say something.
func sentences(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), "; ")
}
