package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// keptRevisions of a model that nothing serves any more keep their evaluations.
const keptRevisions = 10

// annotationFrozen of a Deployment is what it was built from, so that a ControllerRevision that is deleted can be written again.
const annotationFrozen = "suoke.life/frozen"

// frozen is a version as it was when first seen: what it is built from ever after.
type frozen struct {
	// Version is what the objects are built from, Source where it came from.
	Version manifest.Version   `json:"version"`
	Source  suokev1.Repository `json:"source"`
	// Validation as it was; thresholds apply as they are now.
	Validation suokev1.Validation `json:"validation"`
	// Number orders the versions of a model by when they were first seen.
	Number int64 `json:"number"`

	// revision is the object that holds it.
	revision *appsv1.ControllerRevision
	records  []record
	// renewed says that its credentials are others than the revision says; see reach.
	renewed bool
}

// thaw reads a version from its ControllerRevision.
func thaw(revision *appsv1.ControllerRevision) (frozen, error) {
	var f frozen
	if err := json.Unmarshal(revision.Data.Raw, &f); err != nil {
		return frozen{}, fmt.Errorf("reading ControllerRevision %s: %w", revision.Name, err)
	}
	if err := Renew(revision, &f.Version, &f.Source); err != nil {
		return frozen{}, err
	}
	f.revision, f.Number = revision, revision.Revision
	records, err := parseRecords(revision)
	f.records = records
	return f, err
}

// frozenVersions reads every version of a model that was ever frozen and is kept.
func (o *Operator) frozenVersions(ctx context.Context, model *suokev1.AIModel) (map[rollout.ID]frozen, error) {
	var list appsv1.ControllerRevisionList
	if err := o.Client.List(ctx, &list, client.InNamespace(model.Namespace),
		client.MatchingFields{ofModel: ref.LabelValue(model.Name)}); err != nil {
		return nil, fmt.Errorf("listing the versions of %s: %w", model.Name, err)
	}
	known := map[rollout.ID]frozen{}
	for i := range list.Items {
		if !metav1.IsControlledBy(&list.Items[i], model) {
			continue
		}
		f, err := thaw(&list.Items[i])
		if err != nil {
			return nil, err
		}
		known[rollout.ID(f.Version.ID)] = f
	}
	return known, nil
}

// wanted returns the frozen version that the spec asks for, and freezes it if it is new. What a version's reference was
// resolved to once stays, also when its template changes: a moving tag is never deployed. With a version that was frozen
// before may come why the credentials that the spec names now are not used for it.
func (o *Operator) wanted(ctx context.Context, model *suokev1.AIModel, known map[rollout.ID]frozen, place credentials.Place) (frozen, *Problem, error) {
	rt, err := selectRuntime(model, o.Runtimes)
	if err != nil {
		return frozen{}, nil, &Problem{Reason: suokev1.ReasonUnknownRuntime, Err: err}
	}
	template := o.template(model, rt)
	var before *frozen
	for _, f := range newestFirst(known) {
		if f.Version.Version != model.Spec.Version || !sameSource(f.Source, model.Spec.Repository) {
			continue
		}
		if equality.Semantic.DeepEqual(f.Version.Template, template) {
			return o.reach(model, f, place)
		}
		if before == nil {
			before = &f
		}
	}
	artifact, err := o.artifact(ctx, model, before, place)
	if err != nil {
		return frozen{}, nil, err
	}
	f, err := o.freeze(ctx, model, template, artifact, place, known)
	return f, nil, err
}

// sameSource says whether two repositories are one place. With what one gets in there is no part of what is got.
func sameSource(a, b suokev1.Repository) bool {
	a.SecretRef, b.SecretRef = nil, nil
	return a == b
}

// artifact is what the version's reference was resolved to before, or else what the registry says that it names. What was asked
// about another version is not asked on.
func (o *Operator) artifact(ctx context.Context, model *suokev1.AIModel, before *frozen, place credentials.Place) (Artifact, error) {
	o.inquiries.forget(credentialsOf(model.Name))
	if before == nil {
		o.inquiries.forget(tagOf(model.Name))
		reference, err := referenceOf(model)
		if err != nil {
			return Artifact{}, &Problem{Reason: suokev1.ReasonInvalid, Err: err}
		}
		return o.resolve(ctx, reference, model.Namespace, place)
	}
	if !before.reachedBy(model, place) {
		reference, err := before.reference()
		if err != nil {
			return Artifact{}, err
		}
		return o.resolve(ctx, reference, model.Namespace, place)
	}
	return Artifact{Reference: before.Version.Reference, Digest: before.Version.Digest, SizeBytes: before.Version.SizeBytes}, nil
}

// referenceOf is what the spec names.
func referenceOf(model *suokev1.AIModel) (ref.Reference, error) {
	return ref.Model(model.Spec.Repository.URL, model.Spec.ModelName, model.Spec.Version, model.Spec.Repository.Digest)
}

