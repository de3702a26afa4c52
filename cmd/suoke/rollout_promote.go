package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutPromoteCommand() *cobra.Command {
	var o rolloutActOptions
	return o.acting("promote", "Give the candidate all of the traffic now", `Give the candidate all of the traffic as soon as it is evaluated and its Pods are ready, without waiting for the time and
the criteria of its steps. What shows it to be worse still returns it.`,
		o.promote)
}

func (o *rolloutActOptions) promote(ctx context.Context, name string) error {
	seen, err := o.look(ctx, name)
	if err != nil {
		return err
	}
	release := view.Of(seen.Seen)
	version := release.Candidate
	switch {
	case version != "":
	case release.Refused && release.Wanted != release.Stable:
		return fmt.Errorf("no release of %s is under way: %s was refused (%s); begin it once more with %s retry %s", name, release.Wanted, release.Reason, o.command, name)
	default:
		return fmt.Errorf("no release of %s is under way; write another spec.version into the AIModel to begin one", name)
	}
	describing, err := o.describing(ctx, seen, version)
	if err != nil {
		return err
	}
	what, err := o.ask(ctx, describing, suokev1.ActionPromote)
	if err != nil {
		return err
	}
	return o.settle(ctx, what, func(_ seenRelease, now view.Release) (string, error) {
		switch {
		case now.Stable == version && now.Candidate == "":
			return version + " has all of the traffic", nil
		case now.Candidate != version:
			return "", ended(now, version)
		default:
			return o.holds(now), nil
		}
	})
}
