package operator

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

func TestStableVersionIsInProductionThoughAnotherTemplateOfItWasReturned(t *testing.T) {
	accuracy := 0.96
	seen := &observedVersion{
		version: &suokev1.ModelVersion{Spec: suokev1.ModelVersionSpec{ModelRef: "digits", Version: "v1"}},
		model: &suokev1.AIModel{Status: suokev1.AIModelStatus{
			ValidationResults: &suokev1.ValidationResults{Version: "v1", Metrics: suokev1.Measurements{Accuracy: &accuracy}},
		}},
		verdict: Verdict{Accepted: true, Reason: suokev1.ReasonAccepted},
		memory: memory{
			route: route.Route{Versions: []route.Version{{ID: "a", Version: "v1", Weight: 100}}},
			state: rollout.State{Stable: "a", History: []rollout.Transition{
				{ID: "a", Version: "v1", To: rollout.Production, Reason: rollout.ReasonFirstVersion},
				{ID: "b", Version: "v1", To: rollout.Rollback, Reason: suokev1.ReasonErrorRate},
			}},
		},
	}
	status := projectVersion(seen, time.Unix(1000, 0))
	if status.Phase != suokev1.VersionProduction {
		t.Errorf("phase %s", status.Phase)
	}
	if status.Metrics == nil || status.Metrics.Accuracy == nil || *status.Metrics.Accuracy != accuracy {
		t.Errorf("metrics %+v", status.Metrics)
	}
	seen.verdict = refused(suokev1.ReasonInvalid, "steps: write weights in rising order")
	if status := projectVersion(seen, time.Unix(1000, 0)); status.Phase != suokev1.VersionProduction || status.Weight != 100 {
		t.Errorf("with a fault in how it is released: phase %s at %d %%", status.Phase, status.Weight)
	}
	seen.verdict = accepted()
	seen.memory.route.Versions[0].Weight = 0
	if status := projectVersion(seen, time.Unix(1000, 0)); status.Phase != suokev1.VersionRollback {
		t.Errorf("without weight: phase %s", status.Phase)
	}
}

func TestUptimeBeginsAnewAfterAnInterruption(t *testing.T) {
	start := time.Unix(1000, 0)
	j := judge{Since: start, UpSince: start.Add(time.Minute), SavedAt: start.Add(90 * time.Second)}
	if up := j.metrics().Uptime; up == nil || *up != (metav1.Duration{Duration: 30 * time.Second}) {
		t.Errorf("uptime %v", up)
	}
	j.UpSince = time.Time{}
	if up := j.metrics().Uptime; up != nil {
		t.Errorf("without a ready Pod: uptime %v", up)
	}
}

func TestKeptResultComparesWithWhatIsStable(t *testing.T) {
	for name, c := range map[string]struct {
		with    *evaluate.Comparison
		retired bool
		kept    bool
	}{
		"no comparison":                     {kept: true},
		"with stable":                       {with: &evaluate.Comparison{Version: "v2"}, kept: true},
		"with an older stable version":      {with: &evaluate.Comparison{Version: "v1"}},
		"with an older one, but still warm": {with: &evaluate.Comparison{Version: "v1"}, retired: true, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			candidate := frozen{
				revision: &appsv1.ControllerRevision{},
				Version:  manifest.Version{ID: "c", Version: "v3", Digest: "sha256:3"},
				records:  []record{{Job: "c-1", Dataset: "digits", Result: &evaluate.Result{Comparison: c.with}}},
			}
			stable := frozen{revision: &appsv1.ControllerRevision{}, Version: manifest.Version{ID: "b", Version: "v2", Digest: "sha256:2"}}
			seen := &observed{known: map[rollout.ID]frozen{"c": candidate, "b": stable}, memory: memory{state: rollout.State{Stable: "b"}}}
			if c.retired {
				seen.memory.state.Retiring = map[rollout.ID]rollout.Retiree{"c": {}}
			}
			if got := seen.kept(candidate, "digits") != nil; got != c.kept {
				t.Errorf("kept: %t, want %t", got, c.kept)
			}
		})
	}
}

func TestThePhaseOfAModel(t *testing.T) {
	ready := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/component": manifest.ServerContainer}}, Status: corev1.PodStatus{
		PodIP: "10.0.0.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}}
	release := func(weight int) rollout.State {
		return rollout.State{Stable: "v1", Weights: map[rollout.ID]int{"v1": 100 - weight, "v2": weight}, Release: &rollout.Release{Candidate: "v2"}}
	}
	refused := map[rollout.ID]rollout.Refusal{"v2": {Version: "v2", Reason: rollout.ReasonEvaluationFailed}}
	for sentence, c := range map[string]struct {
		state     rollout.State
		ready     []rollout.ID
		evaluated rollout.Outcome
		rejected  bool
		want      suokev1.ModelPhase
		degraded  bool
	}{
		"no Pod of the candidate is ready":        {state: release(0), ready: []rollout.ID{"v1"}, want: suokev1.ModelDownloading},
		"one is, and is evaluated":                {state: release(0), ready: []rollout.ID{"v1", "v2"}, evaluated: rollout.EvaluationRunning, want: suokev1.ModelValidating},
		"it passed":                               {state: release(0), ready: []rollout.ID{"v1", "v2"}, evaluated: rollout.EvaluationPassed, want: suokev1.ModelDeploying},
		"it has traffic":                          {state: release(20), ready: []rollout.ID{"v1", "v2"}, want: suokev1.ModelDeploying},
		"what is wanted serves":                   {state: rollout.State{Stable: "v2"}, ready: []rollout.ID{"v2"}, want: suokev1.ModelReady},
		"what is wanted has lost its Pods":        {state: rollout.State{Stable: "v2"}, want: suokev1.ModelDeploying},
		"refused, and another one serves":         {state: rollout.State{Stable: "v1", Refused: refused}, ready: []rollout.ID{"v1"}, want: suokev1.ModelReady, degraded: true},
		"refused, and the other's Pods are lost":  {state: rollout.State{Stable: "v1", Refused: refused}, want: suokev1.ModelDeploying, degraded: true},
		"refused, and nothing serves":             {state: rollout.State{Refused: refused}, want: suokev1.ModelFailed},
		"it cannot be honoured":                   {rejected: true, want: suokev1.ModelPending},
		"it cannot be honoured, and another does": {state: rollout.State{Stable: "v1"}, ready: []rollout.ID{"v1"}, rejected: true, want: suokev1.ModelReady, degraded: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			seen := &observed{wanted: "v2", pods: map[rollout.ID][]*corev1.Pod{}, verdict: Verdict{Accepted: !c.rejected}}
			for _, id := range c.ready {
				seen.pods[id] = []*corev1.Pod{ready}
			}
			seen.evaluations = map[rollout.ID]evaluation{"v2": {outcome: c.evaluated}}
			made := decided{Decision: rollout.Decision{State: c.state, Progress: rollout.Progress{UnderWay: c.state.Release != nil}}}
			if s := situationOf(seen, made); s.phase != c.want || s.degraded != c.degraded {
				t.Errorf("phase %s, degraded %t, want %s, %t", s.phase, s.degraded, c.want, c.degraded)
			}
		})
	}
}
