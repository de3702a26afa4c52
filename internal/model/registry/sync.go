package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
)

const (
	// syncTimeout bounds one sync, whatever the endpoint does.
	syncTimeout = 2 * time.Minute
	// asking so many references at once.
	asking = 8
)

// outcome is what a look at a registry came to. Everything that is said of the registry follows from it.
type outcome struct {
	// refusal is why the object cannot be honoured; then nothing was asked.
	refusal *problem
	// disabled says that the object does not want to be synced.
	disabled bool
	// missing is the Secret that it takes to ask, trouble why the endpoint was not reached.
	missing, trouble *problem
	// resolved counts the models that were found, unresolved says of each other one why not.
	resolved   int32
	unresolved []string
}

// synced says whether the endpoint answered.
func (o outcome) synced() bool {
	return o.refusal == nil && !o.disabled && o.missing == nil && o.trouble == nil
}

// failed says whether a sync left something unreached or unresolved.
func (o outcome) failed() bool { return o.trouble != nil || len(o.unresolved) > 0 }

// look accepts a registry and, if it is to be synced, asks it for the models that name it.
func (r *Reconciler) look(ctx context.Context, object *suokev1.ModelRegistry, models []suokev1.AIModel) (outcome, error) {
	if refusal := accept(object); refusal != nil {
		return outcome{refusal: refusal}, nil
	}
	if wanted := object.Spec.SyncPolicy.Enabled; wanted != nil && !*wanted {
		return outcome{disabled: true}, nil
	}
	at, err := endpointOf(object)
	if err != nil {
		return outcome{}, fmt.Errorf("reading the endpoint of %s: %w", object.Name, err)
	}
	place, err := credentials.OfRegistry(object)
	if err != nil {
		return outcome{}, fmt.Errorf("reading the authentication of %s: %w", object.Name, err)
	}
	proof, err := place.Read(ctx, r.Live, object.Namespace)
	if errors.Is(err, credentials.ErrMissing) {
		return outcome{missing: &problem{suokev1.ReasonSecretNotFound, err.Error()}}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	options := store.Options{PlainHTTP: at.plain, Credentials: proof, Attempts: r.Attempts, Wait: r.Wait}
	if err := store.Ping(ctx, at.host, options); err != nil {
		return outcome{trouble: &problem{suokev1.ReasonRegistryUnreachable, with(place, err).Error()}}, nil
	}
	return r.resolve(ctx, at, models, options), nil
}

// with says which Secret a registry was asked with that denied access.
func with(place credentials.Place, err error) error {
	if place.Secret == "" || !errors.Is(err, store.ErrDenied) {
		return err
	}
	return fmt.Errorf("%w than those of the Secret %s", err, place.Secret)
}

// resolve asks for every model, several at a time.
func (r *Reconciler) resolve(ctx context.Context, at endpoint, models []suokev1.AIModel, options store.Options) outcome {
	options.Attempts = 1 // the sync policy says when to ask again
	found := make([]error, len(models))
	var group errgroup.Group
	group.SetLimit(asking)
	for i := range models {
		group.Go(func() error {
			found[i] = r.check(ctx, at, &models[i], options)
			return nil
		})
	}
	_ = group.Wait() // each model has its own error
	var o outcome
	for i, err := range found {
		if err != nil {
			o.unresolved = append(o.unresolved, fmt.Sprintf("AIModel %s: %v", models[i].Name, err))
			continue
		}
		o.resolved++
	}
	return o
}

// check resolves the reference of one model, with the model's own credentials if it has any.
func (r *Reconciler) check(ctx context.Context, at endpoint, model *suokev1.AIModel, options store.Options) error {
	reference, err := ref.Model(model.Spec.Repository.URL, model.Spec.ModelName, model.Spec.Version, model.Spec.Repository.Digest)
	if err != nil {
		return fmt.Errorf("repository.url: %w", err)
	}
	if !at.holds(reference) {
		return fmt.Errorf("repository.url: %s is not below the endpoint; write %s%s/%sNAME", model.Spec.Repository.URL, ref.Scheme, at.host, at.prefix)
	}
	place, err := credentials.OfModel(model, nil)
	if err != nil {
		return err
	}
	if place.Secret != "" {
		proof, err := place.Read(ctx, r.Live, model.Namespace)
		if err != nil {
			return err
		}
		options.Credentials = proof
	}
	artifact, err := store.Resolve(ctx, reference, options)
	if err != nil {
		return with(place, err)
	}
	if artifact.Kind != store.Model {
		return fmt.Errorf("%s is a %s and no model", reference, artifact.Kind)
	}
	return nil
}

// named are the models that a registry is asked for: those that name it, and those that name none and are at its endpoint.
func named(object *suokev1.ModelRegistry, models []suokev1.AIModel) []suokev1.AIModel {
	at, err := endpointOf(object)
	var all []suokev1.AIModel
	for _, model := range models {
		switch {
		case !model.DeletionTimestamp.IsZero():
		case model.Spec.RegistryRef == object.Name:
			all = append(all, model)
		case model.Spec.RegistryRef == "" && err == nil && at.isAt(&model):
			all = append(all, model)
		}
	}
	return all
}

// isAt says whether a model's URL is one of the endpoint's; a URL that cannot be read is nobody's.
func (e endpoint) isAt(model *suokev1.AIModel) bool {
	reference, err := ref.Model(model.Spec.Repository.URL, model.Spec.ModelName, model.Spec.Version, model.Spec.Repository.Digest)
	return err == nil && e.holds(reference)
}

// fingerprint changes with everything that a sync asks for.
func fingerprint(models []suokev1.AIModel) string {
	var b strings.Builder
	for _, model := range models {
		place, _ := credentials.OfModel(&model, nil) // one that cannot be read is told when it is asked for
		fmt.Fprintf(&b, "%q %q %q %q %q\n", model.Name, model.Spec.Repository.URL, model.Spec.Version, model.Spec.Repository.Digest, place.Secret)
	}
	return b.String()
}
