// Package metricsapi serves the request rates of agents and model servers as custom.metrics.k8s.io, for HPAs and kubectl, and tells about
// the objects that scaling moves as Prometheus metrics. It promises that two replicas of it answer under one certificate
// authority, that a Pod without a fresh rate is left out rather than shown with an old one, and that an APIService which
// another adapter serves is left to it. It decides nothing: the HPA does.
package metricsapi

import (
	"context"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/scaling/scrape"
)

// windowLabel lets whoever asks choose the window, by the metric's selector: window=60s.
const windowLabel = "window"

// Rates knows how fast a Pod's counter grows.
type Rates interface {
	Rate(uid string, window time.Duration) (perSecond float64, at time.Time, ok bool)
}

// Provider answers for the metrics of the profile's agents and of model servers, of Pods in one namespace.
type Provider struct {
	agents    *profile.Profile
	pods      corelisters.PodLister
	namespace string
	rates     Rates
}

var _ provider.CustomMetricsProvider = (*Provider)(nil)

// NewProvider returns a Provider for the Pods of one namespace.
func NewProvider(agents *profile.Profile, pods corelisters.PodLister, namespace string, rates Rates) *Provider {
	return &Provider{agents: agents, pods: pods, namespace: namespace, rates: rates}
}

// GetMetricByName answers for one Pod.
func (p *Provider) GetMetricByName(
	_ context.Context, name types.NamespacedName, info provider.CustomMetricInfo, selector labels.Selector,
) (*custom_metrics.MetricValue, error) {
	window, err := p.check(name.Namespace, info, selector)
	if err != nil {
		return nil, err
	}
	pod, err := p.pods.Pods(name.Namespace).Get(name.Name)
	if err != nil {
		return nil, err // the API server's own status is the answer
	}
	value, ok := p.value(pod, info, window)
	if !ok {
		return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, name.Name)
	}
	return value, nil
}

// GetMetricBySelector answers for all Pods that a selector matches and that have a fresh rate.
func (p *Provider) GetMetricBySelector(
	_ context.Context, namespace string, pods labels.Selector, info provider.CustomMetricInfo, selector labels.Selector,
) (*custom_metrics.MetricValueList, error) {
	window, err := p.check(namespace, info, selector)
	if err != nil {
		return nil, err
	}
	matching, err := p.pods.Pods(namespace).List(pods)
	if err != nil {
		return nil, fmt.Errorf("listing Pods: %w", err)
	}
	list := &custom_metrics.MetricValueList{}
	for _, pod := range matching {
		if value, ok := p.value(pod, info, window); ok {
			list.Items = append(list.Items, *value)
		}
	}
	return list, nil
}

// ListAllMetrics is what discovery shows.
func (p *Provider) ListAllMetrics() []provider.CustomMetricInfo {
	names := []string{profile.ModelMetric}
	for _, a := range p.agents.Agents {
		names = append(names, a.Metric.Name)
	}
	all := make([]provider.CustomMetricInfo, len(names))
	for i, name := range names {
		all[i] = provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: name}
	}
	return all
}

// check refuses what this adapter does not serve, and reads the window.
func (p *Provider) check(namespace string, info provider.CustomMetricInfo, selector labels.Selector) (time.Duration, error) {
	if info.GroupResource != (schema.GroupResource{Resource: "pods"}) || namespace != p.namespace || p.of(info.Metric) == nil {
		return 0, provider.NewMetricNotFoundError(info.GroupResource, info.Metric)
	}
	if selector == nil || selector.Empty() {
		return scrape.Short, nil
	}
	for _, window := range []time.Duration{scrape.Short, scrape.Long} {
		text := fmt.Sprintf("%ds", int(window.Seconds()))
		if selector.String() == windowLabel+"="+text {
			return window, nil
		}
	}
	return 0, apierrors.NewBadRequest(fmt.Sprintf("metric selector %q: write window=6s or window=60s, or none", selector))
}

// of says which Pods a metric is of; nil if there is no such metric.
func (p *Provider) of(metric string) func(*corev1.Pod) bool {
	if metric == profile.ModelMetric {
		return func(pod *corev1.Pod) bool { return pod.Labels[scrape.VersionLabel] != "" }
	}
	for _, a := range p.agents.Agents {
		if a.Metric.Name == metric {
			return func(pod *corev1.Pod) bool { return pod.Labels[scrape.AgentLabel] == a.Name }
		}
	}
	return nil
}

// value is a Pod's rate, if the metric is of it and it has a fresh one.
func (p *Provider) value(pod *corev1.Pod, info provider.CustomMetricInfo, window time.Duration) (*custom_metrics.MetricValue, bool) {
	if !p.of(info.Metric)(pod) {
		return nil, false
	}
	rate, at, ok := p.rates.Rate(string(pod.UID), window)
	if !ok {
		return nil, false
	}
	seconds := int64(window.Seconds())
	return &custom_metrics.MetricValue{
		DescribedObject: custom_metrics.ObjectReference{
			Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
		},
		Metric:        custom_metrics.MetricIdentifier{Name: info.Metric},
		Timestamp:     metav1.NewTime(at),
		WindowSeconds: &seconds,
		Value:         *resource.NewMilliQuantity(int64(math.Round(rate*1000)), resource.DecimalSI),
	}, true
}
