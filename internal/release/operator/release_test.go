package operator_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// served brings a model to its first version.
func served(t *testing.T) *system {
	t.Helper()
	s := newSystem(t)
	for _, version := range []string{"v1", "v2", "v3"} {
		s.registry.hold("models/digits:" + version)
	}
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"] = passes, passes })
	s.model(nil)
	s.untilModel("v1 to serve", serving("v1"))
	return s
}

func TestFirstVersionIsEvaluatedAndGetsAllTraffic(t *testing.T) {
	s := served(t)
	m := s.read()
	if r := m.Status.ValidationResults; r == nil || !r.Passed || r.ModelDigest != digest("/digits:v1") {
		t.Errorf("validation results %+v", r)
	}
	if a := m.Status.Artifact; a == nil || a.Digest != digest("/digits:v1") || a.Reference != registryHost+"/models/digits@"+a.Digest {
		t.Errorf("artifact %+v", a)
	}
	for kind, value := range map[string]metav1.ConditionStatus{
		suokev1.ConditionAccepted: metav1.ConditionTrue, suokev1.ConditionValidated: metav1.ConditionTrue,
		suokev1.ConditionReady: metav1.ConditionTrue, suokev1.ConditionProgressing: metav1.ConditionFalse,
	} {
		if c := meta.FindStatusCondition(m.Status.Conditions, kind); c == nil || c.Status != value {
			t.Errorf("condition %s is %+v, want %s", kind, c, value)
		}
	}
	s.until("a generated ModelVersion in Production", func() (bool, string) {
		var list suokev1.ModelVersionList
		if err := s.client.List(t.Context(), &list, client.InNamespace(s.namespace), client.MatchingLabels{operator.LabelGenerated: "true"}); err != nil {
			t.Fatal(err)
		}
		return len(list.Items) == 1 && list.Items[0].Status.Phase == suokev1.VersionProduction && list.Items[0].Status.Weight == 100 &&
			metav1.IsControlledBy(&list.Items[0], m), text(list.Items)
	})
	s.untilEvent(modelName, suokev1.ReasonEvaluationPassed)
	s.untouched()
}

// untouched waits until the operator writes nothing while nothing happens.
func (s *system) untouched() {
	s.t.Helper()
	s.until("the operator to rest", func() (bool, string) {
		before := s.versionsOfEverything()
		time.Sleep(2500 * time.Millisecond) // more than two reads of the routers' reports
		after := s.versionsOfEverything()
		return before == after, before + "then\n" + after
	})
}

func (s *system) versionsOfEverything() string {
	s.t.Helper()
	all := ""
	for _, list := range []client.ObjectList{
		&suokev1.AIModelList{}, &suokev1.ModelVersionList{}, &appsv1.DeploymentList{}, &appsv1.ControllerRevisionList{},
		&corev1.ServiceList{}, &corev1.ConfigMapList{},
	} {
		if err := s.client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			s.t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(o object) error {
			a, err := meta.Accessor(o)
			if err == nil {
				all += a.GetName() + " " + a.GetResourceVersion() + "\n"
			}
			return err
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	return all
}

func TestCanaryIsPromoted(t *testing.T) {
	s := served(t)
	s.canary("v2", 3*time.Second)
	s.want("v2")
	s.untilModel("a canary at 20 %", func(status suokev1.AIModelStatus) bool {
		return status.CandidateVersion == "v2" && len(status.Traffic) == 2 && status.Traffic[1] == suokev1.TrafficShare{Version: "v2", Weight: 20}
	})
	s.untilModel("v2 to serve", serving("v2"))
	s.until("the story in the history", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return story(v) == "Testing Canary Production" && v.Status.Metrics != nil && v.Status.Metrics.Throughput != nil &&
			v.Status.Evidence != nil && v.Status.Evidence.CandidateRequests > 0, text(v.Status)
	})
	s.untilEvent("canary-v2", suokev1.ReasonPromoted)
}

func story(v *suokev1.ModelVersion) string {
	var words []string
	for _, h := range v.Status.PromotionHistory {
		words = append(words, string(h.ToPhase))
	}
	return strings.Join(words, " ")
}

func TestWorseVersionIsRefusedAndGetsNoTraffic(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.evaluated["v2"] = worse })
	s.canary("v2", time.Minute)
	s.want("v2")
	status := s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	if !serving("v1")(status) {
		t.Errorf("after the refusal: %s", describe(status))
	}
	s.until("v2 in phase Rollback", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Phase == suokev1.VersionRollback && v.Status.Weight == 0, text(v.Status)
	})
	s.untilEvent(modelName, suokev1.ReasonEvaluationFailed)
	s.get(func(k *cluster) {
		for _, second := range k.counted[modelName] {
			if k.versions[second.ID] == "v2" {
				t.Errorf("v2 was asked: %+v", second)
			}
		}
	})
	s.untilOnlyV1Runs()
}

// untilOnlyV1Runs waits until Deployments of v1 alone are left.
func (s *system) untilOnlyV1Runs() {
	s.t.Helper()
	s.until("only v1 to run", func() (bool, string) {
		runs := s.runs()
		return slices.Equal(runs, []string{"v1"}), fmt.Sprint(runs)
	})
}

// runs are the versions that have a Deployment, in the order of their names.
func (s *system) runs() []string {
	s.t.Helper()
	var list appsv1.DeploymentList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	var versions []string
	s.get(func(k *cluster) {
		for _, d := range list.Items {
			versions = append(versions, k.versions[d.Name])
		}
	})
	slices.Sort(versions)
	return versions
}

