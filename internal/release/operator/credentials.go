package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// annotationCredentials of a ControllerRevision holds the credentials that its version was given after it was frozen.
const annotationCredentials = "suoke.life/credentials" //nolint:gosec // the name of an annotation

const (
	// lateStart is how long a Pod may take to fetch its version before it is looked whether the Secret that it does so with is there.
	lateStart = 10 * time.Second
	// secretRests is how long a Secret is not looked at again for such a Pod.
	secretRests = 10 * time.Second
)

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
	if err != nil {
		return Artifact{}, unread(place, err)
	}
	artifact, err := o.Resolver.Resolve(ctx, reference, proof)
	if p, ours := problem(err); ours && place.Secret != "" {
		return Artifact{}, &Problem{Reason: p.Reason, Denied: p.Denied, Err: fmt.Errorf("%w (asked with the credentials of the Secret %s)", p.Err, place.Secret)}
	}
	return artifact, err
}

// unread is why a Secret proves nothing: it is not as it should be, or could not be read. Neither stops what goes on.
func unread(place credentials.Place, err error) *Problem {
	switch {
	case errors.Is(err, credentials.ErrMissing):
		return &Problem{Reason: suokev1.ReasonSecretNotFound, Err: err}
	case apierrors.IsForbidden(err):
		err = fmt.Errorf("%w; let the operator's Role get secrets", err)
	}
	return &Problem{Reason: suokev1.ReasonSecretUnreadable, Err: fmt.Errorf("%s: %w", place.Field, err)}
}

// looked is what was found at a Secret, and when.
type looked struct {
	at      time.Time
	problem *Problem
}

// observeLate looks whether Pods that take long to fetch their version wait for its Secret, whichever version it is: the
// Secret may be gone since it opened the registry.
func (m *models) observeLate(ctx context.Context, seen *observed) {
	for _, f := range newestFirst(seen.known) {
		if seen.late(f) {
			seen.unproven = seen.unproven.and(m.look(ctx, seen, seen.placeOf(f)))
		}
	}
}

// look reads a Secret of a model, unless that was done a moment ago, and says what is wrong with it.
func (m *models) look(ctx context.Context, seen *observed, place credentials.Place) *Problem {
	stored, _ := m.secrets.Load(seen.model.Name)
	known, _ := stored.(map[credentials.Place]looked)
	if last, found := known[place]; found && seen.now.Sub(last.at) < secretRests {
		return last.problem
	}
	now := map[credentials.Place]looked{}
	for other, last := range known {
		if seen.now.Sub(last.at) < secretRests {
			now[other] = last
		}
	}
	var wrong *Problem
	if _, err := place.Read(ctx, m.Live, seen.model.Namespace); err != nil {
		wrong = unread(place, err)
	}
	now[place] = looked{seen.now, wrong}
	m.secrets.Store(seen.model.Name, now)
	return wrong
}

// placeOf is where that is kept with which a version's Pods are fetched, as people find it.
func (seen *observed) placeOf(f frozen) credentials.Place {
	used := f.Version.Credentials
	if rollout.ID(f.Version.ID) == seen.wanted && equality.Semantic.DeepEqual(used, mounted(seen.place)) {
		return seen.place
	}
	place := credentials.Place{Field: "the credentials of " + f.Version.Version, Secret: used.Secret, Kind: credentials.Either}
	for _, kind := range []credentials.Kind{credentials.Basic, credentials.Token} {
		if slices.Equal(kind.Keys(), used.Keys) {
			place.Kind = kind
		}
	}
	return place
}

// fetching says whether Pods of any version may wait for a Secret.
func (seen *observed) fetching() bool {
	for _, f := range seen.known {
		if f.Version.Credentials != nil && slices.ContainsFunc(seen.servers(rollout.ID(f.Version.ID)), fetching) {
			return true
		}
	}
	return false
}

// late says whether a Pod that fetches the version with a Secret should have done so by now.
func (seen *observed) late(f frozen) bool {
	return f.Version.Credentials != nil && slices.ContainsFunc(seen.servers(rollout.ID(f.Version.ID)), func(pod *corev1.Pod) bool {
		return fetching(pod) && seen.now.Sub(pod.CreationTimestamp.Time) > lateStart
	})
}

// fetching says whether a Pod has begun to fetch its version, and has not got it. One that no node takes yet misses nothing,
// and one whose server fails later has it.
func fetching(pod *corev1.Pod) bool {
	for _, s := range pod.Status.InitContainerStatuses {
		if s.Name == manifest.FetchContainer {
			return s.State.Terminated == nil || s.State.Terminated.ExitCode != 0
		}
	}
	return false
}
