package operator

import (
	"testing"

	"github.com/suoke-life/suoke/internal/release/rollout"
)

func TestOnlyALaterSpecForgives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		generation      int64
		ahead, forgiven bool
	}{
		"the spec that was decided upon":   {generation: 5},
		"a later one":                      {generation: 6, forgiven: true},
		"an older one, from a stale cache": {generation: 4, ahead: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory{generation: 5, state: rollout.State{Refused: map[rollout.ID]rollout.Refusal{"v2": {}}}}
			_, held := m.forgiven("v2", c.generation).Refused["v2"]
			if m.ahead(c.generation) != c.ahead || held == c.forgiven {
				t.Errorf("ahead %v, held against it %v", m.ahead(c.generation), held)
			}
			if len(m.state.Refused) != 1 {
				t.Error("what is remembered was changed")
			}
		})
	}
}
