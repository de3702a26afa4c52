package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

const (
	// FieldManager owns the fields that this process writes.
	FieldManager = "suoke-model-registry"
	// concurrent registries; each may wait for an endpoint that does not answer.
	concurrent = 8
)

// Reconciler keeps the status of every ModelRegistry.
type Reconciler struct {
	// Client reads from a cache; Live reads Secrets, which may not be listed, from the API server.
	Client  client.Client
	Live    client.Reader
	Events  events.EventRecorder
	Metrics *Metrics
	Log     *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Attempts at an endpoint within one sync, waiting Wait after the first and twice as long after each: enough for our
	// own registry's Service to find the Pod that this process has just started in.
	Attempts int
	Wait     time.Duration

	mutex    sync.Mutex
	memories map[types.NamespacedName]memory
}

// NewManager returns a manager that sees the ModelRegistries and AIModels of one namespace and no more. It serves nothing.
func NewManager(cluster *rest.Config, namespace string) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, suokev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	mgr, err := ctrl.NewManager(cluster, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
		// A controller's name only labels metrics; one that could not start is made anew.
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the controller of ModelRegistries: %w", err)
	}
	return mgr, nil
}

// NewReconciler takes what it needs from a manager.
func NewReconciler(mgr ctrl.Manager, metrics *Metrics, log *slog.Logger) *Reconciler {
	return &Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder(FieldManager),
		Metrics: metrics, Log: log, Now: time.Now, Attempts: 3, Wait: time.Second,
	}
}

// Register adds the controller to the manager.
func (r *Reconciler) Register(mgr ctrl.Manager) error {
	// A model may have come to a registry, or left one: each looks whether it is meant.
	every := func(ctx context.Context, model client.Object) []reconcile.Request {
		var list suokev1.ModelRegistryList
		if err := r.Client.List(ctx, &list, client.InNamespace(model.GetNamespace())); err != nil {
			r.Log.Warn("listing ModelRegistries", "error", err)
			return nil
		}
		var all []reconcile.Request
		for i := range list.Items {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
		return all
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("modelregistry").
		For(&suokev1.ModelRegistry{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&suokev1.AIModel{}, handler.EnqueueRequestsFromMapFunc(every), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("adding the controller of ModelRegistries: %w", err)
	}
	return nil
}

// Reconcile brings the status of one ModelRegistry up to date, if that is due.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var object suokev1.ModelRegistry
	if err := r.Client.Get(ctx, req.NamespacedName, &object); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("reading ModelRegistry %s: %w", req.Name, err)
	}
	var list suokev1.AIModelList
	if err := r.Client.List(ctx, &list, client.InNamespace(req.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing AIModels: %w", err)
	}
	models := named(&object, list.Items)
	asked := fingerprint(models)
	known := r.recall(req.NamespacedName, object.UID)
	if due := known.due(object.Generation, asked, r.Now()); due > 0 {
		return ctrl.Result{RequeueAfter: due}, nil
	}
	found, err := r.look(ctx, &object, models)
	if err = errors.Join(err, ctx.Err()); err != nil { // a process that ends has not found anything out
		return ctrl.Result{}, err
	}
	now := r.Now()
	failed := known.counted(object.Generation, asked, found.failed())
	follows := project(&object, found, failed, now)
	if err := r.apply(ctx, &object, follows); err != nil {
		return ctrl.Result{}, err
	}
	r.Metrics.sync.observe(object.Name, found.synced(), found.resolved, found.failed())
	r.remember(req.NamespacedName, memory{
		object: object.UID, generation: object.Generation, models: asked, looked: now, next: now.Add(follows.wait), failed: failed,
		said: r.say(&object, found, known.said),
	})
	return ctrl.Result{RequeueAfter: follows.wait}, nil
}

// apply writes the status on a difference, and tells its events.
func (r *Reconciler) apply(ctx context.Context, object *suokev1.ModelRegistry, follows projection) error {
	if equality.Semantic.DeepEqual(object.Status, follows.status) {
		return nil
	}
	changed := object.DeepCopy()
	changed.Status = follows.status
	if err := r.Client.Status().Patch(ctx, changed, client.MergeFrom(object), client.FieldOwner(FieldManager)); err != nil {
		return client.IgnoreNotFound(err)
	}
	for _, e := range follows.events {
		r.Events.Eventf(object, nil, e.kind, e.reason, "Sync", "%s", shorten(e.message))
	}
	return nil
}

// say logs each time that an endpoint is not reached, and everything else when it changes.
func (r *Reconciler) say(object *suokev1.ModelRegistry, found outcome, before string) string {
	log := r.Log.With("registry", object.Name, "endpoint", object.Spec.Endpoint)
	reasons := strings.Join(sentences(found), "; ")
	said := fmt.Sprintf("%d found; %s", found.resolved, reasons)
	switch {
	case found.trouble != nil:
		log.Warn("could not reach the registry", "reason", reasons)
	case said == before || found.disabled:
	case found.refusal != nil || found.missing != nil:
		log.Warn("cannot use the registry", "reason", reasons)
	case len(found.unresolved) > 0:
		log.Warn("did not find every model", "found", found.resolved, "reason", reasons)
	default:
		log.Info("found every model", "found", found.resolved)
	}
	return said
}

func (r *Reconciler) recall(name types.NamespacedName, object types.UID) memory {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if known := r.memories[name]; known.object == object {
		return known
	}
	return memory{}
}

func (r *Reconciler) remember(name types.NamespacedName, m memory) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.memories == nil {
		r.memories = map[types.NamespacedName]memory{}
	}
	r.memories[name] = m
}

func (r *Reconciler) forget(name types.NamespacedName) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.memories, name)
	r.Metrics.sync.forget(name.Name)
}
