package operator

import (
	"context"
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

const (
	// annotationScaledBy of a Deployment says that its replicas are an autoscaler's, and not the operator's.
	annotationScaledBy = "suoke.life/scaled-by"
	// ownerOfReplicas keeps the replicas of a Deployment that the operator no longer writes, until the autoscaler does.
	ownerOfReplicas = FieldManager + "-replicas"
)

// scale is how large an object is to be made: with exactly so many Pods, or by an autoscaler within bounds.
type scale struct {
	replicas, most    int32
	requestsPerSecond float64
	counter           string
}

// autoscaling is what the model asks of autoscalers, and the metric that they go by; nil where it asks for none or that cannot
// be honoured.
func (seen *observed) autoscaling(around Surroundings) (*suokev1.Autoscaling, string) {
	if asked := seen.model.Spec.Deployment.Autoscaling; asked != nil && acceptAutoscaling(seen.model, around).Accepted {
		rt, _ := selectRuntime(seen.model, around.Runtimes) // it was accepted
		return asked, rt.RequestsCounter
	}
	return nil, ""
}

// applyScaled brings a version's Deployment to so many Pods; where an autoscaler has the say, to at least so many by its
// bounds. There is one authority at a time: the operator does not write replicas that are an autoscaler's, and an autoscaler
// is gone before the operator does. A version whose Pods export no metrics has none.
func (m *models) applyScaled(ctx context.Context, seen *observed, f frozen, id rollout.ID, replicas int32) error {
	there, asked := seen.deployments[id], seen.autoscalers[id]
	if seen.scaling == nil || !f.Version.Template.Metrics {
		if asked != nil {
			if err := client.IgnoreNotFound(m.Client.Delete(ctx, asked, client.Preconditions{UID: new(asked.GetUID())})); err != nil {
				return fmt.Errorf("deleting HorizontalPodAutoscaler %s: %w", asked.Name, err)
			}
		}
		return m.applyDeployment(ctx, seen, f, there, &replicas)
	}
	if there == nil { // it begins with what it must have, and is left to an autoscaler from the next look on
		return m.applyDeployment(ctx, seen, f, nil, &replicas)
	}
	if err := m.leaveReplicas(ctx, there, replicas); err != nil {
		return err
	}
	if err := m.applyDeployment(ctx, seen, f, there, nil); err != nil {
		return err
	}
	most := seen.scaling.MaxReplicas
	bounds := scale{max(1, min(replicas, most)), most, seen.scaling.TargetRequestsPerSecond, seen.counter}
	return m.applyObject(ctx, seen, f, existing(asked), bounds, func() (client.Object, error) {
		return f.Version.Autoscaler(seen.model.Namespace, manifest.Scale{
			Min: bounds.replicas, Max: bounds.most, RequestsPerSecond: bounds.requestsPerSecond, Counter: bounds.counter,
		}), nil
	})
}

// applyDeployment with so many replicas, or with nil with as many as it has.
func (m *models) applyDeployment(ctx context.Context, seen *observed, f frozen, there *appsv1.Deployment, replicas *int32) error {
	var to scale
	if replicas != nil {
		to.replicas = *replicas
	}
	return m.applyObject(ctx, seen, f, existing(there), to, func() (client.Object, error) {
		text, err := f.text()
		d := f.Version.Deployment(seen.model.Namespace, replicas)
		d.Annotations[annotationFrozen] = string(text)
		if replicas == nil {
			d.Annotations[annotationScaledBy] = "HorizontalPodAutoscaler"
		}
		return d, err
	})
}

// leaveReplicas makes a Deployment keep the replicas that it has when the operator ceases to write them: a field that nobody
// owns falls back to 1. One that has none gets the least, as an autoscaler leaves such a one alone.
func (m *models) leaveReplicas(ctx context.Context, d *appsv1.Deployment, least int32) error {
	if d.Spec.Replicas == nil || *d.Spec.Replicas > 0 && d.Annotations[annotationScaledBy] != "" {
		return nil
	}
	replicas := int64(*d.Spec.Replicas)
	if replicas == 0 {
		replicas = int64(least)
	}
	kept := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": d.Name, "namespace": d.Namespace, "uid": string(d.UID)},
		"spec":     map[string]any{"replicas": replicas},
	}}
	if err := m.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(kept), client.FieldOwner(ownerOfReplicas), client.ForceOwnership); err != nil {
		return fmt.Errorf("leaving the replicas of Deployment %s to its autoscaler: %w", d.Name, err)
	}
	return nil
}

// needed are the Pods that an autoscaler would give to all of a model's requests together; 0 where there is none, or what is
// asked is not known.
func (m *models) needed(seen *observed) int {
	if seen.scaling == nil {
		return 0
	}
	return int(math.Ceil(m.histories.requestRate(seen.model.Name) / seen.scaling.TargetRequestsPerSecond))
}
