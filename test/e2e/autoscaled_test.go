package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// scalesAModel lets the cluster's own HPA controller scale a model by what its Pods count, and releases a version meanwhile:
// nothing that the whole load needs is taken from stable, although its own part needs less.
func scalesAModel(t *testing.T, p *play) {
	const target = 13 // of the script's 30 a second: three Pods
	p.model.Spec.Deployment.Autoscaling = &suokev1.Autoscaling{MaxReplicas: 3, TargetRequestsPerSecond: target}
	p.obey(t, "given strategy Canary with 1 replica")
	p.release(t, func(how *suokev1.ModelVersionSpec) { how.CanaryDeployment.TrafficPercentage = 40 })
	p.obey(t, "given v1 serves")
	p.obey(t, "then Pods are v1 3")
	p.obey(t, "when v2 is wanted")
	p.obey(t, "then Pods are v1 3, v2 2")
	p.obey(t, "then weights are v1 60, v2 40")
	// Both autoscalers know what their Pods are asked, and stable's finds that 18 requests a second need two Pods.
	eventually(t, 2*time.Minute, func(ctx context.Context) string { return p.scaled(ctx, "v1", 3, 2) + p.scaled(ctx, "v2", 2, 1) })
	p.obey(t, "when v1 is wanted")
	p.obey(t, "then weights are v1 100")
	p.obey(t, "then Pods are v1 3")
	p.mu.Lock()
	defer p.mu.Unlock()
	grown := false
	for _, v := range p.views {
		grown = grown || strings.HasPrefix(v.pods, "v1 3")
		if grown && !strings.HasPrefix(v.pods, "v1 3") {
			t.Errorf("after all of the traffic needed three Pods, there were %s", v.pods)
		}
	}
}

// scaled says why a version's autoscaler does not give it so many Pods at least, or does not know that its traffic needs
// others.
func (p *play) scaled(ctx context.Context, version string, least, needs int32) string {
	var a autoscalingv2.HorizontalPodAutoscaler
	if err := p.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: p.id(version)}, &a); err != nil {
		return err.Error()
	}
	for _, c := range a.Status.Conditions {
		if c.Type == autoscalingv2.ScalingActive && c.Status != corev1.ConditionTrue {
			return fmt.Sprintf("%s is not scaled: %s\n", version, c.Message)
		}
	}
	if len(a.Status.CurrentMetrics) == 0 || a.Status.CurrentMetrics[0].Pods == nil {
		return version + " has no metric\n"
	}
	each := a.Status.CurrentMetrics[0].Pods.Current.AverageValue
	asked := each.AsApproximateFloat64() * float64(a.Status.CurrentReplicas)
	target := a.Spec.Metrics[0].Pods.Target.AverageValue
	if per := target.AsApproximateFloat64(); *a.Spec.MinReplicas != least || asked <= per*float64(needs-1) || asked > per*float64(needs) {
		return fmt.Sprintf("%s has %d Pods at least and is asked %.1f times a second\n", version, *a.Spec.MinReplicas, asked)
	}
	return ""
}
