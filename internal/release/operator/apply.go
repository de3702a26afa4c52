package operator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// annotationApplied holds the hash of what was applied, so that an object is written only when it differs.
const annotationApplied = "suoke.life/applied"

// apply carries a decision out: the memory first, then what follows from it, then what people see of it. Each part
// may be repeated.
func (m *models) apply(ctx context.Context, seen *observed, made decided) error {
	seen.judge = m.begun(seen, made.State)
	if err := m.applyMemory(ctx, seen, made); err != nil {
		return err
	}
	m.routers.follow(seen.model.Name, made.following)
	m.recordings.settle(seen.model.Name, made.State)
	if made.moves {
		return nil
	}
	if err := m.applyNotes(ctx, seen); err != nil {
		return err
	}
	if err := m.applyRunning(ctx, seen, made); err != nil {
		return errors.Join(err, m.applyRejection(ctx, seen, made, err))
	}
	if err := m.applyDeletions(ctx, seen, made); err != nil {
		return err
	}
	if err := m.applyGenerated(ctx, seen, made); err != nil {
		return err
	}
	return m.applyStatus(ctx, seen, made)
}

// applyRunning brings what runs to what was decided. One version that cannot be applied keeps no other from it.
func (m *models) applyRunning(ctx context.Context, seen *observed, made decided) error {
	seen.standing = m.stood(seen)
	defer m.standing.Store(seen.model.Name, seen.standing)
	var errs []error
	for id, replicas := range made.Replicas {
		errs = append(errs, m.applyVersion(ctx, seen, id, replicas))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return m.applyEvaluations(ctx, seen, made)
}

// stood is what is known of the objects that are there.
func (m *models) stood(seen *observed) map[types.UID]standing {
	stored, _ := m.standing.Load(seen.model.Name)
	before, _ := stored.(map[types.UID]standing)
	all := map[types.UID]standing{}
	keep := func(uid types.UID) {
		if s, found := before[uid]; found {
			all[uid] = s
		}
	}
	for _, d := range seen.deployments {
		keep(d.UID)
	}
	for _, a := range seen.autoscalers {
		keep(a.UID)
	}
	for _, s := range seen.services {
		keep(s.UID)
	}
	return all
}

// applyRejection shows people what the API server has against an object: it takes what is in spec for wrong, or a quota
// forbids it, and trying again does not help.
func (m *models) applyRejection(ctx context.Context, seen *observed, made decided, err error) error {
	if !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
		return nil
	}
	seen.trouble = &Problem{Reason: suokev1.ReasonInvalid, Err: err}
	return m.applyStatus(ctx, seen, made)
}

func (m *models) applyMemory(ctx context.Context, seen *observed, made decided) error {
	if !made.write {
		return nil
	}
	seen.judge.SavedAt = seen.now
	m.recalled.Delete(seen.model.Name) // whatever becomes of the write
	written, err := remember(ctx, m.Client, seen.model, seen.memory, made.State, seen.judge, made.route)
	if err != nil {
		return err
	}
	m.recalled.Store(seen.model.Name, written)
	fresh := added(seen.memory.state.History, made.State.History)
	m.Metrics.count(seen.model.Name, fresh)
	for _, t := range fresh {
		m.Log.Info("phase", "model", seen.model.Name, "version", t.Version, "from", t.From, "to", t.To, "reason", t.Reason, "message", t.Message)
	}
	return nil
}

// added are the transitions that were not there before. A history that is full loses its first ones.
func added(before, after []rollout.Transition) []rollout.Transition {
	return slices.DeleteFunc(slices.Clone(after), func(t rollout.Transition) bool { return slices.Contains(before, t) })
}

// applyVersion brings a version's Service, Deployment and autoscaler to what was frozen, and to that many replicas, or at
// least so many where an autoscaler has the say.
func (m *models) applyVersion(ctx context.Context, seen *observed, id rollout.ID, replicas int) error {
	f, known := seen.known[id]
	if !known {
		seen.trouble = &Problem{Reason: suokev1.ReasonRevisionMissing, Err: fmt.Errorf(
			"the ControllerRevision %s and its Deployment were deleted, so that version cannot be made again; release another", id)}
		return nil
	}
	if err := m.applyObject(ctx, seen, f, existing(seen.services[id]), scale{}, func() (client.Object, error) {
		return f.Version.Service(seen.model.Namespace), nil
	}); err != nil {
		return err
	}
	return m.applyScaled(ctx, seen, f, id, int32(min(replicas, 1000))) //nolint:gosec // bounded here
}

