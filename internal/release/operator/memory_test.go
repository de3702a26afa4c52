package operator

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

func TestAMemoryIsParsedOnceAndNotWrittenTo(t *testing.T) {
	t.Parallel()
	object := &corev1.ConfigMap{Data: map[string]string{judgementKey: `{"recent":[{"t":1},{"t":2},{"t":3}]}`}}
	object.ResourceVersion = "1"
	var o Operator
	read := func() []recent {
		m, err := o.parse("m", object.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		return m.judge.Recent
	}
	first := read()
	object.Data[judgementKey] = "what is not read again"
	one, other := append(first, recent{Unix: 4}), append(read(), recent{Unix: 5}) //nolint:gocritic // as two judgements would
	if one[3].Unix != 4 || other[3].Unix != 5 {
		t.Errorf("two judgements of one memory end with the seconds %d and %d", one[3].Unix, other[3].Unix)
	}
	object.ResourceVersion, object.Data[judgementKey] = "2", `{"recent":[{"t":6}]}`
	if later := read(); len(later) != 1 || later[0].Unix != 6 {
		t.Errorf("a later memory is read as %v", later)
	}
}

func TestOnlyALaterSpecForgives(t *testing.T) {
	t.Parallel()
	decidedUpon := suokev1.AIModelSpec{Version: "v2", Deployment: suokev1.Deployment{Replicas: 2}}
	for name, c := range map[string]struct {
		generation      int64
		change          func(*suokev1.AIModelSpec)
		ahead, forgiven bool
	}{
		"the spec that was decided upon":      {generation: 5},
		"a later one":                         {generation: 6, change: func(s *suokev1.AIModelSpec) { s.Validation.TestDataset = "another" }, forgiven: true},
		"a later one that is paused":          {generation: 6, change: func(s *suokev1.AIModelSpec) { s.Paused = true }},
		"a later one with other replicas":     {generation: 6, change: func(s *suokev1.AIModelSpec) { s.Deployment.Replicas = 5 }},
		"a later one with another strategy":   {generation: 6, change: func(s *suokev1.AIModelSpec) { s.Deployment.Strategy = "Canary" }, forgiven: true},
		"a later one with another Secret":     {generation: 6, change: func(s *suokev1.AIModelSpec) { s.Repository.SecretRef = &suokev1.SecretRef{Name: "next"} }},
		"a later one with another registry":   {generation: 6, change: func(s *suokev1.AIModelSpec) { s.RegistryRef = "next" }},
		"an older one, from a stale cache":    {generation: 4, ahead: true},
		"an older one that asked for another": {generation: 4, change: func(s *suokev1.AIModelSpec) { s.Version = "v1" }, ahead: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory{
				generation: 5, asked: askedFor(&suokev1.AIModel{Spec: decidedUpon}),
				state: rollout.State{Refused: map[rollout.ID]rollout.Refusal{"v2": {}}},
			}
			model := &suokev1.AIModel{Spec: decidedUpon}
			model.Generation = c.generation
			if c.change != nil {
				c.change(&model.Spec)
			}
			_, held := m.forgiven("v2", model).Refused["v2"]
			if m.ahead(c.generation) != c.ahead || held == c.forgiven {
				t.Errorf("ahead %v, held against it %v", m.ahead(c.generation), held)
			}
			if len(m.state.Refused) != 1 {
				t.Error("what is remembered was changed")
			}
		})
	}
}

func TestRouteOfAState(t *testing.T) {
	t.Parallel()
	known := map[rollout.ID]frozen{}
	for _, id := range []string{"a", "b"} {
		known[rollout.ID(id)] = frozen{Version: manifest.Version{ID: id, Version: "v" + id, Template: manifest.Template{Port: 80}}}
	}
	stable := route.Version{ID: "a", Version: "va", Port: 80}
	candidate := route.Version{ID: "b", Version: "vb", Port: 80}
	weighted := func(v route.Version, weight, shadow int) route.Version {
		v.Weight, v.ShadowPercentage = weight, shadow
		return v
	}
	for name, c := range map[string]struct {
		state  rollout.State
		before route.Route
		want   route.Route
	}{
		"a candidate without weight is no business of routers": {
			state: rollout.State{Stable: "a", Weights: map[rollout.ID]int{"a": 100}, Release: &rollout.Release{Candidate: "b"}},
			want:  route.Route{Stable: "a", Versions: []route.Version{weighted(stable, 100, 0)}},
		},
		"a candidate is asked a share of the rest too": {
			state: rollout.State{Stable: "a", Weights: map[rollout.ID]int{"a": 90, "b": 10}, Release: &rollout.Release{Candidate: "b", Shadow: 50}},
			want:  route.Route{Stable: "a", Candidate: "b", Versions: []route.Version{weighted(stable, 90, 0), weighted(candidate, 10, 50)}},
		},
		"with all of the traffic there is no rest": {
			state: rollout.State{Stable: "a", Weights: map[rollout.ID]int{"b": 100}, Release: &rollout.Release{Candidate: "b", Shadow: 50}},
			want:  route.Route{Stable: "a", Candidate: "b", Versions: []route.Version{weighted(stable, 0, 0), weighted(candidate, 100, 0)}},
		},
		"what was promoted is stable once the version before has no Pods": {
			state: rollout.State{Stable: "b", Weights: map[rollout.ID]int{"b": 100}, Watch: &rollout.Watch{Candidate: "b", Previous: "a"}},
			want:  route.Route{Stable: "b", Versions: []route.Version{weighted(candidate, 100, 0)}},
		},
		"what fails in the rollback window is asked of the version before": {
			state: rollout.State{
				Stable: "b", Weights: map[rollout.ID]int{"b": 100}, Watch: &rollout.Watch{Candidate: "b", Previous: "a"},
				Retiring: map[rollout.ID]rollout.Retiree{"a": {Replicas: 1}},
			},
			want: route.Route{Stable: "a", Candidate: "b", Versions: []route.Version{weighted(stable, 0, 0), weighted(candidate, 100, 0)}},
		},
		"a version that is not known any more stays as it was": {
			state:  rollout.State{Stable: "gone", Weights: map[rollout.ID]int{"gone": 80, "b": 20}, Release: &rollout.Release{Candidate: "b"}},
			before: route.Route{Versions: []route.Version{{ID: "gone", Version: "v0", Weight: 100, Port: 1, ShadowPercentage: 3}}},
			want: route.Route{Stable: "gone", Candidate: "b", Versions: []route.Version{
				weighted(candidate, 20, 0), {ID: "gone", Version: "v0", Weight: 80, Port: 1},
			}},
		},
		"what is taken back is the candidate again": {
			state: rollout.State{Stable: "a", Weights: map[rollout.ID]int{"a": 50, "b": 50}, Release: &rollout.Release{Candidate: "b", Returning: &rollout.Refusal{}}},
			want:  route.Route{Stable: "a", Candidate: "b", Versions: []route.Version{weighted(stable, 50, 0), weighted(candidate, 50, 0)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := routeOf("m", c.state, known, c.before)
			c.want.Model = "m"
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}