func (o *Operator) template(model *suokev1.AIModel, rt profile.Runtime) manifest.Template {
	spec := &model.Spec
	t := manifest.NewTemplate(rt, profile.Filling{
		ImagePrefix: o.ImagePrefix, ImageTag: o.ImageTag, Model: model.Name, Version: spec.Version,
		Port: spec.Monitoring.MetricsPort, HealthPath: spec.Monitoring.HealthCheckPath, Metrics: enabled(spec.Monitoring.Enabled),
	})
	if spec.Runtime != nil {
		t.Args = append(t.Args, spec.Runtime.Args...)
		if spec.Runtime.Image != "" {
			t.Image = spec.Runtime.Image
		}
	}
	t.Resources = o.Resources
	if r := spec.Deployment.Resources; len(r.Requests)+len(r.Limits) > 0 {
		t.Resources = corev1.ResourceRequirements{Requests: corev1.ResourceList(r.Requests), Limits: corev1.ResourceList(r.Limits)}
	}
	return t
}

func (o *Operator) freeze(ctx context.Context, model *suokev1.AIModel, template manifest.Template, artifact Artifact, place credentials.Place, known map[rollout.ID]frozen) (frozen, error) {
	text, err := json.Marshal(template)
	if err != nil {
		return frozen{}, fmt.Errorf("freezing %s of %s: %w", model.Spec.Version, model.Name, err)
	}
	f := frozen{
		Version: manifest.Version{
			ID:    ref.VersionID(model.Name, model.Spec.Version, artifact.Digest+string(text)),
			Model: model.Name, ModelLabel: ref.LabelValue(model.Name), Agent: model.Spec.AgentType, Version: model.Spec.Version,
			Reference: artifact.Reference, Digest: artifact.Digest, SizeBytes: artifact.SizeBytes,
			FetchImage: o.ImagePrefix + "/suoke:" + o.ImageTag, Credentials: mounted(place), Template: template,
		},
		Source: model.Spec.Repository, Validation: model.Spec.Validation,
	}
	for _, other := range known {
		f.Number = max(f.Number, other.Number)
	}
	f.Number++
	return o.keep(ctx, model, f)
}

// keep writes a version's ControllerRevision.
func (o *Operator) keep(ctx context.Context, model *suokev1.AIModel, f frozen) (frozen, error) {
	text, err := f.text()
	if err != nil {
		return frozen{}, err
	}
	f.revision = &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Name: f.Version.ID, Namespace: model.Namespace, Labels: f.Version.Labels(),
			Annotations:     map[string]string{manifest.AnnotationModel: model.Name},
			OwnerReferences: []metav1.OwnerReference{owner(model)},
		},
		Data: runtime.RawExtension{Raw: text}, Revision: f.Number,
	}
	err = o.Client.Create(ctx, f.revision, client.FieldOwner(FieldManager))
	if apierrors.IsAlreadyExists(err) {
		return o.thawLive(ctx, model, f.Version.ID)
	}
	if err != nil {
		return frozen{}, fmt.Errorf("freezing %s: %w", f.Version.ID, err)
	}
	o.Log.Info("version frozen", "model", model.Name, "version", f.Version.Version, "id", f.Version.ID, "revision", strconv.FormatInt(f.Number, 10), "digest", f.Version.Digest)
	return f, nil
}

func (f frozen) text() ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("freezing %s: %w", f.Version.ID, err)
	}
	return text, nil
}

// freezeAgain writes the ControllerRevisions that somebody deleted of versions that run.
func (o *Operator) freezeAgain(ctx context.Context, seen *observed) error {
	for id, d := range seen.deployments {
		text, noted := d.Annotations[annotationFrozen]
		if _, known := seen.known[id]; known || !noted {
			continue
		}
		var f frozen
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return fmt.Errorf("reading %s of Deployment %s: %w", annotationFrozen, d.Name, err)
		}
		f, err := o.keep(ctx, seen.model, f)
		if err != nil {
			return err
		}
		seen.known[id] = f
	}
	return nil
}

// thawLive reads a version that the cache does not have yet. One that another model left behind is not ours to use: it
// goes with its owner, and the name is free then.
func (o *Operator) thawLive(ctx context.Context, model *suokev1.AIModel, id string) (frozen, error) {
	var revision appsv1.ControllerRevision
	if err := o.Live.Get(ctx, client.ObjectKey{Namespace: model.Namespace, Name: id}, &revision); err != nil {
		return frozen{}, fmt.Errorf("reading ControllerRevision %s: %w", id, err)
	}
	if !metav1.IsControlledBy(&revision, model) {
		return frozen{}, fmt.Errorf("ControllerRevision %s belongs to another object; waiting until it is gone", id)
	}
	return thaw(&revision)
}

// surplus lists the versions that nothing needs and that are beyond those kept for their evaluations.
func surplus(known map[rollout.ID]frozen, needed func(rollout.ID) bool) []frozen {
	var unneeded []frozen
	for _, f := range newestFirst(known) {
		if !needed(rollout.ID(f.Version.ID)) {
			unneeded = append(unneeded, f)
		}
	}
	if len(unneeded) <= keptRevisions {
		return nil
	}
	return unneeded[keptRevisions:]
}

func newestFirst(known map[rollout.ID]frozen) []frozen {
	all := make([]frozen, 0, len(known))
	for _, f := range known {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b frozen) int { return cmp.Compare(b.Number, a.Number) })
	return all
}

// owner makes an object go with the model.
func owner(model *suokev1.AIModel) metav1.OwnerReference {
	return *metav1.NewControllerRef(model, suokev1.GroupVersion.WithKind("AIModel"))
}