// existing keeps a nil pointer from becoming an interface that is not nil.
func existing[T any, P interface {
	*T
	client.Object
}](p P) client.Object {
	if p == nil {
		return nil
	}
	return p
}

// standing is an object as it was found to be what follows from its frozen version and its scale.
type standing struct {
	resourceVersion string
	scale           scale
	// renewal is what the version was given since it was frozen, as its ControllerRevision notes it.
	renewal string
}

// applyObject applies an object of a version, unless the same was applied before and still stands. One that is as it was
// found before is not built anew to see that.
func (m *models) applyObject(ctx context.Context, seen *observed, f frozen, there client.Object, to scale, build func() (client.Object, error)) error {
	var found standing
	if there != nil {
		found = standing{there.GetResourceVersion(), to, f.revision.Annotations[annotationCredentials]}
		if seen.standing[there.GetUID()] == found {
			return nil
		}
	}
	wanted, err := build()
	if err != nil {
		return err
	}
	wanted.SetOwnerReferences([]metav1.OwnerReference{owner(seen.model)})
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return fmt.Errorf("applying %s: %w", wanted.GetName(), err)
	}
	delete(fields, "status")
	hash, err := hashOf(fields)
	if err != nil {
		return fmt.Errorf("applying %s: %w", wanted.GetName(), err)
	}
	if there != nil && there.GetAnnotations()[annotationApplied] == hash && sameScale(wanted, there) {
		seen.standing[there.GetUID()] = found
		return nil
	}
	object := &unstructured.Unstructured{Object: fields}
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationApplied] = hash
	object.SetAnnotations(annotations)
	err = m.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(FieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

func jobOver(job *batchv1.Job) bool {
	for _, c := range job.Status.Conditions {
		if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// sameScale says whether nobody changed what scales a version since it was applied.
func sameScale(wanted, there client.Object) bool {
	switch w := wanted.(type) {
	case *appsv1.Deployment:
		t, ok := there.(*appsv1.Deployment)
		return ok && (w.Spec.Replicas == nil || t.Spec.Replicas != nil && *w.Spec.Replicas == *t.Spec.Replicas)
	case *autoscalingv2.HorizontalPodAutoscaler:
		t, ok := there.(*autoscalingv2.HorizontalPodAutoscaler)
		return ok && equality.Semantic.DeepEqual(w.Spec, t.Spec)
	default:
		return true
	}
}

func hashOf(fields map[string]any) (string, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// unneeded are the objects of versions that a decision does not list.
func unneeded[P client.Object](all map[rollout.ID]P, made decided) []client.Object {
	var out []client.Object
	for id, o := range all {
		if _, needed := made.Replicas[id]; !needed {
			out = append(out, o)
		}
	}
	return out
}

// applyDeletions removes the objects of versions that the decision no longer lists.
func (m *models) applyDeletions(ctx context.Context, seen *observed, made decided) error {
	var errs []error
	remove := func(o client.Object) {
		err := m.Client.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: new(o.GetUID())})
		if client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("deleting %s: %w", o.GetName(), err))
		}
	}
	for _, o := range slices.Concat(unneeded(seen.autoscalers, made), unneeded(seen.deployments, made), unneeded(seen.services, made)) {
		remove(o)
	}
	for id, jobs := range seen.jobs {
		if made.Evaluate == id {
			continue
		}
		for _, job := range jobs {
			if !jobOver(job) { // one that is over tells what it said until its time to live is up
				remove(job)
			}
		}
	}
	needed := func(id rollout.ID) bool {
		_, runs := made.Replicas[id]
		_, refused := made.State.Refused[id]
		watched := made.State.Watch != nil && id == made.State.Watch.Previous
		return runs || refused || watched || id == seen.wanted
	}
	for _, f := range surplus(seen.known, needed) {
		remove(f.revision)
	}
	return errors.Join(errs...)
}
