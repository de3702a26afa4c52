package crash_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	modelName = "digits"
	// replicas of a version with all of the traffic.
	replicas = 2
	// patience with a release.
	patience = 3 * time.Minute
)

// story is a whole release of v2 where v1 serves; the first version's begins with nothing.
type story struct {
	name     string
	first    bool
	strategy suokev1.Strategy
	// release of v2.
	release suokev1.ModelVersionSpec
	// evaluated is the accuracy of each version.
	evaluated map[string]float64
	// failsFrom is the weight in percent from which most requests to v2 fail; 0 is none.
	failsFrom int
	// autoscaled says that an autoscaler has the say over replicas.
	autoscaled bool
	// shortOf is how many Pods of v2 do not get ready.
	shortOf int
	// ends is what stands at the end.
	ends string
}

// tell begins the story: the cluster is as it was when v1 had been released, and v2 is wanted.
func (w *world) tell(t *testing.T, tale story) *space {
	t.Helper()
	s := w.newSpace(t, tale)
	if tale.first {
		s.create(t, s.model())
		return s
	}
	model := s.copy(t, v1Served(t))
	s.wait(t, "the Pods of v1", func() bool {
		ready := 0
		for _, pod := range all[corev1.Pod](s) {
			if versionOf(pod.Labels[manifest.LabelVersion]) == "v1" && isReady(pod) {
				ready++
			}
		}
		return ready == replicas
	})
	before := model.DeepCopy()
	model.Spec.Version = "v2"
	if err := s.Client.Patch(t.Context(), model, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	s.begun = revisionOf(model)
	return s
}

func (s *space) model() *suokev1.AIModel {
	m := &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: modelName, Namespace: s.name},
		Spec: suokev1.AIModelSpec{
			ModelName: modelName, Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification,
			Repository: suokev1.Repository{URL: "oci://" + registryHost + "/models/digits"},
			Deployment: suokev1.Deployment{Replicas: replicas, Strategy: s.story.strategy},
			Validation: suokev1.Validation{TestDataset: "digits", Metrics: suokev1.Thresholds{Accuracy: new(0.9)}},
		},
	}
	if s.story.autoscaled {
		m.Spec.Deployment.Autoscaling = &suokev1.Autoscaling{MaxReplicas: 4, TargetRequestsPerSecond: 1e6}
	}
	return m
}

func (s *space) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := s.Client.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// copy brings about what stands in another namespace, and returns the AIModel. Pods are left to the kubelet.
func (s *space) copy(t *testing.T, from []client.Object) *suokev1.AIModel {
	t.Helper()
	model := s.model()
	s.create(t, model)
	for _, o := range from {
		o, _ := o.DeepCopyObject().(client.Object)
		status, _ := o.DeepCopyObject().(client.Object)
		if of, ok := o.(*suokev1.AIModel); ok {
			status, _ = model.DeepCopyObject().(client.Object)
			status.(*suokev1.AIModel).Status = of.Status //nolint:forcetypeassert // it is a copy of one
		} else {
			o.SetNamespace(s.name)
			o.SetUID("")
			o.SetResourceVersion("")
			o.SetManagedFields(nil)
			o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(model, suokev1.GroupVersion.WithKind("AIModel"))})
			s.create(t, o)
			if v, ok := o.(*suokev1.ModelVersion); ok {
				status.(*suokev1.ModelVersion).ObjectMeta = v.ObjectMeta //nolint:forcetypeassert // it is a copy of one
			}
		}
		switch status.(type) {
		case *suokev1.AIModel, *suokev1.ModelVersion:
			if err := s.Client.Status().Update(t.Context(), status); err != nil {
				t.Fatal(err)
			}
		}
	}
	version := &suokev1.ModelVersion{ObjectMeta: metav1.ObjectMeta{Name: "v2", Namespace: s.name}, Spec: s.story.release}
	version.Spec.ModelRef, version.Spec.Version = modelName, "v2"
	s.create(t, version)
	return model
}

// outcome is all that a release leaves, but for times and what was counted.
func (s *space) outcome() string {
	var lines []string
	for _, m := range all[suokev1.AIModel](s) {
		lines = append(lines, fmt.Sprintf("model: %s, stable %q, candidate %q, traffic %v, generation %d", m.Status.Phase, m.Status.StableVersion,
			m.Status.CandidateVersion, m.Status.Traffic, m.Generation-m.Status.ObservedGeneration), "  "+conditions(m.Status.Conditions))
	}
	for _, v := range all[suokev1.ModelVersion](s) {
		words := []string{}
		for _, h := range v.Status.PromotionHistory {
			reason, _, _ := strings.Cut(h.Reason, ":")
			words = append(words, fmt.Sprintf("%s (%s)", h.ToPhase, reason))
		}
		lines = append(lines, fmt.Sprintf("%s: %s, %d %%, attempt %d, %s", v.Spec.Version, v.Status.Phase, v.Status.Weight, v.Status.Attempt, strings.Join(words, " ")),
			"  "+conditions(v.Status.Conditions))
	}
	for _, m := range all[corev1.ConfigMap](s) {
		if r, err := route.Parse([]byte(m.Data[route.Key])); err == nil && m.Labels[route.Label] != "" {
			var weights []string
			for _, v := range r.Versions {
				weights = append(weights, fmt.Sprintf("%s %d %%", v.Version, v.Weight))
			}
			lines = append(lines, fmt.Sprintf("route: stable %s, candidate %q, %s", versionOf(r.Stable), versionOf(r.Candidate), strings.Join(weights, " ")))
		}
	}
	for _, d := range all[appsv1.Deployment](s) {
		lines = append(lines, fmt.Sprintf("deployment: %s with %d replicas", versionOf(d.Name), *d.Spec.Replicas))
	}
	for name, a := range all[autoscalingv2.HorizontalPodAutoscaler](s) {
		lines = append(lines, fmt.Sprintf("autoscaler: %s, %d to %d replicas", versionOf(name), *a.Spec.MinReplicas, a.Spec.MaxReplicas))
	}
	for name := range all[corev1.Service](s) {
		lines = append(lines, "service: "+versionOf(name))
	}
	for name := range all[appsv1.ControllerRevision](s) {
		lines = append(lines, "frozen: "+versionOf(name))
	}
	for name := range all[batchv1.Job](s) {
		lines = append(lines, "job: "+name)
	}
	return arranged(lines)
}

// arranged sorts lines; one that is indented goes with the one before it.
func arranged(lines []string) string {
	var paragraphs []string
	for _, line := range lines {
		if strings.HasPrefix(line, " ") {
			paragraphs[len(paragraphs)-1] += "\n" + line
		} else {
			paragraphs = append(paragraphs, line)
		}
	}
	slices.Sort(paragraphs)
	return strings.Join(paragraphs, "\n") + "\n"
}

func conditions(all []metav1.Condition) string {
	var words []string
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Reason))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// until waits for an outcome that stays for a while, and says what stood instead.
func (s *space) until(ctx context.Context, want string, seen func(string) string) (instead string, came bool) {
	const stays = 5
	held := 0
	came = s.poll(ctx, func() bool {
		held++
		if instead = seen(s.outcome()); instead != want {
			held = 0
		}
		return held == stays
	})
	return instead, came
}

// wait waits for something to hold.
func (s *space) wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !s.poll(t.Context(), holds) {
		t.Fatalf("waited for %s; there is\n%s\nthe operator said\n%s", what, s.outcome(), &s.log)
	}
}

func (s *space) poll(ctx context.Context, holds func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-limit:
			return false
		case <-tick.C:
		}
		if holds() {
			return true
		}
	}
}
