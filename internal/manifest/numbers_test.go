package manifest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
)

// wanted is a line of the users' tables, written down a second time.
type wanted struct {
	min, max    int32
	cpu, memory int64
	metric      string
	target      int64
	down, up    []int32 // window, then value and period of each policy
	least, most [2]string
}

func wantedNumbers() map[string]wanted {
	return map[string]wanted{
		"xiaoai": {
			2, 10, 70, 80, "ai_inference_requests_per_second", 30,
			[]int32{300, 10, 60},
			[]int32{60, 50, 60, 2, 60},
			[2]string{"1", "4Gi"},
			[2]string{"8", "32Gi"},
		},
		"xiaoke": {
			2, 8, 75, 85, "health_analysis_requests_per_second", 25,
			[]int32{300, 15, 60},
			[]int32{45, 60, 60, 2, 60},
			[2]string{"500m", "2Gi"},
			[2]string{"4", "16Gi"},
		},
		"laoke": {
			1, 6, 80, 90, "tcm_diagnosis_requests_per_second", 20,
			[]int32{600, 20, 120},
			[]int32{30, 100, 60, 1, 60},
			[2]string{"1", "4Gi"},
			[2]string{"6", "24Gi"},
		},
		"soer": {
			1, 5, 70, 80, "wellness_recommendations_per_second", 15,
			[]int32{300, 25, 90},
			[]int32{60, 75, 60, 1, 60},
			[2]string{"250m", "1Gi"},
			[2]string{"2", "8Gi"},
		},
	}
}

func TestHorizontalScalingHasTheUsersNumbers(t *testing.T) {
	for size := range committed() {
		requests := map[string]corev1.ResourceList{}
		for _, d := range deployments(t, size) {
			requests[d.Name] = d.Spec.Template.Spec.Containers[0].Resources.Requests
		}
		for _, o := range kind(t, size, manifest.HPAFile, "HorizontalPodAutoscaler") {
			var hpa autoscalingv2.HorizontalPodAutoscaler
			convert(t, o, &hpa)
			agent := hpa.Labels["suoke.life/agent"]
			w := wantedNumbers()[agent]
			if hpa.Spec.ScaleTargetRef.Name != agent+"-agent" || *hpa.Spec.MinReplicas != w.min || hpa.Spec.MaxReplicas != w.max {
				t.Errorf("%s, %s: %s from %d to %d", size, agent, hpa.Spec.ScaleTargetRef.Name, *hpa.Spec.MinReplicas, hpa.Spec.MaxReplicas)
			}
			if len(hpa.Spec.Metrics) != 3 {
				t.Fatalf("%s, %s: %d metrics", size, agent, len(hpa.Spec.Metrics))
			}
			request := requests[hpa.Spec.ScaleTargetRef.Name]
			checkShare(t, size+", "+agent+" cpu", hpa.Spec.Metrics[0].Resource, request.Cpu().MilliValue(), w.cpu, 1)
			checkShare(t, size+", "+agent+" memory", hpa.Spec.Metrics[1].Resource, request.Memory().MilliValue(), w.memory, 1000)
			pods := hpa.Spec.Metrics[2].Pods
			if pods.Metric.Name != w.metric || pods.Target.AverageValue.Value() != w.target {
				t.Errorf("%s, %s: %s at %s", size, agent, pods.Metric.Name, pods.Target.AverageValue)
			}
			if diff := cmp.Diff(w.down, rules(hpa.Spec.Behavior.ScaleDown)); diff != "" {
				t.Errorf("%s, %s: scaleDown (-want +got):\n%s", size, agent, diff)
			}
			if diff := cmp.Diff(w.up, rules(hpa.Spec.Behavior.ScaleUp)); diff != "" {
				t.Errorf("%s, %s: scaleUp (-want +got):\n%s", size, agent, diff)
			}
		}
	}
}

// checkShare holds an AverageValue against percent of the request, in thousandths, within a rounding step.
func checkShare(t *testing.T, what string, metric *autoscalingv2.ResourceMetricSource, request, percent, step int64) {
	t.Helper()
	if metric == nil || metric.Target.Type != autoscalingv2.AverageValueMetricType {
		t.Fatalf("%s: no AverageValue", what)
	}
	got := metric.Target.AverageValue.MilliValue() * 100
	if off := got - request*percent; off > step*100 || off < -step*100 {
		t.Errorf("%s: %s is not %d %% of the request", what, metric.Target.AverageValue, percent)
	}
}

