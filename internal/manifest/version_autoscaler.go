package manifest

import (
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/suoke-life/suoke/internal/profile"
)

// ScaleDownWindow is how long, in seconds, an autoscaler holds the most Pods that it found necessary.
const ScaleDownWindow = 300

// Scale bounds an autoscaler.
type Scale struct {
	// Min and Max Pods.
	Min, Max int32
	// RequestsPerSecond is what one Pod is to have, by the Counter that its server exports.
	RequestsPerSecond float64
	Counter           string
}

// Autoscaler scales the version's Deployment by the requests that its Pods count. Its behavior is Kubernetes' default, in full,
// so that it can be compared with what stands.
func (v Version) Autoscaler(namespace string, s Scale) *autoscalingv2.HorizontalPodAutoscaler {
	meta := v.meta(namespace, v.ID, v.Labels())
	meta.Annotations[profile.AnnotationRequestsCounter] = s.Counter
	most := autoscalingv2.MaxChangePolicySelect
	percent := func(n int32) autoscalingv2.HPAScalingPolicy {
		return autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: n, PeriodSeconds: 15}
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: meta,
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: v.ID},
			MinReplicas:    &s.Min, MaxReplicas: s.Max,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.PodsMetricSourceType,
				Pods: &autoscalingv2.PodsMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: profile.ModelMetric},
					Target: autoscalingv2.MetricTarget{
						Type:         autoscalingv2.AverageValueMetricType,
						AverageValue: resource.NewMilliQuantity(int64(math.Round(s.RequestsPerSecond*1000)), resource.DecimalSI),
					},
				},
			}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
				ScaleUp: &autoscalingv2.HPAScalingRules{
					StabilizationWindowSeconds: new(int32(0)), SelectPolicy: &most,
					Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: 15}, percent(100)},
				},
				ScaleDown: &autoscalingv2.HPAScalingRules{
					StabilizationWindowSeconds: new(int32(ScaleDownWindow)), SelectPolicy: &most,
					Policies: []autoscalingv2.HPAScalingPolicy{percent(100)},
				},
			},
		},
	}
}
