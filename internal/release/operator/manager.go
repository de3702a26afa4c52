package operator

import (
	"context"
	"fmt"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// The leader renews its Lease; another replica takes over when it was not renewed for leaseDuration.
const (
	leaseDuration = 10 * time.Second
	leaseRenew    = 6 * time.Second
	leaseRetry    = time.Second
)

// NewManager returns a manager that sees what the operator needs of one namespace and no more. It serves /metrics,
// /healthz and /readyz on address ("0": nowhere).
func NewManager(cluster *rest.Config, namespace, address string, electLeader bool) (ctrl.Manager, error) {
	scheme, err := kinds()
	if err != nil {
		return nil, err
	}
	cached, err := cacheOf(namespace)
	if err != nil {
		return nil, err
	}
	duration, renew, retry := leaseDuration, leaseRenew, leaseRetry
	ready := &healthz.Handler{Checks: map[string]healthz.Checker{}}
	unlimited := rest.CopyConfig(cluster)
	unlimited.QPS = -1 // left alone, a client holds itself to 5 requests a second of each kind; the API server is fair without
	mgr, err := ctrl.NewManager(unlimited, ctrl.Options{
		Scheme:                 scheme,
		MapperProvider:         newMapper,
		Cache:                  cached,
		Metrics:                answers(address, ready),
		HealthProbeBindAddress: "0",
		// A controller's name only labels metrics; the tests run several operators in one process.
		Controller:     config.Controller{SkipNameValidation: new(true)},
		LeaderElection: electLeader, LeaderElectionID: Lease, LeaderElectionNamespace: namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &duration, RenewDeadline: &renew, RetryPeriod: &retry,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the operator: %w", err)
	}
	if err := index(mgr); err != nil {
		return nil, err
	}
	ready.Checks["cache"] = func(r *http.Request) error {
		if !mgr.GetCache().WaitForCacheSync(r.Context()) {
			return fmt.Errorf("the caches of %s are not filled yet", namespace)
		}
		return nil
	}
	return mgr, nil
}

// kinds of objects that the operator reads and writes.
func kinds() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, suokev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return scheme, nil
}

// cacheOf is what the cache holds: of one namespace, and of the kinds that others use too only what is the operator's.
func cacheOf(namespace string) (cache.Options, error) {
	ofModels, err := labels.NewRequirement(manifest.LabelModel, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("selecting the objects of models: %w", err)
	}
	models := cache.ByObject{Label: labels.NewSelector().Add(*ofModels)}
	return cache.Options{
		DefaultNamespaces: map[string]cache.Config{namespace: {}},
		DefaultTransform:  cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}:                     models,
			&appsv1.ControllerRevision{}:             models,
			&corev1.Service{}:                        models,
			&autoscalingv2.HorizontalPodAutoscaler{}: models,
			&batchv1.Job{}:                           models,
			&corev1.ConfigMap{}:                      {Label: labels.SelectorFromSet(labels.Set{route.Label: "true"})},
			&corev1.Pod{}:                            {Label: labels.SelectorFromSet(labels.Set{"app.kubernetes.io/part-of": "suoke"})},
		},
	}, nil
}

// answers are what the operator serves on its address: its metrics, whether it lives, and whether it is ready.
func answers(address string, ready http.Handler) metricsserver.Options {
	alive := &healthz.Handler{Checks: map[string]healthz.Checker{"ping": healthz.Ping}}
	return metricsserver.Options{
		BindAddress: address,
		ExtraHandlers: map[string]http.Handler{
			"/healthz": http.StripPrefix("/healthz", alive),
			"/readyz":  http.StripPrefix("/readyz", ready),
		},
	}
}

// ofModel is the field by which the cache finds what belongs to a model without looking at what belongs to others: the
// model's name for ModelVersions, and its label for objects that the operator makes.
const ofModel = "model"

func index(mgr ctrl.Manager) error {
	byLabel := func(o client.Object) []string { return []string{o.GetLabels()[manifest.LabelModel]} }
	byReference := func(o client.Object) []string {
		if version, ok := o.(*suokev1.ModelVersion); ok {
			return []string{version.Spec.ModelRef}
		}
		return nil
	}
	by := map[client.Object]client.IndexerFunc{
		&suokev1.ModelVersion{}:      byReference,
		&appsv1.ControllerRevision{}: byLabel,
		&appsv1.Deployment{}:         byLabel,
		&batchv1.Job{}:               byLabel,
		&corev1.Pod{}:                byLabel,
		&corev1.Service{}:            byLabel,
	}
	autoscales, err := servesAutoscaling(mgr.GetRESTMapper())
	if err != nil {
		return err
	}
	if autoscales {
		by[&autoscalingv2.HorizontalPodAutoscaler{}] = byLabel
	}
	for kind, name := range by {
		// The informers begin later, with the manager.
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), kind, ofModel, name); err != nil {
			return fmt.Errorf("indexing the objects of models: %w", err)
		}
	}
	return nil
}

// servesAutoscaling says whether the API server has autoscaling/v2, as since Kubernetes 1.23.
func servesAutoscaling(mapper meta.RESTMapper) (bool, error) {
	_, err := mapper.RESTMapping(autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler").GroupKind(), autoscalingv2.SchemeGroupVersion.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking whether the API server has autoscaling/v2: %w", err)
	}
	return true, nil
}
