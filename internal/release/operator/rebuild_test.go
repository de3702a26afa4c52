package operator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// forgetful is a model whose ConfigMap is gone in the middle of the release of v2, as its objects tell.
func forgetful() *observed {
	model := &suokev1.AIModel{Spec: suokev1.AIModelSpec{Version: "v2"}}
	model.Name, model.UID, model.Generation = "m", "u", 3
	model.Status = suokev1.AIModelStatus{StableVersion: "v1", CandidateVersion: "v2", ObservedGeneration: 3}
	seen := &observed{
		now: time.Unix(5000, 0).UTC(), model: model, wanted: "b",
		known: map[rollout.ID]frozen{}, deployments: map[rollout.ID]*appsv1.Deployment{}, pods: map[rollout.ID][]*corev1.Pod{},
	}
	for i, id := range []rollout.ID{"a", "b"} {
		seen.known[id] = frozen{
			Version: manifest.Version{ID: string(id), Version: []string{"v1", "v2"}[i]},
			Number:  int64(i),
		}
		seen.deployments[id] = &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32(i + 1))}}
	}
	tell := func(version string, attempt int32, history ...suokev1.Transition) {
		v := suokev1.ModelVersion{
			ObjectMeta: metav1.ObjectMeta{Name: version, OwnerReferences: []metav1.OwnerReference{owner(model)}},
			Spec:       suokev1.ModelVersionSpec{ModelRef: "m", Version: version},
			Status:     suokev1.ModelVersionStatus{Attempt: attempt, PromotionHistory: history},
		}
		seen.versions = append(seen.versions, v)
	}
	at := func(unix int64) metav1.Time { return metav1.Unix(unix, 0) }
	tell("v2", 2,
		suokev1.Transition{FromPhase: suokev1.VersionDraft, ToPhase: suokev1.VersionTesting, Timestamp: at(2000), Reason: "Starting: v2 is wanted"},
		suokev1.Transition{FromPhase: suokev1.VersionTesting, ToPhase: suokev1.VersionCanary, Timestamp: at(3000), Reason: "StepHolding: v2 has 20 % of the traffic"})
	tell("v1", 1, suokev1.Transition{FromPhase: suokev1.VersionTesting, ToPhase: suokev1.VersionProduction, Timestamp: at(1000), Reason: "FirstVersion: v1 has all"})
	return seen
}

func TestALostMemoryIsRebuiltFromWhatIsShownAndRuns(t *testing.T) {
	t.Parallel()
	seen := forgetful()
	seen.rebuild([]rollout.Router{{AppliedRevision: 7}, {AppliedRevision: 6}})
	s := seen.memory.state
	if s.Stable != "a" || s.Release != nil || s.Watch != nil || s.Revision <= 7 || len(s.Refused) > 0 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff(map[rollout.ID]int{"a": 100}, s.Weights); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"v1": 1, "v2": 2}, s.Attempts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[rollout.ID]rollout.Retiree{"b": {Until: seen.now, Replicas: 2}}, s.Retiring); diff != "" {
		t.Error(diff)
	}
	var way []string
	for _, h := range s.History {
		way = append(way, h.Version+" "+string(h.To)+" "+h.Reason)
	}
	want := []string{"v1 Production FirstVersion", "v2 Testing Starting", "v2 Canary StepHolding", "v2 Rollback Aborted"}
	if diff := cmp.Diff(want, way); diff != "" {
		t.Error(diff)
	}
	if seen.memory.ahead(seen.model.Generation) {
		t.Error("the memory is ahead of the spec that it was rebuilt from")
	}
}

func TestARebuiltMemoryHoldsARefusal(t *testing.T) {
	t.Parallel()
	refuse := func(seen *observed) {
		seen.model.Status.Conditions = []metav1.Condition{{Type: suokev1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: suokev1.ReasonErrorRate}}
		v := &seen.versions[0]
		v.Status.PromotionHistory = append(v.Status.PromotionHistory, suokev1.Transition{
			FromPhase: suokev1.VersionCanary, ToPhase: suokev1.VersionRollback, Timestamp: metav1.Unix(4000, 0), Reason: "ErrorRate: v2 fails",
		})
	}
	for name, c := range map[string]struct {
		change func(*observed)
		held   bool
	}{
		"the spec that it was refused for": {func(*observed) {}, true},
		"a later spec":                     {func(seen *observed) { seen.model.Generation++ }, false},
		"another version":                  {func(seen *observed) { seen.wanted = "a" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := forgetful()
			refuse(seen)
			c.change(seen)
			seen.rebuild(nil)
			_, held := seen.memory.state.Refused["b"]
			if held != c.held {
				t.Errorf("held against it: %v", held)
			}
			if _, still := seen.memory.forgiven(seen.wanted, seen.model).Refused["b"]; still != c.held {
				t.Errorf("held against it when it is decided: %v", still)
			}
		})
	}
}

func TestANewModelHasNothingToRebuild(t *testing.T) {
	t.Parallel()
	seen := forgetful()
	seen.model.UID, seen.model.Status = "another", suokev1.AIModelStatus{} // the ModelVersions are of one that was deleted
	seen.deployments = nil
	seen.rebuild(nil)
	if diff := cmp.Diff(rollout.State{}, seen.memory.state, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestVersionsOfALostMemoryAreLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	v := &suokev1.ModelVersion{Status: suokev1.ModelVersionStatus{Attempt: 1}}
	for name, c := range map[string]struct {
		seen *observedVersion
		want bool
	}{
		"the memory is gone":  {&observedVersion{version: v, verdict: accepted()}, true},
		"the memory is there": {&observedVersion{version: v, verdict: accepted(), memory: memory{object: &corev1.ConfigMap{}}}, false},
		"the model is gone":   {&observedVersion{version: v, verdict: refused(suokev1.ReasonModelNotFound, "x")}, false},
		"it was never begun":  {&observedVersion{version: &suokev1.ModelVersion{}, verdict: accepted()}, false},
	} {
		if got := c.seen.forgotten(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
