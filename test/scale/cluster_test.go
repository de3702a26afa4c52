package scale_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/test/apiserver"
)

// cluster gives Deployments their Pods, and hands routes to the routers.
type cluster struct {
	*world
	queue workqueue.TypedInterface[string]

	mu sync.Mutex
	// wanted Deployments, without those that are gone, and how many Pods each has.
	wanted map[string]*appsv1.Deployment
	pods   map[string]int
}

func newCluster(w *world, config *rest.Config) *cluster {
	w.tb.Helper()
	k := &cluster{world: w, queue: workqueue.NewTyped[string](), wanted: map[string]*appsv1.Deployment{}, pods: map[string]int{}}
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	w.tb.Cleanup(func() {
		stop()
		k.queue.ShutDown()
		working.Wait()
	})
	watched := k.watch(ctx, config)
	for range hands {
		working.Go(func() {
			for k.step(ctx) {
			}
		})
	}
	working.Go(func() {
		if err := watched.Start(ctx); err != nil {
			w.tb.Errorf("watching: %v", err)
		}
	})
	if !watched.WaitForCacheSync(ctx) {
		w.tb.Fatal("the watches did not begin")
	}
	return k
}

func (k *cluster) watch(ctx context.Context, config *rest.Config) cache.Cache {
	k.tb.Helper()
	scheme, err := apiserver.Scheme()
	if err != nil {
		k.tb.Fatal(err)
	}
	watched, err := cache.New(config, cache.Options{
		Scheme: scheme, DefaultNamespaces: map[string]cache.Config{k.namespace: {}},
		ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Label: labels.SelectorFromSet(labels.Set{route.Label: "true"})}},
	})
	if err != nil {
		k.tb.Fatal(err)
	}
	see := func(o any, gone bool) {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			k.routers.see(o, time.Now())
		case *appsv1.Deployment:
			k.see(o, gone)
		}
	}
	for _, kind := range []client.Object{&corev1.ConfigMap{}, &appsv1.Deployment{}} {
		informer, err := watched.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			k.tb.Fatal(err)
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { see(o, false) }, UpdateFunc: func(_, o any) { see(o, false) }, DeleteFunc: func(o any) { see(o, true) },
		}); err != nil {
			k.tb.Fatal(err)
		}
	}
	return watched
}

func (k *cluster) see(d *appsv1.Deployment, gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wanted[d.Name] = d
	if gone {
		delete(k.wanted, d.Name)
	}
	k.queue.Add(d.Name)
}

// step brings one Deployment's Pods to their number. It returns false when there is nothing more to do.
func (k *cluster) step(ctx context.Context) bool {
	name, over := k.queue.Get()
	if over {
		return false
	}
	defer k.queue.Done(name)
	k.mu.Lock()
	d, has := k.wanted[name], k.pods[name]
	k.mu.Unlock()
	wants := 0
	if d != nil {
		wants = int(*d.Spec.Replicas)
	}
	for ; has < wants; has++ {
		if err := k.runPod(ctx, podName(name, has), d.Spec.Template.Labels, d.Spec.Template.Annotations, "127.0.0.1"); err != nil {
			k.complain(ctx, err)
		}
	}
	for ; has > wants; has-- {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(name, has-1), Namespace: k.namespace}}
		if err := k.client.Delete(ctx, pod, client.GracePeriodSeconds(0)); err != nil {
			k.complain(ctx, err)
		}
	}
	k.mu.Lock()
	k.pods[name] = has
	k.mu.Unlock()
	return true
}

func (k *cluster) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		k.tb.Errorf("playing the kubelet: %v", err)
	}
}

func podName(deployment string, i int) string { return fmt.Sprintf("%s-%d", deployment, i) }

// runPod makes a Pod that is ready.
func (w *world) runPod(ctx context.Context, name string, labelled, annotated map[string]string, address string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace, Labels: labelled, Annotations: annotated},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}, TerminationGracePeriodSeconds: new(int64(0))},
	}
	if err := w.client.Create(ctx, pod); err != nil {
		return err
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return w.client.Status().Update(ctx, pod)
}
