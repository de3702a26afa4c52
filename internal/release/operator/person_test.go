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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/operator"
)

// act is what a person asks of an attempt at v2.
func (s *system) act(kind suokev1.ActionType, attempt int32) {
	s.t.Helper()
	s.patchVersion("canary-v2", func(how *suokev1.ModelVersionSpec) { how.Action = &suokev1.Action{Type: kind, Attempt: attempt} })
}

func atCanary(status suokev1.AIModelStatus) bool {
	return status.CandidateVersion == "v2" && len(status.Traffic) == 2
}

func TestAPersonAbortsRetriesAndPromotes(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour, func(how *suokev1.ModelVersionSpec) { how.BlueGreen.ScaleDownDelay.Duration = time.Hour })
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	s.act(suokev1.ActionAbort, 1)
	status := s.untilModel("v2 to be aborted", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonAborted))
	if status.StableVersion != "v1" {
		t.Errorf("after the abort: %s", describe(status))
	}
	s.untilEvent("canary-v2", suokev1.ReasonAborted)
	s.act(suokev1.ActionRetry, 1)
	s.until("the second attempt at v2", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Attempt == 2 && v.Status.Phase == suokev1.VersionCanary, text(v.Status)
	})
	s.act(suokev1.ActionPromote, 2)
	promoted := s.untilModel("v2 to serve", serving("v2"))
	if until := promoted.RollbackUntil; until == nil || !until.After(time.Now().Add(50*time.Minute)) || until.After(time.Now().Add(time.Hour)) {
		t.Errorf("v2 can be taken back for an hour; says the status: until %s", until)
	}
	s.untouched() // although the status says until when
	s.act(suokev1.ActionRetry, 2)
	s.until("the wrong action to be told", func() (bool, string) {
		v := s.readVersion("canary-v2")
		c := meta.FindStatusCondition(v.Status.Conditions, suokev1.ConditionAccepted)
		return c.Status == metav1.ConditionFalse && c.Reason == suokev1.ReasonInvalid && strings.Contains(c.Message, "nothing to retry") &&
			v.Status.Phase == suokev1.VersionProduction && v.Status.Attempt == 2 && story(v) == "Testing Canary Rollback Testing Canary Production", text(v.Status)
	})
	s.untilEvent("canary-v2", suokev1.ReasonInvalid)
	// The rollback window lasts: it can still be taken back.
	s.act(suokev1.ActionAbort, 2)
	if status := s.untilModel("v1 to serve again", serving("v1")); status.RollbackUntil != nil {
		t.Errorf("v1 was gone back to; says the status: it can be taken back until %s", status.RollbackUntil)
	}
}

func TestAPauseHoldsARelease(t *testing.T) {
	s := served(t)
	pause := func(yes bool) { s.edit(func(m *suokev1.AIModel) { m.Spec.Paused = yes }) }
	s.canary("v2", time.Hour)
	pause(true)
	s.want("v2")
	status := s.untilModel("the pause", condition(suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonPaused))
	if status.Phase != suokev1.ModelReady || !strings.Contains(status.Message, "suoke rollout resume "+modelName) {
		t.Errorf("in the pause: %s", describe(status))
	}
	s.untilEvent(modelName, suokev1.ReasonPaused)
	s.until("the pause in the ModelVersion", func() (bool, string) {
		v := s.readVersion("canary-v2")
		c := meta.FindStatusCondition(v.Status.Conditions, suokev1.ConditionProgressing)
		return c != nil && c.Reason == suokev1.ReasonPaused && v.Status.Phase == suokev1.VersionDraft, text(v.Status)
	})
	pause(false)
	s.untilModel("a canary of v2", atCanary)
	pause(true)
	s.untilModel("the pause at 20 %", condition(suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonPaused))
	s.act(suokev1.ActionPromote, 1)
	s.untilModel("the promotion to wait", func(status suokev1.AIModelStatus) bool {
		return strings.Contains(status.Message, "is promoted after the pause")
	})
	s.untouchedRoute()
	pause(false)
	s.untilModel("v2 to serve", serving("v2"))
}

