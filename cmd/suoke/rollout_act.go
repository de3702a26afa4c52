package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/release/view"
)

const (
	// personsManager owns the fields that these commands write.
	personsManager = "suoke-rollout"
	// lookPatience is how much longer than a wait its last look may take.
	lookPatience = 10 * time.Second
)

// rolloutActOptions are common to the commands that ask for something.
type rolloutActOptions struct {
	rolloutOptions

	wait    bool
	timeout time.Duration
}

// asked is what a person asked for, and what became of it.
type asked struct {
	Model   string `json:"model"`
	Asked   string `json:"asked"`
	Version string `json:"version,omitempty"`
	Attempt int32  `json:"attempt,omitempty"`
	// Done says that the operator did it before the command ended.
	Done    bool   `json:"done"`
	Message string `json:"message"`
}

// acting makes a command that asks for something.
func (o *rolloutActOptions) acting(verb, short, long string, run func(ctx context.Context, name string) error) *cobra.Command {
	cmd := o.named(verb, short, long, run)
	cmd.Flags().BoolVar(&o.wait, "wait", true, "wait until the operator did it, or says why not")
	cmd.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "how long to wait")
	return cmd
}

// outcome looks at a release after something was asked for. It is empty while the operator has not done it; an error is
// why it never will.
type outcome func(seen seenRelease, release view.Release) (message string, err error)

// settle waits until what was asked for is done, and tells it.
func (o *rolloutActOptions) settle(ctx context.Context, what asked, done outcome) error {
	if !o.wait {
		what.Message = what.Asked
		return o.tell(what)
	}
	if o.output != outputJSON {
		fmt.Fprintln(o.out, what.Asked)
	}
	var last view.Release
	late := time.After(o.timeout)
	bounded, cancel := context.WithTimeout(ctx, o.timeout+lookPatience)
	defer cancel()
	for {
		seen, err := o.look(bounded, what.Model)
		if err == nil {
			last = view.Of(seen.Seen)
			what.Message, err = done(seen, last)
			if err != nil {
				return err
			}
		}
		if what.Message != "" {
			what.Done = true
			return o.tell(what)
		}
		select {
		case <-late:
			return o.late(last, err)
		case <-ctx.Done():
			return nil
		case <-time.After(rolloutEvery / 4):
		}
	}
}

// late says what holds up what was asked for.
func (o *rolloutActOptions) late(last view.Release, err error) error {
	switch {
	case last.Model == "":
		return fmt.Errorf("asked for; what came of it could not be read within %s: %w", o.timeout, err)
	case last.Unseen:
		return fmt.Errorf("asked for, and the operator has not seen it within %s; see whether it runs: kubectl -n %s get deployment suoke-operator", o.timeout, o.cluster.Namespace)
	default:
		return fmt.Errorf("asked for, and not done within %s (%s: %s); it goes on: %s get %s --watch", o.timeout, last.Reason, last.Message, o.command, last.Model)
	}
}

func (o *rolloutActOptions) tell(what asked) error {
	if o.output == outputJSON {
		return writeJSON(o.out, what)
	}
	_, err := fmt.Fprintln(o.out, what.Message)
	return err
}

// ask writes an action into a ModelVersion, and says of which attempt.
func (o *rolloutActOptions) ask(ctx context.Context, describing *suokev1.ModelVersion, action suokev1.ActionType) (asked, error) {
	before := describing.DeepCopy()
	describing.Spec.Action = &suokev1.Action{Type: action, Attempt: describing.Status.Attempt}
	if err := o.api.Patch(ctx, describing, client.MergeFrom(before), client.FieldOwner(personsManager)); err != nil {
		return asked{}, fmt.Errorf("writing spec.action of ModelVersion %s: %w", describing.Name, err)
	}
	model, version, attempt := before.Spec.ModelRef, before.Spec.Version, before.Status.Attempt
	return asked{
		Model: model, Version: version, Attempt: attempt,
		Asked: fmt.Sprintf("asked for %s of attempt %d at %s of %s", action, attempt, version, model),
	}, nil
}

// describing is the ModelVersion that counts for a version, as the operator has seen it. Where there is none, one is made
// as the operator would make it: a person's takes its place.
func (o *rolloutActOptions) describing(ctx context.Context, seen seenRelease, version string) (*suokev1.ModelVersion, error) {
	if there := view.Describing(seen.Versions, seen.Model.Name, version); there != nil && there.Status.ObservedGeneration > 0 {
		return there, nil
	}
	frozen, known := seen.frozen[version]
	if !known {
		return nil, fmt.Errorf("the operator has begun nothing for %s of %s yet; see why: %s explain %s", version, seen.Model.Name, o.command, seen.Model.Name)
	}
	made := operator.Generated(&seen.Model, frozen.Version.ID, version,
		"Made to hold what a person asked for, as no ModelVersion says how this version is released. One that does takes its place.")
	if err := o.api.Create(ctx, made, client.FieldOwner(personsManager)); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("making a ModelVersion for %s of %s: %w", version, seen.Model.Name, err)
	}
	return o.observed(ctx, seen.Model.Name, version)
}

// observed waits until the operator has said of a version which attempt it is at.
func (o *rolloutActOptions) observed(ctx context.Context, model, version string) (*suokev1.ModelVersion, error) {
	bounded, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	for {
		versions, err := o.versions(bounded, model)
		if there := view.Describing(versions, model, version); there != nil && there.Status.ObservedGeneration > 0 {
			return there, nil
		}
		select {
		case <-bounded.Done():
			return nil, errors.Join(err, fmt.Errorf("the operator has not said within %s at which attempt %s of %s is; see whether it runs: kubectl -n %s get deployment suoke-operator",
				o.timeout, version, model, o.cluster.Namespace))
		case <-time.After(rolloutEvery / 4):
		}
	}
}

// holds says that a pause keeps what was asked for from being done now.
func (o *rolloutActOptions) holds(release view.Release) string {
	if release.Reason != suokev1.ReasonPaused {
		return ""
	}
	return fmt.Sprintf("it waits for the end of the pause: %s resume %s", o.command, release.Model)
}

// ended is what became of a version whose release ended otherwise than asked for.
func ended(release view.Release, version string) error {
	for i := len(release.History()) - 1; i >= 0; i-- {
		if e := release.History()[i]; e.Version == version {
			return fmt.Errorf("%s is %s now: %s: %s", version, e.To, e.Reason, e.Message)
		}
	}
	return fmt.Errorf("the release of %s is not under way any more: %s: %s", version, release.Reason, release.Message)
}
