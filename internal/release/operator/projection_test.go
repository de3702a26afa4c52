package operator

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
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
