package view_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/view"
)

// now is the instant of every test here.
func now() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

// canary is a release in its second step, without failures.
func canary() view.Seen {
	accuracy := 0.975
	model := suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: "xiaoai-llm-model", Generation: 7},
		Spec: suokev1.AIModelSpec{
			Version: "v2.2.0", AgentType: "xiaoai", Deployment: suokev1.Deployment{Replicas: 2, Strategy: suokev1.StrategyCanary},
		},
		Status: suokev1.AIModelStatus{
			Phase: suokev1.ModelDeploying, StableVersion: "v2.1.0", CandidateVersion: "v2.2.0", ObservedGeneration: 7,
			Traffic: []suokev1.TrafficShare{{Version: "v2.1.0", Weight: 80}, {Version: "v2.2.0", Weight: 20}},
			ValidationResults: &suokev1.ValidationResults{
				Passed: true, Version: "v2.2.0", Rows: 360, Metrics: suokev1.Measurements{Accuracy: &accuracy},
				Intervals: map[string]suokev1.Interval{"accuracy": {Low: 0.953, High: 0.988}},
			},
			Conditions: []metav1.Condition{
				{Type: suokev1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: suokev1.ReasonAccepted},
				{
					Type: suokev1.ConditionProgressing, Status: metav1.ConditionTrue, Reason: suokev1.ReasonStepHolding,
					Message: "v2.2.0 holds 20 % of the traffic until 2026-11-24T12:08:30Z",
				},
			},
		},
	}
	stable := version("v2.1.0", suokev1.VersionProduction, 80, 1,
		suokev1.Transition{FromPhase: suokev1.VersionDraft, ToPhase: suokev1.VersionTesting, Timestamp: before(97 * time.Hour), Reason: "Starting: v2.1.0 is wanted"},
		suokev1.Transition{FromPhase: suokev1.VersionTesting, ToPhase: suokev1.VersionProduction, Timestamp: before(96 * time.Hour), Reason: "FirstVersion: v2.1.0 has all of the traffic"})
	candidate := version("v2.2.0", suokev1.VersionCanary, 20, 2,
		suokev1.Transition{FromPhase: suokev1.VersionRollback, ToPhase: suokev1.VersionTesting, Timestamp: before(25 * time.Minute), Reason: "Starting: attempt 2 at v2.2.0 begins"},
		suokev1.Transition{FromPhase: suokev1.VersionTesting, ToPhase: suokev1.VersionCanary, Timestamp: before(20 * time.Minute), Reason: "StepHolding: v2.2.0 has 5 % of the traffic"})
	candidate.Spec.CanaryDeployment = suokev1.CanaryDeployment{Enabled: true, Steps: []suokev1.CanaryStep{
		{Weight: 5, Duration: metav1.Duration{Duration: 10 * time.Minute}},
		{Weight: 20, Duration: metav1.Duration{Duration: 10 * time.Minute}},
		{Weight: 50, Duration: metav1.Duration{Duration: 90 * time.Minute}},
	}}
	candidate.Status.StepIndex = 1
	latency, throughput := 12.34, 19.8
	candidate.Status.Metrics = &suokev1.VersionMetrics{Latency: &latency, Throughput: &throughput}
	candidate.Status.Evidence = &suokev1.Evidence{
		Verdict: "Inconclusive", Rule: "replay", FalseRollbackRate: 0.01, Score: 1.2, Threshold: 6, NoWorse: 2.3, NoWorseThreshold: 4.61,
		Message: "3 of 12000 answers failed against 8 of 48000 of stable (0.025 % against 0.0167 %): 1.2 of the 6.0 nats of evidence needed that it is worse",
		Kinds: []suokev1.KindEvidence{
			{Kind: suokev1.ReasonErrorRate, Rule: "replay", StableRequests: 48000, StableBad: 8, CandidateRequests: 12000, CandidateBad: 3, Score: 1.2, Threshold: 6},
			{Kind: suokev1.ReasonLatency, Rule: "replay", StableRequests: 48000, StableBad: 2400, CandidateRequests: 12000, CandidateBad: 590, Score: -4, Threshold: 5.99},
			{Kind: suokev1.ReasonDisagreement, Rule: "young", CandidateRequests: 400, CandidateBad: 12, Score: 0.4, Threshold: 5.99},
		},
		FirstFailure: &metav1.Time{Time: now().Add(-3 * time.Minute)},
	}
	return view.Seen{
		Model: model, Versions: []suokev1.ModelVersion{candidate, stable},
		Pods: map[string][]corev1.Pod{
			"v2.1.0": {pod("xiaoai-llm-model-v2-1-0-a1b2c3-7d9f-k8xzp", 96*time.Hour, 1, true), pod("xiaoai-llm-model-v2-1-0-a1b2c3-7d9f-q2w4m", 3*time.Hour, 0, true)},
			"v2.2.0": {pod("xiaoai-llm-model-v2-2-0-d4e5f6-5c8b-zz9pl", 24*time.Minute, 0, true), pod("xiaoai-llm-model-v2-2-0-d4e5f6-5c8b-h7j2n", 40*time.Second, 0, false)},
		},
	}
}

