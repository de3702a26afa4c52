package metricsapi

import (
	"context"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"

	"github.com/suoke-life/suoke/internal/scaling/scrape"
)

const (
	// usageEvery is metrics-server's own resolution.
	usageEvery = 15 * time.Second
	// usageTimeout bounds one reading, so that a hanging API delays only the next one.
	usageTimeout = 10 * time.Second
)

// Usage is what metrics.k8s.io says of the agents' Pods, and what the VPAs advise, as last read. Where an API is not
// served or does not answer, there is nothing rather than what was true before.
type Usage struct {
	metrics   metricsclient.Interface
	vpas      dynamic.ResourceInterface
	namespace string
	log       *slog.Logger

	mu      sync.RWMutex
	pods    map[string]corev1.ResourceList
	advices []advice
	silent  bool
}

// advice is one number of a VPA's recommendation.
type advice struct {
	vpa, container, resource string
	amount                   float64
}

// NewUsage returns a Usage that knows nothing until Run.
func NewUsage(metrics metricsclient.Interface, objects dynamic.Interface, namespace string, log *slog.Logger) *Usage {
	vpas := schema.GroupVersionResource{Group: "autoscaling.k8s.io", Version: "v1", Resource: "verticalpodautoscalers"}
	return &Usage{metrics: metrics, vpas: objects.Resource(vpas).Namespace(namespace), namespace: namespace, log: log}
}

// Run reads until the context ends.
func (u *Usage) Run(ctx context.Context) {
	ticker := time.NewTicker(usageEvery)
	defer ticker.Stop()
	for {
		u.Read(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Read asks both APIs once.
func (u *Usage) Read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	pods := map[string]corev1.ResourceList{}
	list, err := u.metrics.MetricsV1beta1().PodMetricses(u.namespace).List(ctx, metav1.ListOptions{LabelSelector: scrape.AgentLabel})
	if err == nil {
		for _, pod := range list.Items {
			pods[pod.Name] = total(pod.Containers)
		}
	}
	var advices []advice
	vpas, vpaErr := u.vpas.List(ctx, metav1.ListOptions{})
	if vpaErr == nil {
		for i := range vpas.Items {
			advices = append(advices, advise(&vpas.Items[i])...)
		}
	} else if !apierrors.IsNotFound(vpaErr) {
		u.log.Debug("the VPAs cannot be read", "error", vpaErr)
	}

	u.mu.Lock()
	defer u.mu.Unlock()
	u.pods, u.advices = pods, advices
	if err != nil && !u.silent {
		u.log.Warn("metrics.k8s.io does not answer, so CPU and memory are not known; is metrics-server running?", "error", err)
	}
	u.silent = err != nil
}

func (u *Usage) of(pod string) (corev1.ResourceList, bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	use, found := u.pods[pod]
	return use, found
}

func (u *Usage) advice() []advice {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.advices
}

// advise reads the targets of a VPA's recommendation.
func advise(vpa *unstructured.Unstructured) []advice {
	containers, _, err := unstructured.NestedSlice(vpa.Object, "status", "recommendation", "containerRecommendations")
	if err != nil {
		return nil
	}
	var all []advice
	for _, c := range containers {
		container, ok := c.(map[string]any)
		if !ok {
			continue
		}
		name, _, _ := unstructured.NestedString(container, "containerName")
		target, _, _ := unstructured.NestedStringMap(container, "target")
		for kind, text := range target {
			if amount, err := resource.ParseQuantity(text); err == nil {
				all = append(all, advice{vpa.GetName(), name, kind, amount.AsApproximateFloat64()})
			}
		}
	}
	return all
}

// total adds up a Pod's containers.
func total(containers []metricsv1beta1.ContainerMetrics) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, c := range containers {
		for name, amount := range c.Usage {
			whole := sum[name]
			whole.Add(amount)
			sum[name] = whole
		}
	}
	return sum
}