// untouchedRoute fails if the split changes while the operator looks again and again.
func (s *system) untouchedRoute() {
	s.t.Helper()
	revision, asked := s.route().Revision, 0
	s.get(func(k *cluster) { asked = k.reports })
	s.until("the operator to look again and again", func() (bool, string) {
		now := 0
		s.get(func(k *cluster) { now = k.reports })
		return now >= asked+5, strconv.Itoa(now - asked)
	})
	if r := s.route(); r.Revision != revision {
		s.t.Errorf("revision %d became %+v", revision, r)
	}
}

func TestWhatFailsAfterItsPromotionIsTakenBack(t *testing.T) {
	s := served(t)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Strategy = suokev1.StrategyBlueGreen })
	s.set(func(k *cluster) { k.failing["v2"] = 0.5 })
	s.until("enough of v1 to compare with", func() (bool, string) {
		seconds := 0
		s.get(func(k *cluster) { seconds = len(k.counted[modelName]) })
		return seconds >= 8, strconv.Itoa(seconds)
	})
	s.want("v2")
	status := s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
	if status.StableVersion != "v1" {
		t.Errorf("after the rollback: %s", describe(status))
	}
	s.untilModel("all traffic on v1", serving("v1"))
	s.until("the story in the ModelVersions", func() (bool, string) {
		var list suokev1.ModelVersionList
		if err := s.client.List(t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
			t.Fatal(err)
		}
		stories := map[string]string{}
		for i := range list.Items {
			stories[list.Items[i].Spec.Version] = story(&list.Items[i])
		}
		return stories["v1"] == "Testing Production Deprecated Production" && stories["v2"] == "Testing Production Rollback", fmt.Sprint(stories)
	})
	s.untilOnlyV1Runs()
}

func TestARetryEvaluatesAgainWhatItsEvaluationRefused(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.evaluated["v2"] = worse })
	s.canary("v2", time.Second)
	s.want("v2")
	s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	s.set(func(k *cluster) { k.evaluated["v2"] = passes })
	s.until("the ModelVersion to tell", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Attempt == 1 && v.Status.Phase == suokev1.VersionRollback, text(v.Status)
	})
	s.act(suokev1.ActionRetry, 1)
	s.untilModel("v2 to serve", serving("v2"))
	if v := s.readVersion("canary-v2"); v.Status.Attempt != 2 {
		t.Errorf("attempt %d", v.Status.Attempt)
	}
}

// deployment of a version.
func (s *system) deployment(version string) (of appsv1.Deployment) {
	s.t.Helper()
	var list appsv1.DeploymentList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	s.get(func(k *cluster) {
		for _, d := range list.Items {
			if k.versions[d.Name] == version {
				of = d
			}
		}
	})
	return of
}

func TestARouteDeletedInMidReleaseLeavesTrafficOnStable(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour)
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	before, stable := s.route(), s.deployment("v1").UID
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: modelName + "-route", Namespace: s.namespace}}
	if err := s.client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	s.until("a second attempt at v2", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Attempt == 2 && story(v) == "Testing Canary Rollback Testing Canary", text(v.Status)
	})
	after := s.route()
	if after.Revision <= before.Revision || after.Stable != before.Stable || s.deployment("v1").UID != stable {
		t.Errorf("route %+v, then %+v", before, after)
	}
	status := s.untilModel("a canary of v2 again", atCanary)
	if status.StableVersion != "v1" {
		t.Errorf("%s", describe(status))
	}
	s.get(func(k *cluster) {
		for _, second := range k.counted[modelName] {
			if k.versions[second.ID] == "v2" && second.Requests > 20 {
				t.Errorf("v2 was asked more than its share: %+v", second)
			}
		}
	})
}

func TestDeploymentsDeletedInMidReleaseComeBack(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour)
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	before := s.route()
	for _, version := range []string{"v2", "v1"} {
		uid := s.deployment(version).UID
		id := before.Candidate
		if version == "v1" {
			id = before.Stable
		}
		if err := s.client.Delete(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: id, Namespace: s.namespace}}); err != nil {
			t.Fatal(err)
		}
		s.until(version+" to run again", func() (bool, string) {
			now := s.deployment(version).UID
			return now != "" && now != uid, string(now)
		})
	}
	s.untilModel("ready Pods of both", func(status suokev1.AIModelStatus) bool {
		return atCanary(status) && status.DeploymentStatus.ReadyReplicas == 2
	})
	if after := s.route(); after.Revision != before.Revision {
		t.Errorf("route %+v, then %+v", before, after)
	}
}

