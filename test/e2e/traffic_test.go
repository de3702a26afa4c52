package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/traffic/load"
)

// flow is traffic under way.
type flow struct {
	t    *testing.T
	flow demo.Flow
}

// ask begins to send requests through the public edge, per second and by agent, on an even beat.
func (s *system) ask(t *testing.T, rates map[string]float64) flow {
	t.Helper()
	bodies := map[string][][]byte{}
	for agent, file := range demo.RowFiles(filepath.Join(s.root, "build", "datasets")) {
		rows, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		bodies[agent], err = load.ReadBodies(rows)
		_ = rows.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	begun, err := demo.Edge{URL: edge, Bodies: bodies}.Start(t.Context(), rates)
	if err != nil {
		t.Fatal(err)
	}
	return flow{t, begun}
}

// stop ends the sending. Something must have been asked, and no request may have failed.
func (f flow) stop() {
	f.t.Helper()
	seen := f.flow.Stop()
	if seen.Sent() == 0 || seen.Failed() > 0 {
		f.t.Errorf("%d of %d requests failed: %v", seen.Failed(), seen.Sent(), seen.Failures())
	}
}
