package operator

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

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
