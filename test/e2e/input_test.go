package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// answersBadInput applies what cannot work and waits for the condition that says so, and for its event. Nothing of it
// may have become ready, and what served before still serves.
func answersBadInput(t *testing.T, s *system) {
	s.pushBroken(t)
	const registryURL = "oci://model-registry.suoke-life.svc:5000/models/"
	for _, c := range []struct {
		name      string
		change    func(*suokev1.AIModelSpec)
		condition string
		reason    string
		says      string
	}{
		{
			"a truncated model", func(spec *suokev1.AIModelSpec) {
				spec.Repository.URL, spec.Version = registryURL+"broken", "truncated"
			}, suokev1.ConditionProgressing, suokev1.ReasonPodFailing, "model.onnx",
		},
		{
			"a wrong digest", func(spec *suokev1.AIModelSpec) {
				spec.Repository.Digest = "sha256:" + strings.Repeat("0", 64)
			}, suokev1.ConditionProgressing, suokev1.ReasonDigestMismatch, "sha256:0000",
		},
		{
			"a version that nobody pushed", func(spec *suokev1.AIModelSpec) {
				spec.Version = "v9.9.9"
			}, suokev1.ConditionProgressing, suokev1.ReasonArtifactNotFound, "v9.9.9",
		},
		{
			"a registry that is not there", func(spec *suokev1.AIModelSpec) {
				spec.Repository.URL = "oci://nowhere.suoke-life.svc:5000/models/xiaoai-digits"
			}, suokev1.ConditionProgressing, suokev1.ReasonRegistryUnreachable, "nowhere.suoke-life.svc:5000",
		},
		{
			"a source that is not supported", func(spec *suokev1.AIModelSpec) {
				spec.Repository.URL = "https://huggingface.co/someone/something"
			}, suokev1.ConditionAccepted, suokev1.ReasonSourceNotSupported, "oci://",
		},
		{
			"an agent that nobody knows", func(spec *suokev1.AIModelSpec) {
				spec.AgentType = "dake"
			}, suokev1.ConditionAccepted, suokev1.ReasonUnknownAgent, "xiaoai",
		},
		{
			"a model with no GPU to run on", func(spec *suokev1.AIModelSpec) {
				one := suokev1.ResourceAmounts{"nvidia.com/gpu": resource.MustParse("1")}
				spec.Deployment.Resources.Requests, spec.Deployment.Resources.Limits = one, one
			}, suokev1.ConditionProgressing, suokev1.ReasonUnschedulable, "nvidia.com/gpu",
		},
		{
			"a data set with a missing column", func(spec *suokev1.AIModelSpec) {
				spec.Validation.TestDataset = "no-label"
			}, suokev1.ConditionValidated, suokev1.ReasonEvaluationError, "label",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			model := badModel(strings.ToLower(strings.ReplaceAll(c.name, " ", "-")))
			c.change(&model.Spec)
			s.create(t, model)
			t.Cleanup(func() {
				if err := s.client.Delete(context.WithoutCancel(t.Context()), model); err != nil {
					t.Error(err)
				}
			})
			s.awaitCondition(t, model.Name, c.condition, c.reason, c.says)
			s.awaitEvent(t, model.Name, c.reason)
			var seen suokev1.AIModel
			s.get(t, model.Name, &seen)
			if seen.Status.Phase == suokev1.ModelReady || seen.Status.StableVersion != "" {
				t.Errorf("%s is %s and serves %q", model.Name, seen.Status.Phase, seen.Status.StableVersion)
			}
		})
	}
	refusesByAdmission(t, s)
	flow := s.ask(t, map[string]float64{"xiaoai": 10, "xiaoke": 5})
	settle(t, 5*time.Second)
	flow.stop()
}

// refusesByAdmission offers objects that the API server must refuse, each with a sentence that says what to write.
func refusesByAdmission(t *testing.T, s *system) {
	half := badModel("half-a-gpu")
	half.Spec.Deployment.Resources.Limits = suokev1.ResourceAmounts{"nvidia.com/gpu": resource.MustParse("0.5")}
	twenty := badModel("twenty-replicas")
	twenty.Spec.Deployment.Replicas = 20
	for object, says := range map[client.Object]string{half: "GPUs are whole, request = limit", twenty: "less than or equal to 10"} {
		err := s.client.Create(t.Context(), object)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: the API server answered %v, not %q", object.GetName(), err, says)
		}
	}
}

// pushBroken publishes a truncated model and a data set without a label.
func (s *system) pushBroken(t *testing.T) {
	t.Helper()
	whole := filepath.Join(s.root, "build", "models", "xiaoai-digits", "v2.1.0")
	graph, err := os.ReadFile(filepath.Join(whole, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	about, err := os.ReadFile(filepath.Join(whole, "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile(filepath.Join(s.root, "build", "datasets", "xiaoai-digits", "xiaoai-digits.csv"))
	if err != nil {
		t.Fatal(err)
	}
	header, rest, _ := bytes.Cut(rows, []byte("\n"))
	unlabelled := append(bytes.Replace(header, []byte("label"), []byte("digit"), 1), append([]byte("\n"), rest...)...)
	for reference, files := range map[string]map[string][]byte{
		"models/broken:truncated":  {"model.onnx": graph[:len(graph)/2], "model.json": about},
		"datasets/no-label:latest": {"rows.csv": unlabelled},
	} {
		dir := t.TempDir()
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.run(t, "bin/suoke", "model", "push", dir, reference, "--registry", registry)
	}
}

// badModel is a model that would work, until something about it is changed.
func badModel(name string) *suokev1.AIModel {
	return &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: suokev1.AIModelSpec{
			ModelName: "digits", Version: "v2.1.0", AgentType: "xiaoai",
			ModelType: suokev1.ModelTypeClassification, Framework: suokev1.FrameworkONNX,
			Repository: suokev1.Repository{URL: "oci://model-registry.suoke-life.svc:5000/models/xiaoai-digits"},
			Validation: suokev1.Validation{TestDataset: "xiaoai-digits", Metrics: suokev1.Thresholds{}},
			Deployment: suokev1.Deployment{Replicas: 1, Resources: suokev1.Resources{
				Requests: suokev1.ResourceAmounts{"cpu": resource.MustParse("20m"), "memory": resource.MustParse("64Mi")},
			}},
		},
	}
}

func (s *system) awaitCondition(t *testing.T, name, conditionType, reason, says string) {
	t.Helper()
	eventually(t, 3*time.Minute, func(context.Context) string {
		var model suokev1.AIModel
		s.get(t, name, &model)
		condition := meta.FindStatusCondition(model.Status.Conditions, conditionType)
		if condition != nil && condition.Reason == reason && strings.Contains(condition.Message, says) {
			return ""
		}
		return fmt.Sprintf("%s has no condition %s with reason %s that says %q: %+v", name, conditionType, reason, says, model.Status.Conditions)
	})
}

func (s *system) awaitEvent(t *testing.T, name, reason string) {
	t.Helper()
	eventually(t, 30*time.Second, func(ctx context.Context) string {
		var events corev1.EventList
		if err := s.client.List(ctx, &events, client.InNamespace(namespace), client.MatchingFields{"involvedObject.name": name}); err != nil {
			return err.Error()
		}
		for _, event := range events.Items {
			if event.Reason == reason {
				return ""
			}
		}
		return fmt.Sprintf("no event of %s has reason %s", name, reason)
	})
}
