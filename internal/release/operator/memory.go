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
	// annotationAsked is a hash of what that AIModel asked for.
	annotationAsked = "suoke.life/asked"
)

// memory is what the ConfigMap of a model's route holds.
type memory struct {
	// object as it was read; nil if there is none.
	object *corev1.ConfigMap
	route  route.Route
	state  rollout.State
	judge  judge
	// generation of the AIModel that was decided upon, and what it asked for.
	generation int64
	asked      string
}

func routeName(model string) string { return model + "-route" }

// recall reads a model's memory. A cache that lags would make the engine repeat itself, so what it holds counts only if it is
// what was last read from the API server, or written to it.
func (o *Operator) recall(ctx context.Context, namespace, model string) (memory, error) {
	var object corev1.ConfigMap
	key := client.ObjectKey{Namespace: namespace, Name: routeName(model)}
	if last, known := o.recalled.Load(model); known {
		if err := o.Client.Get(ctx, key, &object); err == nil && object.ResourceVersion == last {
			return o.parse(model, &object)
		}
	}
	object = corev1.ConfigMap{}
	err := o.Live.Get(ctx, key, &object)
	if apierrors.IsNotFound(err) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, fmt.Errorf("reading the route of %s: %w", model, err)
	}
	o.recalled.Store(model, object.ResourceVersion)
	return o.parse(model, &object)
}

// parse parses a model's memory, unless it is what was parsed last. Nobody may write to what it returns.
func (o *Operator) parse(model string, object *corev1.ConfigMap) (memory, error) {
	last, _ := o.parsed.Load(model)
	if m, found := last.(memory); found && m.object.UID == object.UID && m.object.ResourceVersion == object.ResourceVersion {
		return m, nil
	}
	m, err := parseMemory(object)
	if err == nil {
		m.judge.Recent = slices.Clip(m.judge.Recent) // what is appended goes elsewhere
		o.parsed.Store(model, m)
	}
	return m, err
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
	m.asked = object.Annotations[annotationAsked]
	return m, nil
}

// ahead says that a later AIModel was decided upon than this one: the cache that it was read from lags.
func (m memory) ahead(generation int64) bool { return m.generation > generation }

// askedFor is a hash of what an AIModel asks for, but for what says nothing of a version: its scale, a pause, and with what
// it is fetched.
func askedFor(model *suokev1.AIModel) string {
	spec := model.Spec.DeepCopy()
	spec.Paused, spec.Deployment.Replicas, spec.Deployment.Autoscaling = false, 0, nil
	spec.Repository.SecretRef, spec.RegistryRef = nil, ""
	hash, err := hashOf(map[string]any{"spec": spec})
	if err != nil {
		return "" // as what was never decided upon
	}
	return hash
}

// forgiven is the state with nothing held against a version: what a person changed in spec may be what was wrong.
func (m memory) forgiven(wanted rollout.ID, model *suokev1.AIModel) rollout.State {
	state := m.state
	if _, refused := state.Refused[wanted]; refused && model.Generation > m.generation && askedFor(model) != m.asked {
		state.Refused = maps.Clone(state.Refused)
		delete(state.Refused, wanted)
	}
	return state
}

// remember writes route and state in one piece, and returns the resourceVersion of what was written. A write by another
// operator since it was read makes it fail, and the decision is taken anew.
func remember(ctx context.Context, c client.Client, model *suokev1.AIModel, was memory, state rollout.State, j judge, r route.Route) (string, error) {
	data := map[string]string{}
	for key, value := range map[string]any{route.Key: r, stateKey: state, judgementKey: j} {
		text, err := json.Marshal(value)
		if err != nil {
			return "", fmt.Errorf("writing %s of %s: %w", key, model.Name, err)
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
				Annotations:     map[string]string{manifest.AnnotationModel: model.Name, annotationGeneration: strconv.FormatInt(model.Generation, 10), annotationAsked: askedFor(model)},
				OwnerReferences: []metav1.OwnerReference{owner(model)},
			},
			Data: data,
		}
		if err := c.Create(ctx, object, client.FieldOwner(FieldManager)); err != nil {
			return "", fmt.Errorf("creating the route of %s: %w", model.Name, err)
		}
		return object.ResourceVersion, nil
	}
	object := was.object.DeepCopy()
	object.Data = data
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	object.Annotations[annotationGeneration] = strconv.FormatInt(model.Generation, 10)
	object.Annotations[annotationAsked] = askedFor(model)
	if err := c.Update(ctx, object, client.FieldOwner(FieldManager)); err != nil {
		return "", fmt.Errorf("writing the route of %s: %w", model.Name, err)
	}
	return object.ResourceVersion, nil
}

// routeOf is the split that the state asks for, with what routers need of each version. A version whose ControllerRevision
// was deleted stays as the route before had it: its traffic does not depend on that.
func routeOf(model string, state rollout.State, known map[rollout.ID]frozen, before route.Route) route.Route {
	r := route.Route{Model: model, Revision: state.Revision, Stable: string(state.Stable)}
	if state.Release != nil && state.Weights[state.Release.Candidate] > 0 && state.Release.Candidate != state.Stable {
		r.Candidate = string(state.Release.Candidate)
	}
	if w := state.Watch; w != nil && state.Stable == w.Candidate && kept(state, w.Previous) {
		// What fails in the rollback window is asked of the version before, as in a canary.
		r.Stable, r.Candidate = string(w.Previous), string(w.Candidate)
	}
	for _, id := range listed(state) {
		v, found := before.Version(string(id))
		if f, is := known[id]; is {
			v, found = f.routed(), true
		}
		if !found {
			continue
		}
		v.Weight, v.ShadowPercentage = state.Weights[id], 0
		if release := state.Release; release != nil && r.Candidate == v.ID && v.Weight < 100 {
			v.ShadowPercentage = release.Shadow
		}
		r.Versions = append(r.Versions, v)
	}
	slices.SortFunc(r.Versions, func(a, b route.Version) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

// kept says that a version which lost its last weight still has its Pods.
func kept(state rollout.State, id rollout.ID) bool {
	_, retiring := state.Retiring[id]
	return retiring
}

// listed are the versions that routers may have to reach: stable, those with a weight, and the one that is warm in the
// rollback window.
func listed(state rollout.State) []rollout.ID {
	ids := slices.Collect(maps.Keys(state.Weights))
	also := []rollout.ID{state.Stable}
	if w := state.Watch; w != nil && kept(state, w.Previous) {
		also = append(also, w.Previous)
	}
	for _, id := range also {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// routed is a version as routers know it.
func (f frozen) routed() route.Version {
	return route.Version{
		ID: f.Version.ID, Version: f.Version.Version, Digest: f.Version.Digest,
		Port: int(f.Version.Template.Port), MayReask: f.Version.Template.MayReask,
	}
}