func before(d time.Duration) metav1.Time { return metav1.NewTime(now().Add(-d)) }

func version(name string, phase suokev1.VersionPhase, weight, attempt int32, history ...suokev1.Transition) suokev1.ModelVersion {
	return suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: "xiaoai-" + name},
		Spec:       suokev1.ModelVersionSpec{ModelRef: "xiaoai-llm-model", Version: name},
		Status:     suokev1.ModelVersionStatus{Phase: phase, Weight: weight, Attempt: attempt, PromotionHistory: history},
	}
}

func pod(name string, age time.Duration, restarts int32, ready bool) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: before(age)}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "model-server", RestartCount: restarts, Ready: ready}}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	} else {
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "fetch", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}
	return p
}

// TestWhatIsShown holds trees, sentences and histories against files: a reader checks those by eye. They are written anew
// where UPDATE_GOLDEN is set.
func TestWhatIsShown(t *testing.T) {
	for name, seen := range map[string]view.Seen{
		"canary": canary(), "returned": returned(), "awaiting_promotion": awaitingPromotion(), "paused": paused(), "first_version": firstVersion(),
		"rolling_update": rollingUpdate(), "evaluating": evaluating(), "rollback_window": rollbackWindow(), "at_rest": atRest(),
		"not_accepted": notAccepted(), "rollback_disabled": rollbackDisabled(), "never_seen": neverSeen(),
		"back_at_a_warm_version": backAtAWarmVersion(), "going_back": goingBack(), "paused_at_rest": pausedAtRest(), "historical": historical(),
	} {
		t.Run(name, func(t *testing.T) {
			r := view.Of(seen)
			got := r.Tree(now()) + "\n" + r.Explain("suoke rollout", now()).String() + "\n" + view.Table(r.History(), now())
			file := filepath.Join("testdata", name+".txt")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func TestAListHasALineForEachModel(t *testing.T) {
	other := atRest()
	other.Model.Name = "laoke-llm-model"
	var releases []view.Release
	for _, seen := range []view.Seen{canary(), paused(), firstVersion(), returned(), other} {
		seen.Versions = append(seen.Versions, version("v9", suokev1.VersionCanary, 100, 1)) // of xiaoai-llm-model
		releases = append(releases, view.Of(seen))
	}
	want := `MODEL             WANTED  SERVES  CANDIDATE    PHASE              REASON
xiaoai-llm-model  v2.2.0  v2.1.0  v2.2.0 20 %  Deploying          StepHolding: v2.2.0 holds 20 % of the traffic until 2026-11-24T12:08:30Z (in 8m)
xiaoai-llm-model  v2.2.0  v2.1.0  v2.2.0 20 %  Deploying, paused  Paused: spec.paused is true, so v2.2.0 stays at 20 %
xiaoai-llm-model  v2.1.0  -       v2.1.0 0 %   Downloading        Unschedulable: 0/3 nodes are available: 3 Insufficient memory
xiaoai-llm-model  v2.2.0  v2.1.0  -            Ready              ErrorRate: v2.2.0 was refused: 61 of 310 answers failed against 0 of 1240 of stable
laoke-llm-model   v2.1.0  v2.1.0  -            Ready              Promoted: v2.1.0 has all of the traffic
`
	if diff := cmp.Diff(want, view.List(releases, now())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := view.Of(other).Versions; len(got) != 1 {
		t.Errorf("of laoke-llm-model %v are shown, want v2.1.0 only", got)
	}
}

func TestAsJSONNothingDependsOnTheTimeItIsLookedAt(t *testing.T) {
	text, err := json.Marshal(view.Of(canary()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"model":"xiaoai-llm-model"`, `"candidate":"v2.2.0"`, `"reason":"StepHolding"`, `"weight":80`, `"step":2,"steps":4`, `"verdict":"Inconclusive"`,
		`{"name":"xiaoai-llm-model-v2-1-0-a1b2c3-7d9f-k8xzp","ready":true,"state":"ready","since":"2026-11-20T12:00:00Z","restarts":1}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}

// TestAPauseIsToldWhateverElseIs, as nothing that is released while it lasts begins.
func TestAPauseIsToldWhateverElseIs(t *testing.T) {
	for name, seen := range map[string]view.Seen{
		"what is wanted serves": atRest(), "another is wanted": wantsAnother(), "it was refused": returned(), "its spec cannot be honoured": notAccepted(),
		"the rollback window is open": rollbackWindow(), "nothing was seen yet": neverSeen(),
	} {
		t.Run(name, func(t *testing.T) {
			for _, paused := range []bool{false, true} {
				seen.Model.Spec.Paused = paused
				told := view.Of(seen).Explain("kubectl suoke rollout", now())
				if says := strings.Contains(told.Next, "The model is paused: `kubectl suoke rollout resume xiaoai-llm-model` lets a release begin."); says != paused || told.Paused != paused {
					t.Errorf("paused: %v; as JSON: %v; next: %s", paused, told.Paused, told.Next)
				}
				if paused && strings.Contains(told.Next, "Write another spec.version") {
					t.Errorf("offered while paused: %s", told.Next)
				}
			}
		})
	}
}

func TestAStepIsNeverBeyondTheLast(t *testing.T) {
	seen := canary()
	seen.Versions[0].Status.StepIndex = 7 // the plan was longer
	candidate := view.Of(seen).Versions[1]
	if candidate.Step != 4 || candidate.Steps != 4 {
		t.Errorf("step %d of %d, want 4 of 4", candidate.Step, candidate.Steps)
	}
	if stable := view.Of(seen).Versions[0]; stable.Step != 0 || stable.Steps != 0 {
		t.Errorf("what serves is in step %d of %d", stable.Step, stable.Steps)
	}
}

func TestPodsSayWhatTheyWaitFor(t *testing.T) {
	waiting := func(reason string) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}}
	}
	deleted := before(time.Second)
	for want, p := range map[string]corev1.Pod{
		"starting":         {Status: waiting("PodInitializing")},
		"CrashLoopBackOff": {Status: waiting("CrashLoopBackOff")},
		"not scheduled":    {Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse}}}},
		"finishing":        {ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &deleted}, Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}},
		"fetch is running": {Status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{Name: "fetch", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}},
	} {
		seen := canary()
		seen.Pods = map[string][]corev1.Pod{"v2.1.0": {p}}
		if got := view.Of(seen).Versions[0].Pods[0]; got.State != want || got.Ready {
			t.Errorf("got %q, ready %v, want %q", got.State, got.Ready, want)
		}
	}
}