func TestRefusedVersionIsTriedAgainWhenSpecChanges(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.evaluated["v2"] = worse })
	s.want("v2")
	s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	s.edit(func(m *suokev1.AIModel) { m.Spec.Validation.Metrics.Accuracy = new(0.75) })
	s.untilModel("v2 to serve by the lower threshold", serving("v2"))
}

func TestFailingCanaryIsRolledBack(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.failing["v2"] = 0.5 })
	s.canary("v2", time.Minute)
	s.want("v2")
	status := s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
	if status.StableVersion != "v1" {
		t.Errorf("after the rollback: %s", describe(status))
	}
	s.untilModel("all traffic on v1", serving("v1"))
	s.until("the evidence", func() (bool, string) {
		v := s.readVersion("canary-v2")
		e := v.Status.Evidence
		return story(v) == "Testing Canary Rollback" && e != nil && e.CandidateFailures > 0 && e.FirstFailure != nil && e.Verdict == "Fail", text(v.Status)
	})
	s.untilEvent("canary-v2", suokev1.ReasonErrorRate)
	s.untilOnlyV1Runs()
}

func TestNewerWantedVersionAbortsTheCandidate(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.evaluated["v3"] = passes })
	s.canary("v2", time.Hour)
	s.canary("v3", 2*time.Second)
	s.want("v2")
	s.untilModel("a canary of v2", func(status suokev1.AIModelStatus) bool { return len(status.Traffic) == 2 })
	s.want("v3")
	s.untilModel("v3 to serve", serving("v3"))
	s.until("v2 to be aborted", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Phase == suokev1.VersionRollback && v.Status.Weight == 0, text(v.Status)
	})
}

func TestStatusWipedInMidReleaseIsRebuilt(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour)
	s.want("v2")
	atCanary := func(status suokev1.AIModelStatus) bool {
		return status.StableVersion == "v1" && status.CandidateVersion == "v2" && len(status.Traffic) == 2
	}
	s.untilModel("a canary of v2", atCanary)
	m := s.read()
	m.Status = suokev1.AIModelStatus{}
	v := s.readVersion("canary-v2")
	v.Status = suokev1.ModelVersionStatus{}
	for _, o := range []client.Object{m, v} {
		if err := s.client.Status().Update(t.Context(), o); err != nil && !apierrors.IsConflict(err) {
			t.Fatal(err)
		}
	}
	s.untilModel("the status again", atCanary)
	s.until("the ModelVersion's status again", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Phase == suokev1.VersionCanary && v.Status.Weight == 20 && story(v) == "Testing Canary", text(v.Status)
	})
}

func TestOperatorRestartedInMidReleaseGoesOn(t *testing.T) {
	s := served(t)
	s.canary("v2", 4*time.Second)
	s.want("v2")
	s.untilModel("a canary of v2", func(status suokev1.AIModelStatus) bool { return len(status.Traffic) == 2 })
	s.stop()
	before := s.route()
	s.start()
	s.untilModel("v2 to serve", serving("v2"))
	if before.Revision >= s.route().Revision {
		t.Errorf("revision %d, then %d", before.Revision, s.route().Revision)
	}
	if v := s.readVersion("canary-v2"); story(v) != "Testing Canary Production" {
		t.Errorf("history %s", text(v.Status))
	}
}

func TestOldVersionDrainsAlsoUnderANewOperator(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.inFlight = map[string]int{"v1": 3} })
	s.want("v2")
	s.untilModel("v2 to serve while v1 drains", func(status suokev1.AIModelStatus) bool {
		return serving("v2")(status) && condition(suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonDraining)(status)
	})
	s.stop()
	asked := 0
	s.get(func(k *cluster) { asked = k.reports })
	s.start()
	s.until("the new operator to ask the router", func() (bool, string) {
		now := 0
		s.get(func(k *cluster) { now = k.reports })
		return now >= asked+3, strconv.Itoa(now - asked)
	})
	if runs := s.runs(); !slices.Equal(runs, []string{"v1", "v2"}) {
		t.Errorf("with requests to v1 in flight, what runs is %v", runs)
	}
	s.set(func(k *cluster) { k.inFlight = nil })
	s.until("v1 to go", func() (bool, string) {
		runs := s.runs()
		return slices.Equal(runs, []string{"v2"}), fmt.Sprint(runs)
	})
}

func (s *system) route() route.Route {
	s.t.Helper()
	var object corev1.ConfigMap
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: modelName + "-route"}, &object); err != nil {
		s.t.Fatal(err)
	}
	r, err := route.Parse([]byte(object.Data[route.Key]))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestTemplateChangeIsANewVersionThatIsNotEvaluatedAgain(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { delete(k.evaluated, "v1") }) // a further evaluation would not end
	before := s.route().Stable
	s.edit(func(m *suokev1.AIModel) { m.Spec.Monitoring.MetricsPort = 9090 })
	s.until("another version to be stable", func() (bool, string) {
		r := s.route()
		return r.Stable != before && len(r.Versions) == 1 && r.Versions[0].Port == 9090, text(r)
	})
	s.untilModel("v1 to serve", serving("v1"))
}

func TestDeletedModelVersionPodsFollowReplicas(t *testing.T) {
	s := served(t)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas = 3 })
	s.untilModel("three replicas in place", func(status suokev1.AIModelStatus) bool {
		return status.DeploymentStatus != nil && status.DeploymentStatus.ReadyReplicas == 3
	})
}
