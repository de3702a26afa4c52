package operator

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/conversion"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// retryResolve is when a registry that did not answer, or did not hold the artifact, is asked again. What inquiries ask comes
	// by itself.
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
	// moves says that it moves traffic. What follows from that is for the look that the write brings about: of many models
	// whose traffic is to be moved at once, none waits for what follows at the others.
	moves bool
	// following is how much the routers' next reports matter.
	following following
	after     time.Duration
}

// decide is a function of what was observed.
func (m *models) decide(seen *observed) decided {
	state := seen.memory.forgiven(seen.wanted, seen.model)
	declared := seen.declared()
	p := policy(seen.model, declared, m.ProgressDeadline)
	if seen.scaling != nil {
		p.MaxReplicas = int(seen.scaling.MaxReplicas)
	}
	if w := state.Watch; w != nil && declared == nil {
		p.ScaleDownDelay = w.Until.Sub(w.Since) // what was said when it began
	}
	d := decided{Decision: rollout.Decide(state, p, seen.observation(), seen.now)}
	d.route = routeOf(seen.model.Name, d.State, seen.known, seen.memory.route)
	changed := !same(d.State, seen.memory.state) || !same(d.route, seen.memory.route)
	stale := seen.judge.Last != seen.memory.judge.Last && seen.now.Sub(seen.memory.judge.SavedAt) >= persistJudgement
	nothing := seen.memory.object == nil && same(d.State, rollout.State{})
	d.write = changed && !nothing || stale
	d.moves = d.write && d.State.Revision != seen.memory.state.Revision
	d.following = seen.follows(d.Decision)
	d.after = resyncAfter
	if d.After > 0 {
		d.after = min(d.after, d.After)
	}
	if seen.trouble != nil {
		d.after = min(d.after, retryResolve)
	}
	if seen.fetching() {
		d.after = min(d.after, lateStart)
	}
	if d.moves {
		d.after = min(d.after, untilCached)
	}
	return d
}

// alike compares as what is stored: nil and empty, and times with and without a monotonic clock, are the same there.
var alike = conversion.EqualitiesOrDie(time.Time.Equal) //nolint:gochecknoglobals // built once and never written to

func same(a, b any) bool { return alike.DeepEqual(a, b) }

// follows says how much of what routers report is waited for: that they confirm a split, or answer their last requests to a
// version that goes, is seen at once; of what they count, what changes a verdict.
func (seen *observed) follows(d rollout.Decision) following {
	if !confirmed(seen.routers, d.State.Revision) {
		return closely
	}
	for _, retiree := range d.State.Retiring {
		if !seen.now.Before(retiree.Until) {
			return closely
		}
	}
	if d.Progress.UnderWay || d.State.Watch != nil || len(d.State.Retiring) > 0 {
		return byVerdict
	}
	return atRest
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

// declared is the ModelVersion that says how to go on: the wanted version's, but while that cannot begin, the one of the
// version that is under way or in its rollback window.
func (seen *observed) declared() *suokev1.ModelVersion {
	name, state := seen.model.Spec.Version, seen.memory.state
	if seen.wanted == "" || seen.model.Spec.Paused {
		switch {
		case state.Release != nil:
			name = state.Release.Version
		case state.Watch != nil:
			name = state.Watch.Version
		}
	}
	return describes(seen.versions, seen.model.Name, name)
}

// policy is what the model and the ModelVersion say about a release.
func policy(model *suokev1.AIModel, version *suokev1.ModelVersion, deadline time.Duration) rollout.Policy {
	how := howOf(version)
	p := rollout.Policy{
		Model:            model.Name,
		Paused:           model.Spec.Paused,
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
	if asked := how.Action; asked != nil {
		p.Action = rollout.Action{Type: rollout.ActionType(asked.Type), Version: how.Version, Attempt: int(asked.Attempt)}
	}
	if how.CanaryDeployment.Enabled {
		p.Strategy = rollout.Canary
	}
	p.Shadow = int(how.CanaryDeployment.ShadowPercentage)
	for _, step := range how.CanaryDeployment.Steps {
		p.Steps = append(p.Steps, rollout.Step{Weight: int(step.Weight), Hold: step.Duration.Duration})
	}
	if len(p.Steps) == 0 {
		p.Steps = []rollout.Step{{Weight: int(how.CanaryDeployment.TrafficPercentage), Hold: how.CanaryDeployment.Duration.Duration}}
	}
	return p
}

// howOf is how a version is released: as its ModelVersion says, or by default where there is none.
func howOf(described *suokev1.ModelVersion) suokev1.ModelVersionSpec {
	if described == nil {
		return defaultRelease()
	}
	return described.Spec
}

// defaultRelease has the defaults of the API, for a version that no ModelVersion describes.
func defaultRelease() suokev1.ModelVersionSpec {
	var how suokev1.ModelVersionSpec
	how.CanaryDeployment.TrafficPercentage = 10
	how.CanaryDeployment.Duration.Duration = time.Hour
	how.BlueGreen.ScaleDownDelay.Duration = 10 * time.Minute
	how.Analysis = suokev1.Analysis{FalseRollbackRate: 0.01, MaxErrorRateIncrease: 0.005, LatencyQuantile: 0.95, MaxLatencyIncrease: 0.2}
	return how
}
