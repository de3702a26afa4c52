package operator_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// plain is an engine of few rules: one step, and more than ten failures are too many. With it the tests hold the
// operator to its part, whatever rules the release engine has.
type plain struct{}

// Judge counts the candidate's failures.
func (plain) Judge(statistic json.RawMessage, heard []analysis.Second) (json.RawMessage, operator.Judged, error) {
	failures := int64(0)
	if len(statistic) > 0 {
		if err := json.Unmarshal(statistic, &failures); err != nil {
			return nil, operator.Judged{}, err
		}
	}
	for _, second := range heard {
		failures += second.Candidate.Failures
	}
	shown := operator.Judged{Verdict: analysis.Inconclusive, Message: fmt.Sprintf("%d failures", failures)}
	if failures > 10 {
		shown.Verdict, shown.Reason = analysis.Fail, suokev1.ReasonErrorRate
	}
	text, err := json.Marshal(failures)
	return text, shown, err
}

// turn is one decision in the making.
type turn struct {
	rollout.Decision
	policy rollout.Policy
	seen   rollout.Observation
	now    time.Time
}

// Decide brings what is wanted up, has it evaluated, and gives it its weight.
func (plain) Decide(state rollout.State, policy rollout.Policy, seen rollout.Observation, now time.Time) rollout.Decision {
	state.History = slices.Clone(state.History)
	state.Refused, state.Retiring = maps.Clone(state.Refused), maps.Clone(state.Retiring)
	if state.Refused == nil {
		state.Refused = map[rollout.ID]rollout.Refusal{}
	}
	if state.Retiring == nil {
		state.Retiring = map[rollout.ID]time.Time{}
	}
	d := &turn{Decision: rollout.Decision{State: state, After: time.Second}, policy: policy, seen: seen, now: now}
	d.begin()
	if d.State.Release != nil {
		d.advance()
	} else if d.Progress.Reason == "" && d.State.Stable != "" {
		d.Progress = rollout.Progress{Reason: suokev1.ReasonPromoted, Message: "it has all of the traffic"}
	}
	d.capacity()
	return d.Decision
}

func (d *turn) phase(id rollout.ID, version string, to rollout.Phase, reason, message string) {
	var from rollout.Phase
	for _, h := range d.State.History {
		if h.ID == id {
			from = h.To
		}
	}
	d.State.History = append(d.State.History, rollout.Transition{ID: id, Version: version, From: from, To: to, At: d.now, Reason: reason, Message: message})
}

func (d *turn) split(weights map[rollout.ID]int) {
	d.State.Weights = weights
	d.State.Revision++
}

func (d *turn) refuse(reason, message string) {
	r := d.State.Release
	d.State.Refused[r.Candidate] = rollout.Refusal{Version: r.Version, Reason: reason, Message: message, At: d.now}
	if d.State.Weights[r.Candidate] > 0 {
		d.split(map[rollout.ID]int{d.State.Stable: 100})
	}
	d.phase(r.Candidate, r.Version, rollout.Rollback, reason, message)
	d.State.Release = nil
	d.Progress = rollout.Progress{Reason: reason, Message: message}
}

func (d *turn) begin() {
	wanted := d.seen.Wanted
	if r := d.State.Release; r != nil && wanted.ID != "" && wanted.ID != r.Candidate {
		d.refuse(suokev1.ReasonAborted, "another version is wanted")
	}
	if _, no := d.State.Refused[wanted.ID]; no || d.State.Release != nil || wanted.ID == "" || wanted.ID == d.State.Stable {
		return
	}
	d.State.Release = &rollout.Release{Candidate: wanted.ID, Version: wanted.Version, Attempt: len(d.State.History) + 1, StartedAt: d.now, Step: -1}
	d.phase(wanted.ID, wanted.Version, rollout.Testing, suokev1.ReasonStarting, "")
}

func (d *turn) advance() {
	r := *d.State.Release
	v := d.seen.Versions[r.Candidate]
	d.Progress = rollout.Progress{UnderWay: true, Reason: suokev1.ReasonStarting, Message: fmt.Sprintf("%d Pods are ready", v.Ready)}
	if v.StuckReason != "" {
		d.Progress.Reason, d.Progress.Message = v.StuckReason, v.StuckMessage
	}
	switch {
	case r.Step >= 0 && d.seen.Judgement.Verdict == analysis.Fail:
		d.refuse(d.seen.Judgement.Reason, d.seen.Judgement.Message)
	case r.Step >= 0:
		d.hold(r)
	case d.now.Sub(r.StartedAt) > d.policy.ProgressDeadline:
		d.refuse(suokev1.ReasonProgressDeadline, v.StuckMessage)
	case v.Evaluation.Outcome == rollout.EvaluationFailed:
		d.refuse(suokev1.ReasonEvaluationFailed, v.Evaluation.Message)
	case v.Evaluation.Outcome == rollout.EvaluationError:
		d.refuse(suokev1.ReasonEvaluationError, v.Evaluation.Message)
	case v.Ready > 0 && (v.Evaluation.Outcome == rollout.EvaluationPending || v.Evaluation.Outcome == rollout.EvaluationRunning):
		d.Evaluate = r.Candidate
		d.Progress = rollout.Progress{UnderWay: true, Reason: suokev1.ReasonEvaluating, Message: v.Evaluation.Message}
	case v.Ready < d.policy.Replicas:
	case d.State.Stable == "" || d.policy.Strategy != rollout.Canary:
		d.promote(r, suokev1.ReasonFirstVersion)
	default:
		weight := d.policy.Steps[0].Weight
		d.split(map[rollout.ID]int{d.State.Stable: 100 - weight, r.Candidate: weight})
		r.Step, r.StepStartedAt, r.FirstWeightAt = 0, d.now, d.now
		d.State.Release = &r
		d.phase(r.Candidate, r.Version, rollout.InCanary, suokev1.ReasonStepHolding, "")
		d.Progress = rollout.Progress{UnderWay: true, Reason: suokev1.ReasonStepHolding, Message: "it holds its share"}
	}
}

func (d *turn) hold(r rollout.Release) {
	d.Progress = rollout.Progress{UnderWay: true, Reason: suokev1.ReasonStepHolding, Message: "it holds its share"}
	if d.policy.AutoPromotion && d.now.Sub(r.StepStartedAt) >= d.policy.Steps[0].Hold {
		d.promote(r, suokev1.ReasonPromoted)
	}
}

func (d *turn) promote(r rollout.Release, reason string) {
	if old := d.State.Stable; old != "" {
		d.phase(old, d.seen.Versions[old].Version, rollout.Deprecated, suokev1.ReasonSuperseded, "")
		d.State.Retiring[old] = d.now.Add(time.Second)
	}
	d.split(map[rollout.ID]int{r.Candidate: 100})
	d.State.Stable, d.State.Release = r.Candidate, nil
	d.phase(r.Candidate, r.Version, rollout.Production, reason, "")
	d.Progress = rollout.Progress{Reason: suokev1.ReasonPromoted, Message: "it has all of the traffic"}
}

func (d *turn) capacity() {
	d.Replicas = map[rollout.ID]int{}
	for id, until := range d.State.Retiring {
		if d.now.After(until) {
			delete(d.State.Retiring, id)
		} else {
			d.Replicas[id] = d.policy.Replicas
		}
	}
	if d.State.Stable != "" {
		d.Replicas[d.State.Stable] = d.policy.Replicas
	}
	if d.State.Release != nil {
		d.Replicas[d.State.Release.Candidate] = d.policy.Replicas
	}
}
