package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/analysis"
)

// LabelGenerated marks a ModelVersion that the operator made.
const LabelGenerated = "suoke.life/generated"

// untilMoved is when a ModelVersion is looked at again while routes wait to be written: what is told comes after that.
const untilMoved = 200 * time.Millisecond

// versions is the controller of ModelVersions. It decides nothing: their status is a projection of the model's memory.
type versions struct{ *Operator }

func (v *versions) register(mgr ctrl.Manager) error {
	// Whatever happens to a model, or to one of its ModelVersions, may change what all of them say.
	versionsOf := func(ctx context.Context, namespace, model string) []reconcile.Request {
		var list suokev1.ModelVersionList
		if err := v.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{ofModel: model}); err != nil {
			v.Log.Warn("listing ModelVersions", "error", err)
			return nil
		}
		var all []reconcile.Request
		for i := range list.Items {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		return all
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("modelversion").
		Watches(&suokev1.ModelVersion{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			version, ok := o.(*suokev1.ModelVersion)
			if !ok {
				return nil
			}
			return versionsOf(ctx, version.Namespace, version.Spec.ModelRef)
		})).
		Watches(&suokev1.AIModel{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return versionsOf(ctx, o.GetNamespace(), o.GetName())
		})).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return versionsOf(ctx, o.GetNamespace(), o.GetAnnotations()[manifest.AnnotationModel])
		})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentVersions}).
		Complete(v)
}

// Reconcile brings what one ModelVersion says in line with its model's memory.
func (v *versions) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if v.routers.pressing() {
		return ctrl.Result{RequeueAfter: untilMoved}, nil
	}
	var version suokev1.ModelVersion
	if err := v.Client.Get(ctx, req.NamespacedName, &version); err != nil {
		if apierrors.IsNotFound(err) {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading ModelVersion %s: %w", req.Name, err)
	}
	if !version.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	seen, err := v.observe(ctx, &version)
	if err != nil {
		return ctrl.Result{}, err
	}
	if replaced, err := v.replace(ctx, seen); replaced || err != nil {
		return ctrl.Result{}, err
	}
	if err := v.adopt(ctx, seen); err != nil {
		return again(err)
	}
	if seen.forgotten() {
		return ctrl.Result{}, nil // the model's memory comes back, and that is looked at again
	}
	return ctrl.Result{}, v.applyStatus(ctx, seen)
}

// observedVersion is everything that one ModelVersion's status follows from.
type observedVersion struct {
	version  *suokev1.ModelVersion
	model    *suokev1.AIModel
	siblings []suokev1.ModelVersion
	memory   memory
	verdict  Verdict
}

func (v *versions) observe(ctx context.Context, version *suokev1.ModelVersion) (*observedVersion, error) {
	seen := &observedVersion{version: version}
	var model suokev1.AIModel
	err := v.Client.Get(ctx, client.ObjectKey{Namespace: version.Namespace, Name: version.Spec.ModelRef}, &model)
	switch {
	case err == nil:
		seen.model = &model
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading AIModel %s: %w", version.Spec.ModelRef, err)
	}
	var list suokev1.ModelVersionList
	if err := v.Client.List(ctx, &list, client.InNamespace(version.Namespace), client.MatchingFields{ofModel: version.Spec.ModelRef}); err != nil {
		return nil, fmt.Errorf("listing ModelVersions: %w", err)
	}
	seen.siblings = list.Items
	seen.verdict = AcceptVersion(version, seen.model, list.Items)
	if seen.model == nil {
		return seen, nil
	}
	var object corev1.ConfigMap
	err = v.Client.Get(ctx, client.ObjectKey{Namespace: version.Namespace, Name: routeName(model.Name)}, &object)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(&object, &model) {
		return seen, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the route of %s: %w", model.Name, err)
	}
	seen.memory, err = v.parse(model.Name, &object)
	return seen, err
}

// replace deletes a generated ModelVersion whose place a person's has taken.
func (v *versions) replace(ctx context.Context, seen *observedVersion) (bool, error) {
	if !generated(seen.version) || seen.verdict.Reason != suokev1.ReasonDuplicate {
		return false, nil
	}
	if err := client.IgnoreNotFound(v.Client.Delete(ctx, seen.version)); err != nil {
		return true, fmt.Errorf("deleting the generated ModelVersion %s: %w", seen.version.Name, err)
	}
	return true, nil
}

// adopt makes a ModelVersion go with its model.
func (v *versions) adopt(ctx context.Context, seen *observedVersion) error {
	if seen.model == nil || metav1.IsControlledBy(seen.version, seen.model) {
		return nil
	}
	before := seen.version.DeepCopy()
	seen.version.OwnerReferences = []metav1.OwnerReference{owner(seen.model)}
	if err := v.Client.Patch(ctx, seen.version, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("giving ModelVersion %s its owner: %w", seen.version.Name, err)
	}
	return nil
}

func (v *versions) applyStatus(ctx context.Context, seen *observedVersion) error {
	before := seen.version.Status.DeepCopy()
	after := projectVersion(seen, v.Now())
	keepStatistic(before, after)
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	version := seen.version.DeepCopy()
	version.Status = *after
	if err := v.Client.Status().Patch(ctx, version, client.MergeFrom(seen.version), client.FieldOwner(FieldManager)); err != nil {
		return client.IgnoreNotFound(err)
	}
	v.tell(seen.version, withPhase(before), withPhase(after))
	return nil
}

// keepStatistic leaves a statistic as it was read if the new one is the same: the API server sorts its fields.
func keepStatistic(before, after *suokev1.ModelVersionStatus) {
	if before.Evidence == nil || after.Evidence == nil || before.Evidence.Statistic == nil || after.Evidence.Statistic == nil {
		return
	}
	var was, is analysis.Statistic
	if json.Unmarshal(before.Evidence.Statistic.Raw, &was) == nil && json.Unmarshal(after.Evidence.Statistic.Raw, &is) == nil && same(was, is) {
		after.Evidence.Statistic = before.Evidence.Statistic
	}
}

// withPhase adds the last change of phase to the conditions, so that it is told as they are.
func withPhase(status *suokev1.ModelVersionStatus) []metav1.Condition {
	conditions := append([]metav1.Condition(nil), status.Conditions...)
	if n := len(status.PromotionHistory); n > 0 {
		last := status.PromotionHistory[n-1]
		reason, message := splitReason(last.Reason)
		c := metav1.Condition{Type: "Phase", Status: metav1.ConditionTrue, Reason: reason, Message: fmt.Sprintf("%s: %s", last.ToPhase, message)}
		meta.SetStatusCondition(&conditions, c)
	}
	return conditions
}

func generated(version *suokev1.ModelVersion) bool { return version.Labels[LabelGenerated] == "true" }
