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
}

// applyScaled brings a version's Deployment to so many Pods; where an autoscaler has the say, to at least so many by its
// bounds. There is one authority at a time: the operator does not write replicas that are an autoscaler's, and an autoscaler
// is gone before the operator does.
func (m *models) applyScaled(ctx context.Context, seen *observed, f frozen, id rollout.ID, replicas int32) error {
	there := seen.deployments[id]
	auto := seen.model.Spec.Deployment.Autoscaling
	if auto == nil || !m.autoscales {
		if a := seen.autoscalers[id]; a != nil {
			if err := client.IgnoreNotFound(m.Client.Delete(ctx, a, client.Preconditions{UID: new(a.GetUID())})); err != nil {
				return fmt.Errorf("deleting HorizontalPodAutoscaler %s: %w", a.Name, err)
			}
		}
		return m.applyDeployment(ctx, seen, f, there, &replicas)
	}
	if there != nil && there.Annotations[annotationScaledBy] == "" {
		if err := m.leaveReplicas(ctx, there); err != nil {
			return err
		}
	}
	if err := m.applyDeployment(ctx, seen, f, there, nil); err != nil {
		return err
	}
	bounds := scale{min(replicas, auto.MaxReplicas), auto.MaxReplicas, auto.TargetRequestsPerSecond}
	return m.applyObject(ctx, seen, f, existing(seen.autoscalers[id]), bounds, func() (client.Object, error) {
		return f.Version.Autoscaler(seen.model.Namespace, manifest.Scale{
			Min: bounds.replicas, Max: bounds.most, RequestsPerSecond: bounds.requestsPerSecond,
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
// owns falls back to 1.
func (m *models) leaveReplicas(ctx context.Context, d *appsv1.Deployment) error {
	if d.Spec.Replicas == nil {
		return nil
	}
	kept := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": d.Name, "namespace": d.Namespace, "uid": string(d.UID)},
		"spec":     map[string]any{"replicas": int64(*d.Spec.Replicas)},
	}}
	if err := m.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(kept), client.FieldOwner(ownerOfReplicas), client.ForceOwnership); err != nil {
		return fmt.Errorf("leaving the replicas of Deployment %s to its autoscaler: %w", d.Name, err)
	}
	return nil
}

// needed are the Pods that an autoscaler would give to all of a model's requests together; 0 where there is none, or what is
// asked is not known.
func (m *models) needed(model *suokev1.AIModel) int {
	auto := model.Spec.Deployment.Autoscaling
	if auto == nil || auto.TargetRequestsPerSecond <= 0 {
		return 0
	}
	return int(math.Ceil(m.histories.requestRate(model.Name) / auto.TargetRequestsPerSecond))
}

// rateWindow is over how many seconds requests are counted to say how many Pods they need.
const rateWindow = 60

// requestRate is how fast a model's versions were asked together over the last minute.
type requestRate struct {
	// requests by second, each at its place by rateWindow, and the first and last second that were counted.
	requests    [rateWindow]int64
	first, last int64
}

// add takes in the requests of a second. Seconds come in order; those that do not come had none.
func (r *requestRate) add(unix, requests int64) {
	switch {
	case r.last == 0:
		r.first, r.last = unix, unix
	case unix-r.last >= rateWindow:
		r.requests, r.last = [rateWindow]int64{}, unix
	}
	for ; r.last < unix; r.last++ {
		r.requests[(r.last+1)%rateWindow] = 0
	}
	if unix == r.last {
		r.requests[unix%rateWindow] += requests
	}
}

// perSecond is the rate in the minute before now, 0 if nothing was heard in it.
func (r *requestRate) perSecond(now int64) float64 {
	if r.last == 0 || now-r.last >= rateWindow {
		return 0
	}
	var sum int64
	for unix := max(r.first, r.last-rateWindow+1); unix <= r.last; unix++ {
		sum += r.requests[unix%rateWindow]
	}
	return float64(sum) / float64(min(r.last-r.first+1, rateWindow))
}