func TestTheRollbackWindowEnds(t *testing.T) {
	seen := rollbackWindow()
	r := view.Of(seen)
	if want := now().Add(11 * time.Minute); !r.WindowEnds(now()).Equal(want) {
		t.Errorf("ends at %s, want %s", r.WindowEnds(now()), want)
	}
	if ends := r.WindowEnds(now().Add(11 * time.Minute)); !ends.IsZero() {
		t.Errorf("lasts at its end until %s", ends)
	}
	if r.Previous() != "v2.1.0" {
		t.Errorf("%q served before, want v2.1.0", r.Previous())
	}
	if first := view.Of(atRest()); !first.WindowEnds(now().Add(-96*time.Hour)).IsZero() || first.Previous() != "" {
		t.Error("a first version can be taken back")
	}
}

func TestOfModelVersionsOfOneVersionTheOperatorChooses(t *testing.T) {
	of := func(name string, status metav1.ConditionStatus, reason string) suokev1.ModelVersion {
		v := version("v2.2.0", suokev1.VersionDraft, 0, 0)
		v.Name = name
		meta.SetStatusCondition(&v.Status.Conditions, metav1.Condition{Type: suokev1.ConditionAccepted, Status: status, Reason: reason})
		return v
	}
	accepted, invalid := of("accepted", metav1.ConditionTrue, suokev1.ReasonAccepted), of("invalid", metav1.ConditionFalse, suokev1.ReasonInvalid)
	duplicate, unseen, deleted := of("duplicate", metav1.ConditionFalse, suokev1.ReasonDuplicate), version("v2.2.0", "", 0, 0), *accepted.DeepCopy()
	unseen.Name, deleted.Name, deleted.DeletionTimestamp = "unseen", "deleted", &metav1.Time{Time: now()}
	for sentence, c := range map[string]struct {
		versions []suokev1.ModelVersion
		want     string
	}{
		"the one that is accepted":                {[]suokev1.ModelVersion{duplicate, accepted}, "accepted"},
		"one that is refused for something else":  {[]suokev1.ModelVersion{invalid, duplicate}, "invalid"},
		"one that the operator has not looked at": {[]suokev1.ModelVersion{duplicate, unseen}, "unseen"},
		"none that is being deleted":              {[]suokev1.ModelVersion{deleted, duplicate}, "duplicate"},
	} {
		if got := view.Describing(c.versions, "xiaoai-llm-model", "v2.2.0"); got == nil || got.Name != c.want {
			t.Errorf("%s: got %v, want %s", sentence, got, c.want)
		}
	}
	if got := view.Describing([]suokev1.ModelVersion{accepted}, "laoke-llm-model", "v2.2.0"); got != nil {
		t.Errorf("%s describes a version of another model", got.Name)
	}
}

