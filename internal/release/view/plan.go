package view

import (
	"fmt"
	"strings"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// The API's defaults, for a version that no ModelVersion describes.
const (
	defaultWeight = 10
	defaultHold   = time.Hour
)

// strategy brings a version to its traffic.
func (r Release) strategy(version string) suokev1.Strategy {
	strategy := r.seen.Model.Spec.Deployment.Strategy
	if mv := r.modelVersion(version); mv != nil && mv.Spec.CanaryDeployment.Enabled {
		return suokev1.StrategyCanary
	}
	if strategy == "" {
		return suokev1.StrategyRollingUpdate
	}
	return strategy
}

// canarySteps are those before the last, which is 100.
func (r Release) canarySteps(version string) []suokev1.CanaryStep {
	step := suokev1.CanaryStep{Weight: defaultWeight}
	step.Duration.Duration = defaultHold
	mv := r.modelVersion(version)
	if mv == nil {
		return []suokev1.CanaryStep{step}
	}
	canary := mv.Spec.CanaryDeployment
	if len(canary.Steps) > 0 {
		return canary.Steps
	}
	if canary.TrafficPercentage > 0 {
		step.Weight = canary.TrafficPercentage
	}
	if canary.Duration.Duration > 0 {
		step.Duration = canary.Duration
	}
	return []suokev1.CanaryStep{step}
}

// size is how many Pods all of the traffic needs.
func (r Release) size() int {
	if now := r.seen.Model.Status.DeploymentStatus; now != nil && now.RequiredReplicas > 0 {
		return int(now.RequiredReplicas)
	}
	return max(int(r.seen.Model.Spec.Deployment.Replicas), 1)
}

// steps of a version's plan.
func (r Release) steps(version string) int {
	if r.Stable == "" {
		return 1
	}
	switch r.strategy(version) {
	case suokev1.StrategyCanary:
		return len(r.canarySteps(version)) + 1
	case suokev1.StrategyRollingUpdate:
		return r.size()
	case suokev1.StrategyBlueGreen:
	}
	return 1
}

// plan is the way of a version to all of the traffic, in words.
func (r Release) plan(version string) string {
	replicas := r.size()
	if r.Stable == "" {
		return fmt.Sprintf("as the first version, all of the traffic in one write, once %s ready", are(replicas, "Pod"))
	}
	switch r.strategy(version) {
	case suokev1.StrategyCanary:
		parts := []string{}
		for _, step := range r.canarySteps(version) {
			parts = append(parts, fmt.Sprintf("%d %% for %s", step.Weight, full(step.Duration.Duration)))
		}
		return "a canary of " + strings.Join(parts, ", ") + ", then all of it"
	case suokev1.StrategyBlueGreen:
		return fmt.Sprintf("blue-green, all of the traffic in one write, once %s ready", are(replicas, "Pod"))
	case suokev1.StrategyRollingUpdate:
	}
	return fmt.Sprintf("a rolling update, the share of one Pod after another, %d in all", replicas)
}

// are is a number with its noun and verb.
func are(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}

// promotes says what a version's last step waits for beside its time; empty if nothing.
func (r Release) promotes(version string) string {
	if r.strategy(version) != suokev1.StrategyCanary || r.Stable == "" {
		return ""
	}
	mv := r.modelVersion(version)
	if mv == nil || !mv.Spec.AutoPromotion.Enabled {
		return "a person promotes it (autoPromotion is off)"
	}
	var all []string
	criteria := mv.Spec.AutoPromotion.Criteria
	if criteria.MinAccuracy != nil {
		all = append(all, fmt.Sprintf("its accuracy is at least %g", *criteria.MinAccuracy))
	}
	if criteria.MaxErrorRate != nil {
		all = append(all, fmt.Sprintf("at most %s of its answers failed", percent(*criteria.MaxErrorRate)))
	}
	if criteria.MinUptime != nil {
		all = append(all, fmt.Sprintf("it was up for %s without interruption", full(criteria.MinUptime.Duration)))
	}
	return strings.Join(all, " and ")
}
