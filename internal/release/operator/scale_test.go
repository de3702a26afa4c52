package operator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// autoscaled is a model that served with so many Pods before an autoscaler had the say.
func autoscaled(t *testing.T, replicas int32) *system {
	t.Helper()
	s := served(t)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas = replicas })
	s.untilPods(map[string]int32{"v1": replicas})
	s.stop()
	s.ahead = rollout.AutoscalerLag // who has the traffic is long known
	s.start()
	s.edit(func(m *suokev1.AIModel) {
		m.Spec.Deployment.Replicas = 1
		m.Spec.Deployment.Autoscaling = &suokev1.Autoscaling{MaxReplicas: 8, TargetRequestsPerSecond: 20}
	})
	s.untilBounds(map[string]string{"v1": "1 to 8 by 20"})
	return s
}

// untilPods waits until Deployments ask for so many Pods.
func (s *system) untilPods(want map[string]int32) {
	s.t.Helper()
	s.until(fmt.Sprint("Pods ", want), func() (bool, string) {
		got := map[string]int32{}
		for version, d := range s.deployments() {
			got[version] = *d.Spec.Replicas
		}
		return fmt.Sprint(got) == fmt.Sprint(want), fmt.Sprint(got)
	})
}

func (s *system) deployments() map[string]appsv1.Deployment {
	s.t.Helper()
	var list appsv1.DeploymentList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	all := map[string]appsv1.Deployment{}
	s.get(func(k *cluster) {
		for _, d := range list.Items {
			all[k.versions[d.Name]] = d
		}
	})
	return all
}

// untilBounds waits until there are autoscalers with these bounds.
func (s *system) untilBounds(want map[string]string) {
	s.t.Helper()
	s.until(fmt.Sprint("autoscalers ", want), func() (bool, string) {
		var list autoscalingv2.HorizontalPodAutoscalerList
		if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
			s.t.Fatal(err)
		}
		got := map[string]string{}
		s.get(func(k *cluster) {
			for _, a := range list.Items {
				by := a.Spec.Metrics[0].Pods
				if by.Metric.Name != profile.ModelMetric {
					s.t.Fatalf("%s is scaled by %s", a.Name, by.Metric.Name)
				}
				got[k.versions[a.Spec.ScaleTargetRef.Name]] = fmt.Sprintf("%d to %d by %s", *a.Spec.MinReplicas, a.Spec.MaxReplicas, by.Target.AverageValue)
			}
		})
		return fmt.Sprint(got) == fmt.Sprint(want), fmt.Sprint(got)
	})
}

// The operator ceases to write replicas and takes nothing away by that; and takes them back when the autoscaler goes.
func TestReplicasHaveOneAuthority(t *testing.T) {
	s := autoscaled(t, 3)
	s.untilPods(map[string]int32{"v1": 3})
	for _, f := range s.deployments()["v1"].ManagedFields {
		if f.Manager == operator.FieldManager && strings.Contains(f.FieldsV1.GetRawString(), `"f:replicas"`) {
			t.Errorf("the operator owns what the autoscaler is to write: %s", f.FieldsV1.GetRawString())
		}
	}
	for _, needed := range []int32{6, 2} {
		s.set(func(k *cluster) { k.needed["v1"] = needed })
		s.untilPods(map[string]int32{"v1": needed})
		s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Autoscaling.MaxReplicas++ }) // so that the operator has looked
		s.untilBounds(map[string]string{"v1": fmt.Sprintf("1 to %d by 20", s.read().Spec.Deployment.Autoscaling.MaxReplicas)})
		s.untilPods(map[string]int32{"v1": needed})
	}
	s.untouched()
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas, m.Spec.Deployment.Autoscaling = 4, nil })
	s.untilBounds(map[string]string{})
	s.untilPods(map[string]int32{"v1": 4})
	s.untilModel("v1 to serve", serving("v1"))
}

// In a release stable keeps what it had, although its own part needs fewer; the candidate has what its weight needs of that.
func TestAReleaseBoundsWhatAutoscalersTake(t *testing.T) {
	s := autoscaled(t, 1)
	s.canary("v2", time.Hour)
	s.set(func(k *cluster) { k.needed["v1"], k.needed["v2"] = 5, 1 })
	s.untilPods(map[string]int32{"v1": 5})
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	s.set(func(k *cluster) { k.needed["v1"] = 4 })
	s.untilBounds(map[string]string{"v1": "5 to 8 by 20", "v2": "1 to 8 by 20"})
	s.untilPods(map[string]int32{"v1": 5, "v2": 1})

	s.set(func(k *cluster) { k.needed["v1"] = 7 }) // more people come
	s.untilBounds(map[string]string{"v1": "7 to 8 by 20", "v2": "2 to 8 by 20"})
	s.set(func(k *cluster) { k.needed["v1"] = 1 })
	s.untilPods(map[string]int32{"v1": 7, "v2": 2})

	s.want("v1")
	s.untilModel("all traffic on v1", serving("v1"))
	// Its autoscaler does not know yet what comes back.
	s.untilBounds(map[string]string{"v1": "7 to 8 by 20"})
	s.untilPods(map[string]int32{"v1": 7})
}

