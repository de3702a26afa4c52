package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutRetryCommand() *cobra.Command {
	var o rolloutActOptions
	return o.acting("retry", "Release a version once more that was refused or returned", `Release the wanted version once more after it was refused or returned. What it was refused for is judged anew.`,
		o.retry)
}

func (o *rolloutActOptions) retry(ctx context.Context, name string) error {
	seen, err := o.look(ctx, name)
	if err != nil {
		return err
	}
	release := view.Of(seen.Seen)
	if err := o.retriable(release); err != nil {
		return err
	}
	describing, err := o.describing(ctx, seen, release.Wanted)
	if err != nil {
		return err
	}
	what, err := o.ask(ctx, describing, suokev1.ActionRetry)
	if err != nil {
		return err
	}
	return o.settle(ctx, what, func(seen seenRelease, now view.Release) (string, error) {
		version := view.Describing(seen.Versions, name, release.Wanted)
		if version == nil || version.Status.Attempt <= what.Attempt {
			return o.holds(now), nil
		}
		return fmt.Sprintf("attempt %d at %s is under way; follow it with %s get %s --watch", version.Status.Attempt, release.Wanted, o.command, name), nil
	})
}

// retriable says why there is nothing to retry.
func (o *rolloutActOptions) retriable(release view.Release) error {
	switch {
	case release.Candidate != "":
		return fmt.Errorf("a release of %s is under way, of %s; abort it first with %s abort %s", release.Model, release.Candidate, o.command, release.Model)
	case release.Wanted == release.Stable:
		return fmt.Errorf("%s of %s serves, so there is nothing to retry", release.Wanted, release.Model)
	case !release.Refused:
		return fmt.Errorf("no attempt at %s of %s was refused (%s: %s)", release.Wanted, release.Model, release.Reason, release.Message)
	default:
		return nil
	}
}
