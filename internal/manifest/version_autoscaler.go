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
	// RequestsPerSecond is what one Pod is to have.
	RequestsPerSecond float64
}

// Autoscaler scales the version's Deployment by the requests that its Pods count.
func (v Version) Autoscaler(namespace string, s Scale) *autoscalingv2.HorizontalPodAutoscaler {
	window := int32(ScaleDownWindow)
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: v.meta(namespace, v.ID, v.Labels()),
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
				ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window},
			},
		},
	}
}