// An autoscaler that somebody deletes or edits is made again.
func TestAutoscalersAreKept(t *testing.T) {
	s := autoscaled(t, 1)
	one := func(change func(*autoscalingv2.HorizontalPodAutoscaler) error) {
		t.Helper()
		var list autoscalingv2.HorizontalPodAutoscalerList
		if err := s.client.List(t.Context(), &list, client.InNamespace(s.namespace)); err != nil || len(list.Items) != 1 {
			t.Fatalf("%d autoscalers, %v", len(list.Items), err)
		}
		if !metav1.IsControlledBy(&list.Items[0], s.read()) {
			t.Errorf("its owners are %+v", list.Items[0].OwnerReferences)
		}
		if err := change(&list.Items[0]); err != nil {
			t.Fatal(err)
		}
	}
	one(func(a *autoscalingv2.HorizontalPodAutoscaler) error { return s.client.Delete(t.Context(), a) })
	s.untilBounds(map[string]string{"v1": "1 to 8 by 20"})
	one(func(a *autoscalingv2.HorizontalPodAutoscaler) error {
		a.Spec.MaxReplicas, a.Spec.Behavior.ScaleDown.StabilizationWindowSeconds = 50, new(int32(0))
		return s.client.Update(t.Context(), a)
	})
	s.untilBounds(map[string]string{"v1": "1 to 8 by 20"})
	one(func(a *autoscalingv2.HorizontalPodAutoscaler) error {
		if window := *a.Spec.Behavior.ScaleDown.StabilizationWindowSeconds; window != manifest.ScaleDownWindow {
			t.Errorf("it holds what it found for %d s", window)
		}
		if counter := a.Annotations[profile.AnnotationRequestsCounter]; counter != "suoke_model_requests_total" {
			t.Errorf("it goes by %q", counter)
		}
		a.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{
			Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "FailedGetPodsMetric", Message: "no metrics",
		}}
		return s.client.Status().Update(t.Context(), a)
	})
	s.untilModel("that it is not scaled", func(status suokev1.AIModelStatus) bool {
		c := meta.FindStatusCondition(status.DeploymentStatus.Conditions, string(autoscalingv2.ScalingActive))
		return c != nil && c.Reason == "FailedGetPodsMetric"
	})
}

// An autoscaler does nothing for a Deployment of no Pods, so one that somebody scaled to none gets what it must have.
func TestADeploymentOfNoPodsGetsTheLeast(t *testing.T) {
	s := autoscaled(t, 2)
	s.set(func(k *cluster) { k.idle = true })
	d := s.deployments()["v1"]
	none := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: s.namespace}}
	if err := s.client.SubResource("scale").Update(t.Context(), &d, client.WithSubResourceBody(none)); err != nil {
		t.Fatal(err)
	}
	s.untilPods(map[string]int32{"v1": 1})
}

// What cannot be honoured is not half honoured: replicas stay the operator's.
func TestAutoscalingThatIsRefusedIsNotBegun(t *testing.T) {
	s := served(t)
	s.edit(func(m *suokev1.AIModel) {
		m.Spec.Deployment.Replicas, m.Spec.Monitoring.Enabled = 2, new(false)
		m.Spec.Deployment.Autoscaling = &suokev1.Autoscaling{MaxReplicas: 8, TargetRequestsPerSecond: 20}
	})
	s.untilModel("Accepted=False", condition(suokev1.ConditionAccepted, metav1.ConditionFalse, suokev1.ReasonInvalid))
	s.untilPods(map[string]int32{"v1": 2})
	s.untilBounds(map[string]string{})
	if by := s.deployments()["v1"].Annotations["suoke.life/scaled-by"]; by != "" {
		t.Errorf("it is scaled by %s", by)
	}
}

// What the engine waits for is longer than what autoscalers remember.
func TestAutoscalersForgetInTime(t *testing.T) {
	if remembered := manifest.ScaleDownWindow * time.Second; rollout.AutoscalerLag <= remembered {
		t.Errorf("a release counts on autoscalers after %s, and they hold what they found for %s", rollout.AutoscalerLag, remembered)
	}
}

func TestAutoscalingThatCannotBeHonouredSaysWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*suokev1.AIModel, *operator.Surroundings)
		want   string
	}{
		"all that it takes": {func(*suokev1.AIModel, *operator.Surroundings) {}, "every field can be honoured"},
		"more at least than at most": {func(m *suokev1.AIModel, _ *operator.Surroundings) {
			m.Spec.Deployment.Replicas = 9
		}, "maxReplicas: write at least deployment.replicas"},
		"no target": {func(m *suokev1.AIModel, _ *operator.Surroundings) {
			m.Spec.Deployment.Autoscaling.TargetRequestsPerSecond = 0
		}, "targetRequestsPerSecond: write how many requests"},
		"an old cluster": {func(_ *suokev1.AIModel, around *operator.Surroundings) {
			around.Autoscaling = false
		}, "no autoscaling/v2, which Kubernetes has since 1.23"},
		"no metrics": {func(m *suokev1.AIModel, _ *operator.Surroundings) {
			m.Spec.Monitoring.Enabled = new(false)
		}, "set monitoring.enabled: true"},
		"a server that does not count": {func(_ *suokev1.AIModel, around *operator.Surroundings) {
			around.Runtimes.Runtimes[0].RequestsCounter = ""
		}, "runtime onnxruntime has no requestsCounter"},
	} {
		t.Run(name, func(t *testing.T) {
			around := acceptable(t)
			m := &suokev1.AIModel{Spec: suokev1.AIModelSpec{
				Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification, Framework: suokev1.FrameworkONNX,
				Repository: suokev1.Repository{URL: "oci://r/models/m"}, Monitoring: suokev1.Monitoring{HealthCheckPath: "/health"},
				Validation: suokev1.Validation{TestDataset: "d"},
				Deployment: suokev1.Deployment{Autoscaling: &suokev1.Autoscaling{MaxReplicas: 8, TargetRequestsPerSecond: 20}},
			}}
			c.change(m, &around)
			if v := operator.AcceptModel(m, around); !strings.Contains(v.Message, c.want) {
				t.Errorf("%+v, want %s", v, c.want)
			}
		})
	}
}