func rules(r *autoscalingv2.HPAScalingRules) []int32 {
	flat := []int32{*r.StabilizationWindowSeconds}
	for _, p := range r.Policies {
		flat = append(flat, p.Value, p.PeriodSeconds)
	}
	return flat
}

func TestVerticalScalingHasTheUsersNumbers(t *testing.T) {
	objects := kind(t, profile.Production, manifest.VPAFile, "VerticalPodAutoscaler")
	if len(objects) != 4 {
		t.Fatalf("%d VPAs", len(objects))
	}
	for _, o := range objects {
		agent := o.GetLabels()["suoke.life/agent"]
		w := wantedNumbers()[agent]
		want := map[string]any{
			"targetRef":    map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": agent + "-agent"},
			"updatePolicy": map[string]any{"updateMode": "Recreate", "minReplicas": int64(w.min)},
			"resourcePolicy": map[string]any{"containerPolicies": []any{
				map[string]any{
					"containerName":       "agent",
					"controlledResources": []any{"cpu", "memory"},
					"controlledValues":    "RequestsAndLimits",
					"minAllowed":          amounts(w.least),
					"maxAllowed":          amounts(w.most),
				},
				map[string]any{"containerName": "*", "mode": "Off"},
			}},
		}
		got := o.Object["spec"].(map[string]any)
		policy := got["resourcePolicy"].(map[string]any)["containerPolicies"].([]any)[0].(map[string]any)
		for _, key := range []string{"minAllowed", "maxAllowed"} {
			policy[key] = canonical(t, policy[key].(map[string]any))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", agent, diff)
		}
	}
}

func amounts(pair [2]string) map[string]any {
	return map[string]any{"cpu": pair[0], "memory": pair[1]}
}

// canonical writes quantities as Kubernetes prints them: YAML reads 1 as a number.
func canonical(t *testing.T, list map[string]any) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, value := range list {
		switch v := value.(type) {
		case string:
			q := resource.MustParse(v)
			out[name] = q.String()
		case int64:
			out[name] = resource.NewQuantity(v, resource.DecimalSI).String()
		default:
			t.Fatalf("%s: %v is a %T", name, value, value)
		}
	}
	return out
}

func TestBaseDeployment(t *testing.T) {
	for size := range committed() {
		for _, d := range deployments(t, size) {
			pod := d.Spec.Template.Spec
			if d.Labels["app.kubernetes.io/component"] == "agent" && d.Spec.Replicas != nil {
				t.Errorf("%s, %s: replicas belong to the HPA, and the file has %d", size, d.Name, *d.Spec.Replicas)
			}
			if pod.Containers[0].ReadinessProbe == nil || pod.Containers[0].LivenessProbe == nil {
				t.Errorf("%s, %s: no probes", size, d.Name)
			}
			if d.Name != "suokelife-app" {
				continue
			}
			c := pod.Containers[0]
			if *d.Spec.Replicas != 3 || c.Ports[0].ContainerPort != 3000 ||
				c.LivenessProbe.HTTPGet.Path != "/health" || c.ReadinessProbe.HTTPGet.Path != "/ready" {
				t.Errorf("%s: %d replicas, port %d, %s and %s", size, *d.Spec.Replicas, c.Ports[0].ContainerPort,
					c.LivenessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Path)
			}
		}
	}
}

// Files that users take with -n suoke-life must not hold objects of another namespace.
func TestNamespaces(t *testing.T) {
	for size := range committed() {
		for _, f := range render(t, size) {
			for _, o := range objects(t, f) {
				switch ns := o.GetNamespace(); {
				case ns == "suoke-life":
				case ns == "" && (f.Name == manifest.CRDFile || f.Name == manifest.ExamplesFile):
				case f.Name == manifest.DeploymentFile && (ns == "kube-system" || ns == ""):
				default:
					t.Errorf("%s, %s: %s %s is in namespace %q", size, f.Name, o.GetKind(), o.GetName(), ns)
				}
			}
		}
	}
}

func deployments(t *testing.T, size string) []*appsv1.Deployment {
	t.Helper()
	var all []*appsv1.Deployment
	for _, o := range kind(t, size, manifest.DeploymentFile, "Deployment") {
		var d appsv1.Deployment
		convert(t, o, &d)
		all = append(all, &d)
	}
	return all
}

func kind(t *testing.T, size, file, name string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, f := range render(t, size) {
		if f.Name != file {
			continue
		}
		for _, o := range objects(t, f) {
			if o.GetKind() == name {
				all = append(all, o)
			}
		}
	}
	return all
}

// convert decodes strictly, so that a misspelt field fails.
func convert(t *testing.T, o *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
}
