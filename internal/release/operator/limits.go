package operator

import (
	"context"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

const (
	// leastDisagreement is allowed in any case: answers are compared by rules that do not fit every model.
	leastDisagreement = 0.01
	// disagreementMargin is how many times as often as in its evaluation a candidate may differ: users ask other things.
	disagreementMargin = 2
	mostDisagreement   = 0.99
)

// observeHistory says how the candidate is to be judged, if there is one that has no traffic yet. What stable's past teaches
// is found out before that.
func (m *models) observeHistory(ctx context.Context, seen *observed) {
	state := seen.memory.state
	candidate, version := seen.wanted, seen.model.Spec.Version
	if r := state.Release; r != nil {
		candidate, version = r.Candidate, r.Version
	}
	how := howOf(describes(seen.versions, seen.model.Name, version))
	m.histories.know(ctx, seen.model, state, how.Analysis)
	_, refused := seen.memory.forgiven(seen.wanted, seen.model).Refused[candidate]
	refused = refused && (how.Action == nil || how.Action.Type != suokev1.ActionRetry)
	serves := state.Release != nil && !state.Release.FirstWeightAt.IsZero()
	if state.Stable == "" || candidate == "" || candidate == state.Stable || serves || refused {
		return
	}
	seen.config = analysis.Config{
		FalseRollbackRate: how.Analysis.FalseRollbackRate, AllowedIncrease: how.Analysis.MaxErrorRateIncrease, Slow: true,
		AllowedDisagreement: seen.allowedDisagreement(candidate, how),
	}
	var known bool
	if seen.config, known = m.histories.learn(seen.model.Name, seen.config, stepsOf(policy(seen.model, &suokev1.ModelVersion{Spec: how}, m.ProgressDeadline))); !known {
		seen.unlearned = candidate
	}
}

// allowedDisagreement is the share of mirrored requests that the candidate may answer differently: as its evaluation
// explains. 0 is that nobody can say, or that nothing is mirrored.
func (seen *observed) allowedDisagreement(candidate rollout.ID, how suokev1.ModelVersionSpec) float64 {
	r := seen.evaluations[candidate].record
	if how.CanaryDeployment.ShadowPercentage == 0 || r == nil || r.Result == nil || r.Result.Rows <= 0 {
		return 0
	}
	c := r.Result.Comparison
	if c == nil || c.Differ == nil || c.Version != seen.versionName(seen.memory.state.Stable) {
		return 0
	}
	rows := r.Result.Compared()
	share := evaluate.Wilson(min(max(int(*c.Differ), 0), rows), rows).High
	return min(max(leastDisagreement, disagreementMargin*share), mostDisagreement)
}

// stepsOf are the shares and Pods that a candidate is given beside stable's.
func stepsOf(p rollout.Policy) []analysis.Step {
	var steps []analysis.Step
	for _, s := range rollout.Shares(p) {
		steps = append(steps, analysis.Step{Pods: s.Pods, Share: float64(s.Weight) / 100})
	}
	return steps
}
