package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/release/operator"
)

// tellsTheStory runs the demo: 0 failed requests, a promotion, a refusal, a rollback within five seconds, a scale-up.
func tellsTheStory(t *testing.T, s *system) {
	report := decode[demo.Report](t, s.run(t, "bin/suoke", "demo", "-o", "json", "--address", edge))
	for _, row := range report.Rows {
		t.Logf("%-36s %-50s %s", row.Chapter, row.What, row.Value)
		if !row.Good {
			t.Errorf("%s: %s: %s", row.Chapter, row.What, row.Value)
		}
	}
	if len(report.Rows) == 0 {
		t.Error("the demo told nothing")
	}
}

// rollsAndSwitches releases a better soer model by its rolling update and a better xiaoke model by its blue-green switch,
// under traffic. Nobody described these releases, so the operator makes their ModelVersions.
func rollsAndSwitches(t *testing.T, s *system) {
	flow := s.ask(t, map[string]float64{"soer": 10, "xiaoke": 10})
	defer flow.stop()
	better := map[string]string{"soer-wellness-recommender": "v1.4.0", "xiaoke-health-analysis": "v1.6.0"}
	for model, version := range better {
		s.want(t, model, version)
	}
	for model, version := range better {
		eventually(t, 3*time.Minute, func(ctx context.Context) string {
			var object suokev1.AIModel
			s.get(t, model, &object)
			if object.Status.StableVersion != version || object.Status.Phase != suokev1.ModelReady {
				return fmt.Sprintf("%s is %s at %s: %s", model, object.Status.Phase, object.Status.StableVersion, object.Status.Message)
			}
			var made suokev1.ModelVersionList
			if err := s.client.List(ctx, &made, client.InNamespace(namespace), client.MatchingLabels{operator.LabelGenerated: "true"}); err != nil {
				return err.Error()
			}
			for _, v := range made.Items {
				if v.Spec.ModelRef == model && v.Spec.Version == version && v.Status.Phase == suokev1.VersionProduction {
					return ""
				}
			}
			return fmt.Sprintf("no generated ModelVersion of %s %s is in Production", model, version)
		})
	}
}

// survivesOperator releases a better laoke model as a canary and deletes the operator's Pod while it holds its weight.
func survivesOperator(t *testing.T, s *system) {
	const name, model, version = "laoke-v3-1-0", "laoke-tcm-diagnosis", "v3.1.0"
	s.create(t, canary(name, model, version, 30*time.Second))
	s.want(t, model, version)
	s.awaitPhase(t, name, suokev1.VersionCanary)
	flow := s.ask(t, map[string]float64{"laoke": 10})
	defer flow.stop()
	s.run(t, "kubectl", "delete", "pod", "-n", namespace, "-l", "app.kubernetes.io/name=suoke-operator", "--grace-period=0", "--force")
	s.awaitPhase(t, name, suokev1.VersionProduction)
}

// survivesRegistry deletes the registry's Pod and asks for one more replica: the new Pod waits for its model and comes up.
func survivesRegistry(t *testing.T, s *system) {
	const name = "laoke-tcm-diagnosis"
	s.run(t, "kubectl", "scale", "deployment/model-registry", "-n", namespace, "--replicas=0")
	t.Cleanup(func() {
		s.run(t, "kubectl", "scale", "deployment/model-registry", "-n", namespace, "--replicas=1")
	})
	eventually(t, time.Minute, func(ctx context.Context) string { // a registry that drains still answers
		if left := s.pods(ctx, t, client.MatchingLabels{"app.kubernetes.io/name": "model-registry"}); len(left) > 0 {
			return "the registry is not gone"
		}
		return ""
	})
	want := s.edit(t, name, func(spec *suokev1.AIModelSpec) { spec.Deployment.Replicas++ }).Spec.Deployment.Replicas
	eventually(t, time.Minute, func(ctx context.Context) string {
		for _, pod := range s.pods(ctx, t, client.MatchingLabels{"suoke.life/model": name}) {
			for _, status := range pod.Status.InitContainerStatuses {
				if status.State.Running != nil {
					return ""
				}
			}
		}
		return "no Pod waits for its model"
	})
	s.run(t, "kubectl", "scale", "deployment/model-registry", "-n", namespace, "--replicas=1")
	eventually(t, 3*time.Minute, func(ctx context.Context) string {
		var deployments appsv1.DeploymentList
		if err := s.client.List(ctx, &deployments, client.InNamespace(namespace), client.MatchingLabels{"suoke.life/model": name}); err != nil {
			return err.Error()
		}
		for _, deployment := range deployments.Items {
			if deployment.Status.ReadyReplicas == want {
				return ""
			}
		}
		return fmt.Sprintf("no Deployment of %s has %d ready replicas", name, want)
	})
}

// canary is a ModelVersion that promotes itself after holding 20 % for a while.
func canary(name, model, version string, hold time.Duration) *suokev1.ModelVersion {
	return &suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: suokev1.ModelVersionSpec{
			ModelRef: model, Version: version,
			CanaryDeployment: suokev1.CanaryDeployment{Enabled: true, TrafficPercentage: 20, Duration: metav1.Duration{Duration: hold}},
			AutoPromotion:    suokev1.AutoPromotion{Enabled: true},
		},
	}
}

func (s *system) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := s.client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func (s *system) want(t *testing.T, name, version string) {
	t.Helper()
	s.edit(t, name, func(spec *suokev1.AIModelSpec) { spec.Version = version })
}

// edit changes what a model asks for, and returns it as it is then.
func (s *system) edit(t *testing.T, name string, change func(*suokev1.AIModelSpec)) suokev1.AIModel {
	t.Helper()
	var model suokev1.AIModel
	s.get(t, name, &model)
	patch := client.MergeFrom(model.DeepCopy())
	change(&model.Spec)
	if err := s.client.Patch(t.Context(), &model, patch); err != nil {
		t.Fatal(err)
	}
	return model
}

func (s *system) awaitPhase(t *testing.T, name string, phase suokev1.VersionPhase) {
	t.Helper()
	eventually(t, 4*time.Minute, func(ctx context.Context) string {
		var version suokev1.ModelVersion
		if err := s.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &version); err != nil {
			return err.Error()
		}
		if version.Status.Phase == phase {
			return ""
		}
		var told []string
		for _, condition := range version.Status.Conditions {
			told = append(told, condition.Type+"="+string(condition.Status)+" "+condition.Reason+": "+condition.Message)
		}
		return fmt.Sprintf("%s is %s, not %s: %s", name, version.Status.Phase, phase, strings.Join(told, "; "))
	})
}

func (s *system) pods(ctx context.Context, t *testing.T, selector client.MatchingLabels) []corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := s.client.List(ctx, &pods, client.InNamespace(namespace), selector); err != nil {
		t.Fatal(err)
	}
	return pods.Items
}
