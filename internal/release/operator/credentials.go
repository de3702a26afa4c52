package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// annotationCredentials of a ControllerRevision holds the credentials that its version was given after it was frozen.
const annotationCredentials = "suoke.life/credentials" //nolint:gosec // the name of an annotation

// lateStart is how long a Pod may take to come up before it is looked whether the Secret that it fetches with is there.
const lateStart = 10 * time.Second

// renewal is what annotationCredentials holds.
type renewal struct {
	Credentials *manifest.Credentials `json:"credentials,omitempty"`
	SecretRef   *suokev1.SecretRef    `json:"secretRef,omitempty"`
}

// Renew gives a version that was read from its ControllerRevision the credentials that it was given since it was frozen, and
// its source the secretRef that named them.
func Renew(revision *appsv1.ControllerRevision, version *manifest.Version, source *suokev1.Repository) error {
	text := revision.Annotations[annotationCredentials]
	if text == "" {
		return nil
	}
	var now renewal
	if err := json.Unmarshal([]byte(text), &now); err != nil {
		return fmt.Errorf("reading the credentials of ControllerRevision %s: %w", revision.Name, err)
	}
	version.Credentials, source.SecretRef = now.Credentials, now.SecretRef
	return nil
}

// place is where the credentials of a model are kept.
func (s Surroundings) place(model *suokev1.AIModel) (credentials.Place, error) {
	var through *suokev1.ModelRegistry
	if registry, found := s.Registries[model.Spec.RegistryRef]; found {
		through = &registry
	}
	return credentials.OfModel(model, through)
}

// mounted is what a version's Pods see of it.
func mounted(place credentials.Place) *manifest.Credentials {
	if place.Secret == "" {
		return nil
	}
	return &manifest.Credentials{Secret: place.Secret, Keys: place.Kind.Keys()}
}

// reachedBy says whether the version is fetched with what the model names now.
func (f frozen) reachedBy(model *suokev1.AIModel, place credentials.Place) bool {
	return equality.Semantic.DeepEqual(f.Version.Credentials, mounted(place)) &&
		equality.Semantic.DeepEqual(f.Source.SecretRef, model.Spec.Repository.SecretRef)
}

// reach gives a version the credentials that the model names now. They are no part of what is served, so no release begins:
// its Deployment replaces one Pod after another. They must open the registry before that, which is asked apart from here;
// until they do the version keeps those that it has, and the problem says why.
func (o *Operator) reach(model *suokev1.AIModel, f frozen, place credentials.Place) (frozen, *Problem, error) {
	about := credentialsOf(model.Name)
	if f.reachedBy(model, place) {
		o.inquiries.forget(about)
		return f, nil, nil
	}
	reference, err := f.reference()
	if err != nil {
		return f, nil, err
	}
	got := o.inquiries.follow(about, inquiry{reference: reference, place: place, retry: retryResolve}, 0)
	if got.digest == "" {
		return f, got.problem, nil
	}
	f.Version.Credentials, f.Source.SecretRef, f.renewed = mounted(place), model.Spec.Repository.SecretRef, true
	return f, nil, nil
}

// reference names a version's artifact, as its Pods do.
func (f frozen) reference() (ref.Reference, error) {
	reference, err := ref.Parse(ref.Scheme+f.Version.Reference, "")
	if err != nil {
		return ref.Reference{}, fmt.Errorf("reading the reference of %s: %w", f.Version.ID, err)
	}
	return reference, nil
}

// resolve asks the registry which artifact a reference names.
func (o *Operator) resolve(ctx context.Context, reference ref.Reference, namespace string, place credentials.Place) (Artifact, error) {
	proof, err := place.Read(ctx, o.Live, namespace)
	if errors.Is(err, credentials.ErrMissing) {
		return Artifact{}, &Problem{Reason: suokev1.ReasonSecretNotFound, Err: err}
	}
	if err != nil {
		return Artifact{}, err
	}
	artifact, err := o.Resolver.Resolve(ctx, reference, proof)
	if p, ours := problem(err); ours && place.Secret != "" {
		return Artifact{}, &Problem{Reason: p.Reason, Denied: p.Denied, Err: fmt.Errorf("%w (asked with the credentials of the Secret %s)", p.Err, place.Secret)}
	}
	return artifact, err
}

// observeLate looks whether Pods that do not come up wait for their Secret: it may be gone since it opened the registry.
func (m *models) observeLate(ctx context.Context, seen *observed) error {
	var err error
	if seen.unproven == nil && seen.fetching() && seen.late(seen.wanted) {
		_, err = seen.place.Read(ctx, m.Live, seen.model.Namespace)
	}
	if errors.Is(err, credentials.ErrMissing) {
		seen.unproven, err = &Problem{Reason: suokev1.ReasonSecretNotFound, Err: err}, nil
	}
	return err
}

// fetching says whether Pods of the wanted version may wait for a Secret.
func (seen *observed) fetching() bool {
	return seen.place.Secret != "" && len(seen.readyPods(seen.wanted)) < len(seen.servers(seen.wanted))
}

// late says whether a Pod of the version should have come up by now.
func (seen *observed) late(id rollout.ID) bool {
	for _, pod := range seen.servers(id) {
		if !podReady(pod) && seen.now.Sub(pod.CreationTimestamp.Time) > lateStart {
			return true
		}
	}
	return false
}
