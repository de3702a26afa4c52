package operator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// retryResolve is when a registry that did not answer, or did not hold the artifact, is asked again.
	retryResolve = 5 * time.Second
	// persistJudgement at least every so often while it grows, besides at transitions.
	persistJudgement = 30 * time.Second
)

// decided is what to do about one model.
type decided struct {
	rollout.Decision
	route route.Route
	// write says that the memory differs from what is stored.
	write bool
	// following says that the routers' next reports matter.
	following bool
	after     time.Duration
}

// decide is a function of what was observed.
func (m *models) decide(seen *observed) decided {
	d := decided{Decision: rollout.Decide(seen.memory.forgiven(seen.wanted, seen.model.Generation), policy(seen.model, seen.release, m.ProgressDeadline), seen.observation(), seen.now)}
	d.route = routeOf(seen.model.Name, d.State, seen.known)
	changed := !same(d.State, seen.memory.state) || !same(d.route, seen.memory.route)
	stale := seen.judge.Last != seen.memory.judge.Last && seen.now.Sub(seen.memory.judge.SavedAt) >= persistJudgement
	nothing := seen.memory.object == nil && same(d.State, rollout.State{})
	d.write = changed && !nothing || stale
	d.following = d.Progress.UnderWay || len(d.State.Retiring) > 0 || !confirmed(seen.routers, d.State.Revision)
	d.after = resyncAfter
	if d.After > 0 {
		d.after = min(d.after, d.After)
	}
	if seen.trouble != nil {
		d.after = min(d.after, retryResolve)
	}
	return d
}

// same compares as what is stored: nil and empty, and times with and without a monotonic clock, are alike there.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// confirmed says whether every ready router serves the revision.
func confirmed(all []rollout.Router, revision int64) bool {
	for _, r := range all {
		if r.Ready && r.AppliedRevision != revision {
			return false
		}
	}
	return true
}

// policy is what the model and the ModelVersion say about the release of the wanted version.
func policy(model *suokev1.AIModel, version *suokev1.ModelVersion, deadline time.Duration) rollout.Policy {
	how := defaultRelease()
	if version != nil {
		how = version.Spec
	}
	p := rollout.Policy{
		Strategy:         rollout.Strategy(cmp.Or(model.Spec.Deployment.Strategy, suokev1.StrategyRollingUpdate)),
		Replicas:         int(max(model.Spec.Deployment.Replicas, 1)),
		ScaleDownDelay:   how.BlueGreen.ScaleDownDelay.Duration,
		ProgressDeadline: deadline,
		RollbackEnabled:  enabled(how.RollbackEnabled),
		AutoPromotion:    how.AutoPromotion.Enabled,
		MinAccuracy:      how.AutoPromotion.Criteria.MinAccuracy,
		MaxErrorRate:     how.AutoPromotion.Criteria.MaxErrorRate,
	}
	if up := how.AutoPromotion.Criteria.MinUptime; up != nil {
		p.MinUptime = up.Duration
	}
	if how.CanaryDeployment.Enabled {
		p.Strategy = rollout.Canary
	}
	for _, step := range how.CanaryDeployment.Steps {
		p.Steps = append(p.Steps, rollout.Step{Weight: int(step.Weight), Hold: step.Duration.Duration})
	}
	if len(p.Steps) == 0 {
		p.Steps = []rollout.Step{{Weight: int(how.CanaryDeployment.TrafficPercentage), Hold: how.CanaryDeployment.Duration.Duration}}
	}
	return p
}

// defaultRelease has the defaults of the API, for a version that no ModelVersion describes.
func defaultRelease() suokev1.ModelVersionSpec {
	var how suokev1.ModelVersionSpec
	how.CanaryDeployment.TrafficPercentage = 10
	how.CanaryDeployment.Duration.Duration = time.Hour
	how.BlueGreen.ScaleDownDelay.Duration = 10 * time.Minute
	return how
}