// The releases that are shown.

func condition(seen *view.Seen, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&seen.Model.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message})
}

func returned() view.Seen {
	seen := canary()
	seen.Model.Status.Phase, seen.Model.Status.CandidateVersion = suokev1.ModelReady, ""
	seen.Model.Status.Traffic = []suokev1.TrafficShare{{Version: "v2.1.0", Weight: 100}}
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonErrorRate, "61 of 310 answers failed against 0 of 1240 of stable")
	condition(&seen, suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate, "v2.2.0 was refused: 61 of 310 answers failed against 0 of 1240 of stable")
	candidate := &seen.Versions[0].Status
	candidate.Phase, candidate.Weight, seen.Versions[1].Status.Weight = suokev1.VersionRollback, 0, 100
	candidate.PromotionHistory = append(candidate.PromotionHistory, suokev1.Transition{
		FromPhase: suokev1.VersionCanary, ToPhase: suokev1.VersionRollback, Timestamp: before(90 * time.Second),
		Reason: "ErrorRate: 61 of 310 answers failed against 0 of 1240 of stable",
	})
	candidate.Evidence = &suokev1.Evidence{
		Verdict: "Fail", Reason: suokev1.ReasonErrorRate, Rule: "young", FalseRollbackRate: 0.01, Score: 22.4, Threshold: 20, NoWorse: -30, NoWorseThreshold: 4.61,
		Message: "61 of 310 answers failed against 0 of 1240 of stable (19.7 % against 0 %): 22.4 nats of evidence that it is worse, and 20.0 were needed",
		Kinds:   []suokev1.KindEvidence{{Kind: suokev1.ReasonErrorRate, StableRequests: 1240, CandidateRequests: 310, CandidateBad: 61, Score: 22.4, Threshold: 20}},
	}
	seen.Pods["v2.2.0"] = nil
	return seen
}

func awaitingPromotion() view.Seen {
	seen := canary()
	candidate := &seen.Versions[0].Status
	candidate.Weight, candidate.StepIndex, seen.Versions[1].Status.Weight = 50, 3, 50
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonAwaitingPromotion,
		"v2.2.0 holds 50 % of the traffic and has done its time; run `suoke rollout promote xiaoai-llm-model` to give it the rest")
	return seen
}

func paused() view.Seen {
	seen := canary()
	seen.Model.Spec.Paused = true
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonPaused, "spec.paused is true, so v2.2.0 stays at 20 %")
	return seen
}

func firstVersion() view.Seen {
	seen := canary()
	seen.Model.Spec.Version = "v2.1.0"
	status := &seen.Model.Status
	status.Phase, status.StableVersion, status.CandidateVersion, status.Traffic, status.ValidationResults = suokev1.ModelDownloading, "", "v2.1.0", nil, nil
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonUnschedulable, "0/3 nodes are available: 3 Insufficient memory")
	seen.Versions = nil
	p := pod("xiaoai-llm-model-v2-1-0-a1b2c3-7d9f-k8xzp", 3*time.Minute, 0, false)
	p.Status = corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse}}}
	seen.Pods = map[string][]corev1.Pod{"v2.1.0": {p}}
	return seen
}

