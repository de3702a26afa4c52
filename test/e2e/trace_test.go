package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// view is what the API server told of a model at one moment, in the words of a script.
type view struct {
	weights, pods, stable, candidate, watched, reason string
	refused                                           map[string]bool
	way                                               map[string]string
}

// trace is every view of a model, in order, and how far a script has followed each thing that it tells: they stand in
// several objects, of which one may be told later than another.
type trace struct {
	mu    sync.Mutex
	views []view
	begin int
	at    map[string]int

	replicas map[string]int
	state    rollout.State
	reason   string
	// names of versions in a script, by ID.
	names map[string]string
}

// follow watches a model until the test ends.
func (s *system) follow(t *testing.T, model string) *trace {
	t.Helper()
	tr := &trace{at: map[string]int{}, replicas: map[string]int{}, names: map[string]string{}}
	of := client.MatchingLabels{"suoke.life/model": model}
	for _, w := range []struct {
		list client.ObjectList
		with []client.ListOption
	}{
		{&corev1.ConfigMapList{}, []client.ListOption{of}},
		{&appsv1.DeploymentList{}, []client.ListOption{of}},
		{&suokev1.AIModelList{}, []client.ListOption{client.MatchingFields{"metadata.name": model}}},
	} {
		events, err := s.client.Watch(t.Context(), w.list, append(w.with, client.InNamespace(namespace))...)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for event := range events.ResultChan() {
				tr.note(event.Type, event.Object)
			}
		}()
		t.Cleanup(func() { events.Stop(); <-done })
	}
	return tr
}

// note takes what the API server tells.
func (tr *trace) note(kind watch.EventType, object runtime.Object) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch o := object.(type) {
	case *corev1.ConfigMap:
		var state rollout.State
		if err := json.Unmarshal([]byte(o.Data["state.json"]), &state); err == nil {
			tr.state = state
		}
	case *appsv1.Deployment:
		tr.replicas[o.Name] = int(*o.Spec.Replicas)
		if kind == watch.Deleted {
			delete(tr.replicas, o.Name)
		}
	case *suokev1.AIModel:
		if c := meta.FindStatusCondition(o.Status.Conditions, suokev1.ConditionProgressing); c != nil {
			tr.reason = c.Reason
		}
	}
	tr.views = append(tr.views, tr.view())
}

// view of what was told so far.
func (tr *trace) view() view {
	v := view{reason: tr.reason, refused: map[string]bool{}, way: map[string]string{}}
	for _, h := range tr.state.History {
		tr.name(string(h.ID), h.Version)
		way := fmt.Sprintf("%s (%s)", h.To, h.Reason)
		if before := v.way[h.Version]; before != "" {
			way = before + ", " + way
		}
		v.way[h.Version] = way
	}
	weights := map[string]int{}
	for id, weight := range tr.state.Weights {
		weights[string(id)] = weight
	}
	v.weights, v.pods, v.stable = tr.amounts(weights), tr.amounts(tr.replicas), tr.names[string(tr.state.Stable)]
	if r := tr.state.Release; r != nil {
		v.candidate = tr.names[string(r.Candidate)]
	}
	if w := tr.state.Watch; w != nil {
		v.watched = w.Version
	}
	for id := range tr.state.Refused {
		v.refused[tr.names[string(id)]] = true
	}
	return v
}

// name gives a version its name: a second one of the same version has another Pod template.
func (tr *trace) name(id, version string) {
	if tr.names[id] != "" {
		return
	}
	if slices.Contains(slices.Collect(maps.Values(tr.names)), version) {
		version += "'"
	}
	tr.names[id] = version
}

// amounts writes "v1 80, v2 20".
func (tr *trace) amounts(by map[string]int) string {
	var parts []string
	for id, n := range by {
		parts = append(parts, fmt.Sprintf("%s %d", tr.names[id], n))
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// id of the version that a script calls so.
func (tr *trace) id(name string) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for id, called := range tr.names {
		if called == name {
			return id
		}
	}
	return name
}

// moveOn leaves behind what was told before something is done.
func (tr *trace) moveOn() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.begin = max(0, len(tr.views)-1)
}

// await waits until something holds of one of the things that are told, in a view not before the last one in which that thing
// was awaited.
func (tr *trace) await(t *testing.T, thing, line string, holds func(view) bool) {
	t.Helper()
	eventually(t, 2*time.Minute, func(context.Context) string {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for i := max(tr.begin, tr.at[thing]); i < len(tr.views); i++ {
			if holds(tr.views[i]) {
				tr.at[thing] = i
				return ""
			}
		}
		last := "nothing"
		if n := len(tr.views); n > 0 {
			last = fmt.Sprintf("%+v", tr.views[n-1])
		}
		return fmt.Sprintf("%s\nwas not seen; at last the cluster told %s", line, last)
	})
}
