package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// Keys of the route's ConfigMap that only the operator reads.
const (
	stateKey     = "state.json"
	judgementKey = "judgement.json"
	// annotationGeneration is that of the AIModel when the memory was last written.
	annotationGeneration = "suoke.life/generation"
)

// memory is what the ConfigMap of a model's route holds.
type memory struct {
	// object as it was read; nil if there is none.
	object *corev1.ConfigMap
	route  route.Route
	state  rollout.State
	judge  judge
	// generation of the AIModel that was decided upon.
	generation int64
}

func routeName(model string) string { return model + "-route" }

// recall reads a model's memory. It goes to the API server: a cache that lags would make the engine repeat itself.
func recall(ctx context.Context, live client.Reader, namespace, model string) (memory, error) {
	var object corev1.ConfigMap
	err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: routeName(model)}, &object)
	if apierrors.IsNotFound(err) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, fmt.Errorf("reading the route of %s: %w", model, err)
	}
	return parseMemory(&object)
}

func parseMemory(object *corev1.ConfigMap) (memory, error) {
	m := memory{object: object}
	for key, into := range map[string]any{route.Key: &m.route, stateKey: &m.state, judgementKey: &m.judge} {
		if text := object.Data[key]; text != "" {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return memory{}, fmt.Errorf("reading %s of ConfigMap %s: %w", key, object.Name, err)
			}
		}
	}
	if text := object.Annotations[annotationGeneration]; text != "" {
		generation, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return memory{}, fmt.Errorf("reading annotation %s of ConfigMap %s: %w", annotationGeneration, object.Name, err)
		}
		m.generation = generation
	}
	return m, nil
}

// ahead says that a later AIModel was decided upon than this one: the cache that it was read from lags.
func (m memory) ahead(generation int64) bool { return m.generation > generation }

// forgiven is the state with nothing held against a version: what a person changed in spec may be what was wrong.
func (m memory) forgiven(wanted rollout.ID, generation int64) rollout.State {
	state := m.state
	if _, refused := state.Refused[wanted]; refused && generation > m.generation {
		state.Refused = maps.Clone(state.Refused)
		delete(state.Refused, wanted)
	}
	return state
}

// remember writes route and state in one piece, if they differ from what was read. A write by another operator since
// then makes it fail, and the decision is taken anew.
func remember(ctx context.Context, c client.Client, model *suokev1.AIModel, was memory, state rollout.State, j judge, r route.Route) error {
	data := map[string]string{}
	for key, value := range map[string]any{route.Key: r, stateKey: state, judgementKey: j} {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("writing %s of %s: %w", key, model.Name, err)
		}
		data[key] = string(text)
	}
	if was.object == nil {
		object := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Name: routeName(model.Name), Namespace: model.Namespace,
				Labels: map[string]string{
					route.Label: "true", manifest.LabelModel: ref.LabelValue(model.Name),
					"app.kubernetes.io/name": ref.LabelValue(model.Name), "app.kubernetes.io/part-of": "suoke", "app.kubernetes.io/component": "route",
				},
				Annotations:     map[string]string{manifest.AnnotationModel: model.Name, annotationGeneration: strconv.FormatInt(model.Generation, 10)},
				OwnerReferences: []metav1.OwnerReference{owner(model)},
			},
			Data: data,
		}
		if err := c.Create(ctx, object, client.FieldOwner(FieldManager)); err != nil {
			return fmt.Errorf("creating the route of %s: %w", model.Name, err)
		}
		return nil
	}
	object := was.object.DeepCopy()
	object.Data = data
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	object.Annotations[annotationGeneration] = strconv.FormatInt(model.Generation, 10)
	if err := c.Update(ctx, object, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("writing the route of %s: %w", model.Name, err)
	}
	return nil
}

// routeOf is the split that the state asks for, with what routers need of each version.
func routeOf(model string, state rollout.State, known map[rollout.ID]frozen) route.Route {
	r := route.Route{Model: model, Revision: state.Revision, Stable: string(state.Stable)}
	if state.Release != nil && state.Weights[state.Release.Candidate] > 0 && state.Release.Candidate != state.Stable {
		r.Candidate = string(state.Release.Candidate)
	}
	listed := func(id rollout.ID) bool { return id == state.Stable || state.Weights[id] > 0 }
	for id, f := range known {
		if !listed(id) {
			continue
		}
		r.Versions = append(r.Versions, route.Version{
			ID: string(id), Version: f.Version.Version, Weight: state.Weights[id], Digest: f.Version.Digest,
			Port: int(f.Version.Template.Port), MayReask: f.Version.Template.MayReask,
		})
	}
	slices.SortFunc(r.Versions, func(a, b route.Version) int { return cmp.Compare(a.ID, b.ID) })
	return r
}