// rollingUpdate is one of a model that an autoscaler has given four Pods.
func rollingUpdate() view.Seen {
	seen := canary()
	seen.Model.Spec.Deployment.Strategy, seen.Model.Spec.Deployment.Replicas = suokev1.StrategyRollingUpdate, 2
	seen.Model.Status.DeploymentStatus = &suokev1.DeploymentStatus{RequiredReplicas: 4}
	seen.Versions[0].Spec.CanaryDeployment = suokev1.CanaryDeployment{}
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonScalingUp, "v2.2.0 has 1 of the 2 ready Pods that 50 % of the traffic needs")
	return seen
}

func evaluating() view.Seen {
	seen := canary()
	seen.Model.Status.Phase, seen.Model.Status.ValidationResults = suokev1.ModelValidating, nil
	seen.Versions[0].Status = suokev1.ModelVersionStatus{Phase: suokev1.VersionTesting, Attempt: 1}
	seen.Versions[1].Status.Weight = 100
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonEvaluating, "v2.2.0 is being evaluated")
	return seen
}

func rollbackWindow() view.Seen {
	seen := canary()
	status := &seen.Model.Status
	status.Phase, status.StableVersion, status.CandidateVersion = suokev1.ModelReady, "v2.2.0", ""
	status.Traffic = []suokev1.TrafficShare{{Version: "v2.2.0", Weight: 100}}
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonPromoted, "v2.2.0 has all of the traffic; v2.1.0 is kept warm until 2026-11-24T12:11:00Z")
	status.RollbackUntil = new(metav1.NewTime(now().Add(11 * time.Minute)))
	promoted, superseded := &seen.Versions[0], &seen.Versions[1]
	promoted.Status.Phase, promoted.Status.Weight = suokev1.VersionProduction, 100
	promoted.Status.PromotionHistory = append(promoted.Status.PromotionHistory, suokev1.Transition{
		FromPhase: suokev1.VersionCanary, ToPhase: suokev1.VersionProduction, Timestamp: before(4 * time.Minute), Reason: "Promoted: v2.2.0 has all of the traffic",
	})
	superseded.Status.Phase, superseded.Status.Weight = suokev1.VersionDeprecated, 0
	superseded.Status.PromotionHistory = append(superseded.Status.PromotionHistory, suokev1.Transition{
		FromPhase: suokev1.VersionProduction, ToPhase: suokev1.VersionDeprecated, Timestamp: before(4 * time.Minute), Reason: "Superseded: v2.2.0 has all of the traffic",
	})
	return seen
}

// historical is the rollback window of a version that is held against what the one before it did.
func historical() view.Seen {
	seen := rollbackWindow()
	seen.Versions[0].Status.Evidence = &suokev1.Evidence{
		Verdict: "Inconclusive", Rule: analysis.Historical, FalseRollbackRate: 0.01, Score: 0.4, Threshold: 5.99, NoWorse: 1.1, NoWorseThreshold: 4.61, StableVersion: "v2.1.0",
		Message: "2 of 900 answers failed against 9 of 54000 of stable in the quarter of an hour before (0.222 % against 0.0167 %): 0.4 of the 6.0 nats of evidence needed that it is worse",
		Kinds: []suokev1.KindEvidence{
			{Kind: suokev1.ReasonErrorRate, Rule: analysis.Historical, StableRequests: 54000, StableBad: 9, CandidateRequests: 900, CandidateBad: 2, Score: 0.4, Threshold: 5.99},
		},
	}
	return seen
}

