package operator

import (
	"strings"
	"testing"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// TestActionsThatDoNothingAreTold: what a person asked for and nothing follows from is told in a sentence that says what to
// write; what was acted upon is not.
func TestActionsThatDoNothingAreTold(t *testing.T) {
	t.Parallel()
	attempts := map[string]int{"v2": 2}
	under := rollout.State{Attempts: attempts, Release: &rollout.Release{Version: "v2", Attempt: 2}}
	watched := rollout.State{Attempts: attempts, Watch: &rollout.Watch{Version: "v2", Attempt: 2}}
	refusedState := rollout.State{Attempts: attempts, Refused: map[rollout.ID]rollout.Refusal{"m-v2": {Version: "v2"}}}
	settled := rollout.State{Attempts: attempts}
	for name, c := range map[string]struct {
		kind    suokev1.ActionType
		attempt int32
		phase   suokev1.VersionPhase
		state   rollout.State
		want    string
	}{
		"promote what is under way":               {"Promote", 2, suokev1.VersionCanary, under, ""},
		"promote what was promoted":               {"Promote", 2, suokev1.VersionProduction, settled, ""},
		"promote an earlier attempt":              {"Promote", 1, suokev1.VersionCanary, under, ""},
		"promote an attempt to come":              {"Promote", 3, suokev1.VersionCanary, under, "attempt 3 at v2 has not begun; write attempt: 2"},
		"promote what was returned":               {"Promote", 2, suokev1.VersionRollback, refusedState, "write type: Retry"},
		"promote what is not wanted":              {"Promote", 2, suokev1.VersionDraft, settled, "write version: v2 in the AIModel"},
		"abort what is under way":                 {"Abort", 2, suokev1.VersionTesting, under, ""},
		"abort what was aborted":                  {"Abort", 2, suokev1.VersionRollback, refusedState, ""},
		"abort within the rollback window":        {"Abort", 2, suokev1.VersionProduction, watched, ""},
		"abort after the rollback window":         {"Abort", 2, suokev1.VersionProduction, settled, "write another version in the AIModel"},
		"abort what is superseded":                {"Abort", 2, suokev1.VersionDeprecated, settled, "remove the action"},
		"retry what was refused":                  {"Retry", 2, suokev1.VersionRollback, refusedState, ""},
		"retry what gave way to another":          {"Retry", 2, suokev1.VersionRollback, settled, "write version: v2 there"},
		"retry what serves":                       {"Retry", 2, suokev1.VersionProduction, settled, "nothing to retry"},
		"retry what is under way":                 {"Retry", 2, suokev1.VersionCanary, under, "nothing to retry"},
		"something that there is no word for yet": {"Delete", 2, suokev1.VersionCanary, under, "write type: Promote, Abort or Retry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := acceptAction(&suokev1.Action{Type: c.kind, Attempt: c.attempt}, "v2", c.phase, c.state)
			if v.Accepted != (c.want == "") || !strings.Contains(v.Message, c.want) {
				t.Errorf("%+v, want %q", v, c.want)
			}
		})
	}
	if v := acceptAction(nil, "v2", suokev1.VersionDraft, rollout.State{}); !v.Accepted {
		t.Errorf("without an action: %+v", v)
	}
}

func TestPolicyOfAModel(t *testing.T) {
	t.Parallel()
	model := &suokev1.AIModel{Spec: suokev1.AIModelSpec{Paused: true, Deployment: suokev1.Deployment{Replicas: 3, Strategy: suokev1.StrategyCanary}}}
	model.Name = "digits"
	version := &suokev1.ModelVersion{Spec: suokev1.ModelVersionSpec{
		Version: "v2", Action: &suokev1.Action{Type: suokev1.ActionAbort, Attempt: 4},
		CanaryDeployment: suokev1.CanaryDeployment{TrafficPercentage: 20, ShadowPercentage: 30},
	}}
	p := policy(model, version, time.Minute)
	if want := (rollout.Action{Type: rollout.Abort, Version: "v2", Attempt: 4}); p.Action != want || !p.Paused || p.Shadow != 30 || p.Model != "digits" {
		t.Errorf("%+v", p)
	}
	if p := policy(model, nil, time.Minute); p.Action != (rollout.Action{}) || p.Shadow != 0 || p.Steps[0] != (rollout.Step{Weight: 10, Hold: time.Hour}) {
		t.Errorf("without a ModelVersion: %+v", p)
	}
}

// TestWhoseModelVersionCounts: while the wanted version cannot begin, the one that is under way or watched.
func TestWhoseModelVersionCounts(t *testing.T) {
	t.Parallel()
	var versions []suokev1.ModelVersion
	for _, name := range []string{"v2", "v3"} {
		versions = append(versions, suokev1.ModelVersion{Spec: suokev1.ModelVersionSpec{ModelRef: "m", Version: name}})
	}
	release, watch := rollout.State{Release: &rollout.Release{Version: "v2"}}, rollout.State{Watch: &rollout.Watch{Version: "v2"}}
	for name, c := range map[string]struct {
		state  rollout.State
		wanted rollout.ID
		paused bool
		want   string
	}{
		"what is wanted":                           {release, "m-v3", false, "v3"},
		"what is wanted is not known":              {release, "", false, "v2"},
		"a pause in the rollback window":           {watch, "m-v3", true, "v2"},
		"what is wanted in the rollback window":    {watch, "m-v3", false, "v3"},
		"nothing is under way and it is not known": {rollout.State{}, "", true, "v3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := &suokev1.AIModel{Spec: suokev1.AIModelSpec{Version: "v3", Paused: c.paused}}
			model.Name = "m"
			seen := &observed{model: model, wanted: c.wanted, versions: versions, memory: memory{state: c.state}}
			if got := seen.declared().Spec.Version; got != c.want {
				t.Errorf("%s counts, want %s", got, c.want)
			}
		})
	}
}
