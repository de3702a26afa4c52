package operator_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// TestWithoutRollbackACandidateKeepsWhatItHas, and what speaks against it is told.
func TestWithoutRollbackACandidateKeepsWhatItHas(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.failing["v2"] = 0.5 })
	s.canary("v2", time.Minute, func(how *suokev1.ModelVersionSpec) { how.RollbackEnabled = new(false) })
	s.want("v2")
	status := s.untilModel("v2 to be held against", condition(suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonRollbackDisabled))
	if status.StableVersion != "v1" || len(status.Traffic) != 2 || status.Traffic[1] != (suokev1.TrafficShare{Version: "v2", Weight: 20}) {
		t.Errorf("it has %s", describe(status))
	}
	s.patchVersion("canary-v2", func(how *suokev1.ModelVersionSpec) { how.RollbackEnabled = new(true) })
	s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
}

// TestARefusedVersionServesOnceNoEvaluationIsAskedFor: its bad result, which is known, does not count then. Until it has
// weight nothing describes how it is released.
func TestARefusedVersionServesOnceNoEvaluationIsAskedFor(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.evaluated["v2"] = worse })
	s.want("v2")
	s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	if v := s.versionOf("v2"); v != nil {
		t.Errorf("ModelVersion %s was made for a version without weight", v.Name)
	}
	s.edit(func(m *suokev1.AIModel) { m.Spec.Validation.Enabled = new(false) })
	status := s.untilModel("v2 to serve", serving("v2"))
	if c := meta.FindStatusCondition(status.Conditions, suokev1.ConditionValidated); c == nil || c.Status != metav1.ConditionFalse || c.Reason != suokev1.ReasonDisabled {
		t.Errorf("Validated is %+v", c)
	}
	s.until("the history to say so", func() (bool, string) {
		v := s.versionOf("v2")
		if v == nil || len(v.Status.PromotionHistory) == 0 {
			return false, "no history"
		}
		last := v.Status.PromotionHistory[len(v.Status.PromotionHistory)-1].Reason
		return strings.Contains(last, "no evaluation stands behind it, as validation.enabled is false"), last
	})
}

// versionOf is the ModelVersion that describes a version, or nil.
func (s *system) versionOf(version string) *suokev1.ModelVersion {
	s.t.Helper()
	var list suokev1.ModelVersionList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	for i := range list.Items {
		if list.Items[i].Spec.Version == version {
			return &list.Items[i]
		}
	}
	return nil
}

// TestAVersionOfWhichNothingIsLeftIsTold: what serves cannot be made again once nothing says how.
func TestAVersionOfWhichNothingIsLeftIsTold(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.evaluated["v2"] = worse })
	s.want("v2")
	s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	s.untilOnlyV1Runs()
	s.stop()
	id := s.deployment("v1").Name
	named := metav1.ObjectMeta{Name: id, Namespace: s.namespace}
	for _, object := range []client.Object{&appsv1.ControllerRevision{ObjectMeta: named}, &appsv1.Deployment{ObjectMeta: named}} {
		if err := s.client.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	s.start()
	status := s.untilModel("it to be told", func(status suokev1.AIModelStatus) bool {
		return slices.ContainsFunc(status.Conditions, func(c metav1.Condition) bool { return c.Reason == suokev1.ReasonRevisionMissing })
	})
	if said := describe(status); !strings.Contains(said, "the ControllerRevision "+id+" and its Deployment were deleted") || !strings.Contains(said, "release another") {
		t.Errorf("it says %s", said)
	}
}