// backAtAWarmVersion went back to v2.1.0 three minutes after v2.2.0 was promoted.
func backAtAWarmVersion() view.Seen {
	seen := rollbackWindow()
	seen.Model.Spec.Version, seen.Model.Status.StableVersion = "v2.1.0", "v2.1.0"
	seen.Model.Status.Traffic[0].Version, seen.Model.Status.RollbackUntil = "v2.1.0", nil
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonPromoted, "v2.1.0 has all of the traffic; v2.2.0 is kept warm until 2026-11-24T12:09:00Z")
	left, again := &seen.Versions[0], &seen.Versions[1]
	left.Status.Phase, left.Status.Weight = suokev1.VersionDeprecated, 0
	left.Status.PromotionHistory = append(left.Status.PromotionHistory, suokev1.Transition{
		FromPhase: suokev1.VersionProduction, ToPhase: suokev1.VersionDeprecated, Timestamp: before(time.Minute), Reason: "Superseded: v2.1.0 has all of the traffic",
	})
	again.Status.Phase, again.Status.Weight = suokev1.VersionProduction, 100
	again.Status.PromotionHistory = append(again.Status.PromotionHistory,
		suokev1.Transition{FromPhase: suokev1.VersionDeprecated, ToPhase: suokev1.VersionTesting, Timestamp: before(2 * time.Minute), Reason: "Starting: v2.1.0 is wanted"},
		suokev1.Transition{FromPhase: suokev1.VersionTesting, ToPhase: suokev1.VersionProduction, Timestamp: before(time.Minute), Reason: "Promoted: v2.1.0 has all of the traffic"})
	return seen
}

// goingBack is a rolling update that ended badly: stable has given Pods away, and has not got them all back.
func goingBack() view.Seen {
	seen := rollingUpdate()
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonErrorRate,
		"the last 20 % go back to v2.1.0 as its Pods return: 61 of 310 answers failed against 0 of 1240 of stable")
	candidate := &seen.Versions[0].Status
	candidate.Phase = suokev1.VersionRollback
	candidate.PromotionHistory = append(candidate.PromotionHistory, suokev1.Transition{
		FromPhase: suokev1.VersionCanary, ToPhase: suokev1.VersionRollback, Timestamp: before(30 * time.Second),
		Reason: "ErrorRate: 61 of 310 answers failed against 0 of 1240 of stable",
	})
	return seen
}

func atRest() view.Seen {
	seen := canary()
	seen.Model.Spec.Version = "v2.1.0"
	status := &seen.Model.Status
	status.Phase, status.CandidateVersion, status.ValidationResults = suokev1.ModelReady, "", nil
	status.Traffic = []suokev1.TrafficShare{{Version: "v2.1.0", Weight: 100}}
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonPromoted, "v2.1.0 has all of the traffic")
	seen.Versions = seen.Versions[1:]
	seen.Versions[0].Status.Weight = 100
	delete(seen.Pods, "v2.2.0")
	return seen
}

func pausedAtRest() view.Seen {
	seen := atRest()
	seen.Model.Spec.Paused = true
	return seen
}

func wantsAnother() view.Seen {
	seen := atRest()
	seen.Model.Spec.Version = "v2.3.0"
	return seen
}

func notAccepted() view.Seen {
	seen := atRest()
	seen.Model.Spec.Version = "v2.3.0"
	condition(&seen, suokev1.ConditionAccepted, metav1.ConditionFalse, suokev1.ReasonInvalid,
		"validation.testDataset: write the name of a data set in the registry, or set validation.enabled: false to serve unproved")
	return seen
}

func rollbackDisabled() view.Seen {
	seen := canary()
	condition(&seen, suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonRollbackDisabled,
		"rollbackEnabled is false, so v2.2.0 keeps its weight although: 61 of 310 answers failed against 0 of 1240 of stable")
	return seen
}

func neverSeen() view.Seen {
	return view.Seen{Model: suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: "xiaoai-llm-model", Generation: 1},
		Spec:       suokev1.AIModelSpec{Version: "v1", AgentType: "xiaoai"},
	}}
}

func TestAnEvaluationOfALanguageModelIsToldInBitsPerByte(t *testing.T) {
	seen := canary()
	bits := 0.8765
	seen.Model.Status.ValidationResults.Metrics = suokev1.Measurements{BitsPerByte: &bits}
	seen.Model.Status.ValidationResults.Intervals = map[string]suokev1.Interval{"bitsPerByte": {Low: 0.85, High: 0.9}}
	said := view.Of(seen).Explain("suoke rollout", now()).Evidence
	if want := "v2.2.0 passed its evaluation on 360 rows: bits per byte 0.8765 (95 % interval 0.85 to 0.9)."; !strings.Contains(said, want) {
		t.Errorf("it says %q; want %q in it", said, want)
	}
	seen.Model.Status.ValidationResults.Texts = 340
	said = view.Of(seen).Explain("suoke rollout", now()).Evidence
	if want := "v2.2.0 passed its evaluation on 20 labelled prompts and 340 texts: bits per byte 0.8765"; !strings.Contains(said, want) {
		t.Errorf("it says %q; want %q in it", said, want)
	}
}
