package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
)

// concurrentModels are looked at side by side; each waits for the API server most of the time. Fewer ModelVersions are, as
// what they tell is less urgent than a route.
const (
	concurrentModels   = 16
	concurrentVersions = 4
)

// untilPolled is when a model is looked at again that came up before the routers were asked for the first time.
const untilPolled = 100 * time.Millisecond

// untilCached is when a model is looked at again that the cache holds older than it was decided upon.
const untilCached = 100 * time.Millisecond

// urgent is the priority of what is looked at before all that waits with the usual one, 0.
const urgent = 100

// models is the controller of AIModels.
type models struct{ *Operator }

func (m *models) register(mgr ctrl.Manager) error {
	byAnnotation := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		name := o.GetAnnotations()[manifest.AnnotationModel]
		if name == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	})
	byReference := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		version, ok := o.(*suokev1.ModelVersion)
		if !ok {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: version.Namespace, Name: version.Spec.ModelRef}}}
	})
	// What people ask for, and who made it; what the operator tells of it changes nothing of its model.
	asked := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{})
	byRegistry := handler.EnqueueRequestsFromMapFunc(m.readThrough)
	controlled := ctrl.NewControllerManagedBy(mgr).
		Named("aimodel").
		For(&suokev1.AIModel{}).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.Service{}).
		Owns(&batchv1.Job{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&appsv1.ControllerRevision{}).
		Watches(&corev1.Pod{}, byAnnotation).
		Watches(&suokev1.ModelVersion{}, byReference, builder.WithPredicates(asked)).
		Watches(&suokev1.ModelRegistry{}, byRegistry).
		WatchesRawSource(source.TypedChannel(m.routers.wake, handler.TypedFuncs[call, reconcile.Request]{GenericFunc: m.called})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrentModels})
	if m.autoscales {
		controlled.Owns(&autoscalingv2.HorizontalPodAutoscaler{}, builder.WithPredicates(retold()))
	}
	return controlled.Complete(m)
}

// retold leaves out what an autoscaler tells of itself at each look, but for whether it can scale. It has no generation.
func retold() predicate.Predicate {
	told := func(o client.Object) any {
		a, ok := o.(*autoscalingv2.HorizontalPodAutoscaler)
		if !ok {
			return nil
		}
		var can []string
		for _, c := range a.Status.Conditions {
			can = append(can, fmt.Sprint(c.Type, c.Status, c.Reason))
		}
		return []any{a.Spec, can}
	}
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !equality.Semantic.DeepEqual(told(e.ObjectOld), told(e.ObjectNew))
	}}
}

// readThrough lists the models that a ModelRegistry is named by: they may wait for it.
func (m *models) readThrough(ctx context.Context, registry client.Object) []reconcile.Request {
	var list suokev1.AIModelList
	if err := m.Client.List(ctx, &list, client.InNamespace(registry.GetNamespace())); err != nil {
		m.Log.Warn("listing AIModels", "error", err)
		return nil
	}
	var all []reconcile.Request
	for i := range list.Items {
		if model := &list.Items[i]; model.Spec.RegistryRef == registry.GetName() {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(model)})
		}
	}
	return all
}

// called puts a model that the routers' reports say something of into the queue.
func (m *models) called(_ context.Context, e event.TypedGenericEvent[call], queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: m.Namespace, Name: e.Object.model}}
	if ordered, is := queue.(priorityqueue.PriorityQueue[reconcile.Request]); is && e.Object.urgent {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: new(urgent)}, request)
		return
	}
	queue.Add(request)
}

// Reconcile takes one model a step further.
func (m *models) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	defer m.routers.looked(req.Name)
	result, err := m.reconcile(ctx, req)
	result.Priority = new(0) // whatever it was looked at for, it was
	return result, err
}

func (m *models) reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var model suokev1.AIModel
	err := m.Client.Get(ctx, req.NamespacedName, &model)
	if apierrors.IsNotFound(err) || err == nil && !model.DeletionTimestamp.IsZero() {
		m.routers.forget(req.Name)
		m.histories.forget(req.Name)
		m.recordings.forget(req.Name)
		m.inquiries.forget(tagOf(req.Name), credentialsOf(req.Name))
		m.judges.Delete(req.Name)
		m.recalled.Delete(req.Name)
		m.parsed.Delete(req.Name)
		m.standing.Delete(req.Name)
		m.secrets.Delete(req.Name)
		m.Metrics.forget(req.Name)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading AIModel %s: %w", req.Name, err)
	}
	if !m.routers.known() {
		return ctrl.Result{RequeueAfter: untilPolled}, nil
	}
	seen, err := m.observe(ctx, &model)
	if err != nil {
		return ctrl.Result{}, err
	}
	if seen.memory.ahead(model.Generation) {
		return ctrl.Result{RequeueAfter: untilCached}, nil
	}
	made := m.decide(seen)
	if err := m.apply(ctx, seen, made); err != nil {
		return again(err)
	}
	return ctrl.Result{RequeueAfter: made.after}, nil
}

// again says how to go on after an error: a conflict means that someone wrote first, so look again at once.
func again(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	return ctrl.Result{}, err
}

// problem returns the reason that a user can act upon, if the error has one.
func problem(err error) (*Problem, bool) {
	var p *Problem
	return p, errors.As(err, &p)
}
