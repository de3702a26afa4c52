package router

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

// routeSuffix follows the model's name in the name of its route's ConfigMap.
const routeSuffix = "-route"

// Watch applies the routes of one namespace's ConfigMaps to a Router. A route that cannot be read is logged once and
// the last good one stays; the route of a ConfigMap that is deleted goes.
type Watch struct {
	router   *Router
	log      *slog.Logger
	informer cache.SharedIndexInformer
	handled  cache.ResourceEventHandlerRegistration

	mu sync.Mutex
	// seen is the text last looked at, by ConfigMap, good or bad: the operator's own memory beside it changes too.
	seen map[string]string
}

// NewWatch returns a Watch. Run runs it.
func NewWatch(client kubernetes.Interface, namespace string, router *Router, log *slog.Logger) (*Watch, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = route.Label + "=true" }))
	w := &Watch{router: router, log: log, informer: factory.Core().V1().ConfigMaps().Informer(), seen: map[string]string{}}
	var err error
	w.handled, err = w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    w.changed,
		UpdateFunc: func(_, object any) { w.changed(object) },
		DeleteFunc: w.deleted,
	})
	if err != nil {
		return nil, fmt.Errorf("watching routes: %w", err)
	}
	return w, nil
}

// Run watches until the context ends.
func (w *Watch) Run(ctx context.Context) { w.informer.RunWithContext(ctx) }

// Synced says whether every route was applied once.
func (w *Watch) Synced() bool { return w.handled.HasSynced() }

func (w *Watch) changed(object any) {
	config, ok := object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	text := config.Data[route.Key]
	if before, known := w.seen[config.Name]; known && before == text {
		return
	}
	w.seen[config.Name] = text
	r, err := route.Parse([]byte(text))
	if err == nil && r.Model+routeSuffix != config.Name {
		err = fmt.Errorf("route of %s: write it to ConfigMap %s", r.Model, r.Model+routeSuffix)
	}
	if err != nil {
		w.log.Error("keeping the last good route", "configMap", config.Name, "error", err)
		return
	}
	w.router.Apply(r)
	w.log.Info("route applied", "model", r.Model, "revision", r.Revision, "stable", r.Stable, "candidate", r.Candidate)
}

func (w *Watch) deleted(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	config, ok := object.(*corev1.ConfigMap)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, config.Name)
	if len(config.Name) > len(routeSuffix) {
		name := config.Name[:len(config.Name)-len(routeSuffix)]
		w.router.Remove(name)
		w.log.Info("route removed", "model", name)
	}
}
