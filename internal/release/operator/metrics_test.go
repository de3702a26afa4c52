package operator

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// TestReleasesAreCountedByTheirEnd: what is taken back after its promotion is counted as both, and the version that serves
// again was not promoted once more.
func TestReleasesAreCountedByTheirEnd(t *testing.T) {
	t.Parallel()
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	m.count("m", []rollout.Transition{
		{To: rollout.Production, Reason: rollout.ReasonFirstVersion},
		{From: rollout.Testing, To: rollout.Rollback, Reason: rollout.ReasonEvaluationFailed},
		{From: rollout.InCanary, To: rollout.Rollback, Reason: "ErrorRate"},
		{From: rollout.Testing, To: rollout.Production, Reason: rollout.ReasonPromoted},
		{From: rollout.Production, To: rollout.Rollback, Reason: "Latency"},
		{From: rollout.Deprecated, To: rollout.Production, Reason: rollout.ReasonRestored},
	})
	for outcome, want := range map[string]float64{outcomePromoted: 2, outcomeRefused: 1, outcomeRolledBack: 2} {
		if got := testutil.ToFloat64(m.releases.WithLabelValues("m", outcome)); got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
}

// TestAVersionIsShownWhileItIsKnown: what is gone is not shown any more, and what other models show stays.
func TestAVersionIsShownWhileItIsKnown(t *testing.T) {
	t.Parallel()
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	known := map[rollout.ID]frozen{}
	for id, version := range map[rollout.ID]string{"m-v1": "v1", "m-v2": "v2", "m-v2-again": "v2"} {
		known[id] = frozen{Version: manifest.Version{ID: string(id), Version: version}}
	}
	weights := func(w map[rollout.ID]int) rollout.State { return rollout.State{Weights: w} }
	m.set("other", known, weights(map[rollout.ID]int{"m-v1": 100}), nil)
	for _, step := range []struct {
		weights map[rollout.ID]int
		want    map[string]float64
	}{
		{map[rollout.ID]int{"m-v1": 100}, map[string]float64{"v1": 100}},
		{map[rollout.ID]int{"m-v1": 70, "m-v2": 20, "m-v2-again": 10}, map[string]float64{"v1": 70, "v2": 30}},
		{map[rollout.ID]int{"m-v1": 70, "m-v2": 20, "m-v2-again": 10}, map[string]float64{"v1": 70, "v2": 30}},
		{map[rollout.ID]int{"m-v2": 100}, map[string]float64{"v2": 100}},
	} {
		m.set("m", known, weights(step.weights), nil)
		for version, want := range step.want {
			if got := testutil.ToFloat64(m.weight.WithLabelValues("m", version)); got != want {
				t.Errorf("with weights %v, %s has %v, want %v", step.weights, version, got, want)
			}
		}
		if got, want := testutil.CollectAndCount(m.weight), len(step.want)+1; got != want {
			t.Errorf("with weights %v, %d weights are shown, want %d", step.weights, got, want)
		}
	}
	m.forget("m")
	if got := testutil.CollectAndCount(m.weight); got != 1 {
		t.Errorf("%d weights are shown after a model is gone, want that of the other", got)
	}
}