func TestAModelVersionDeletedInMidReleaseLeavesTheSplit(t *testing.T) {
	s := served(t)
	v := s.canary("v2", time.Hour)
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	before := s.route()
	if err := s.client.Delete(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	s.until("a generated one in its place", func() (bool, string) {
		var list suokev1.ModelVersionList
		if err := s.client.List(t.Context(), &list, client.InNamespace(s.namespace), client.MatchingLabels{operator.LabelGenerated: "true"}); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list.Items, func(v suokev1.ModelVersion) bool {
			return v.Spec.Version == "v2" && v.Status.Phase == suokev1.VersionCanary && v.Status.Weight == 20
		}), text(list.Items)
	})
	if after := s.route(); after.Revision != before.Revision {
		t.Errorf("route %+v, then %+v", before, after)
	}
}

func TestATemplateChangedInMidReleaseBeginsAnew(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour)
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	before := s.route()
	s.edit(func(m *suokev1.AIModel) { m.Spec.Monitoring.MetricsPort = 9090 })
	s.until("a canary with the other template", func() (bool, string) {
		r := s.route()
		return r.Stable == before.Stable && r.Candidate != "" && r.Candidate != before.Candidate, text(r)
	})
	s.until("both attempts in the history", func() (bool, string) {
		v := s.readVersion("canary-v2")
		return v.Status.Attempt == 2 && story(v) == "Testing Canary Rollback Testing Canary", text(v.Status)
	})
}

func TestThresholdRaisedInMidReleaseTakesTheCanaryBack(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour)
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Validation.Metrics.Accuracy = new(0.99) })
	s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	s.untilModel("v1 to serve", serving("v1"))
}

func TestACanaryIsShadowed(t *testing.T) {
	s := served(t)
	s.canary("v2", time.Hour, func(how *suokev1.ModelVersionSpec) { how.CanaryDeployment.ShadowPercentage = 50 })
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas = 5 })
	s.want("v2")
	s.untilModel("a canary of v2", atCanary)
	r := s.route()
	if candidate, _ := r.Version(r.Candidate); candidate.ShadowPercentage != 50 {
		t.Errorf("route %+v", r)
	}
	// 20 % and half of the rest are 60 %: three of five Pods.
	s.untilModel("Pods for both", func(status suokev1.AIModelStatus) bool { return status.DeploymentStatus.ReadyReplicas == 5+3 })
}

func TestNamesOfFullLength(t *testing.T) {
	s := newSystem(t)
	for _, version := range []string{"v1", "v2"} {
		s.registry.hold("models/digits:" + version)
	}
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"] = passes, passes })
	name := strings.Repeat("m", 247)
	m := &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace},
		Spec: suokev1.AIModelSpec{
			ModelName: "digits", Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification,
			Repository: suokev1.Repository{URL: "oci://" + registryHost + "/models/digits"},
			Validation: suokev1.Validation{TestDataset: "digits", Metrics: suokev1.Thresholds{Accuracy: new(0.9)}},
		},
	}
	if err := s.client.Create(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	longest := strings.Repeat("v", 253)
	v := &suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: longest, Namespace: s.namespace},
		Spec: suokev1.ModelVersionSpec{
			ModelRef: name, Version: "v2", AutoPromotion: suokev1.AutoPromotion{Enabled: true},
			CanaryDeployment: suokev1.CanaryDeployment{Enabled: true, TrafficPercentage: 20, Duration: metav1.Duration{Duration: time.Second}},
		},
	}
	if err := s.client.Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	read := func() *suokev1.AIModel {
		var now suokev1.AIModel
		if err := s.client.Get(t.Context(), client.ObjectKeyFromObject(m), &now); err != nil {
			t.Fatal(err)
		}
		return &now
	}
	s.until("v1 to serve", func() (bool, string) { now := read(); return serving("v1")(now.Status), describe(now.Status) })
	now := read()
	before := now.DeepCopy()
	now.Spec.Version = "v2"
	if err := s.client.Patch(t.Context(), now, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	s.until("v2 to serve", func() (bool, string) { now := read(); return serving("v2")(now.Status), describe(now.Status) })
	s.until("the story", func() (bool, string) {
		v := s.readVersion(longest)
		return story(v) == "Testing Canary Production", text(v.Status)
	})
	for _, object := range []string{name, longest} {
		s.untilEvent(object, suokev1.ReasonPromoted)
	}
}
