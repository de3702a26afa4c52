package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutAbortCommand() *cobra.Command {
	var o rolloutActOptions
	return o.acting("abort", "Return all of the traffic to stable, and end the release", `Return all of the traffic to stable, and end the release. Within the rollback window after a promotion, give everything
back to the version before. The version is not tried again until you retry it, or the AIModel changes.`,
		o.abort)
}

func (o *rolloutActOptions) abort(ctx context.Context, name string) error {
	seen, err := o.look(ctx, name)
	if err != nil {
		return err
	}
	release := view.Of(seen.Seen)
	version := release.Candidate
	if version == "" && !release.WindowEnds(time.Now()).IsZero() {
		version = release.Stable
	}
	switch {
	case version != "":
	case release.Previous() != "":
		return fmt.Errorf("no release of %s is under way, and its rollback window is over; go back to %s with %s undo %s", name, release.Previous(), o.command, name)
	default:
		return fmt.Errorf("no release of %s is under way", name)
	}
	describing, err := o.describing(ctx, seen, version)
	if err != nil {
		return err
	}
	what, err := o.ask(ctx, describing, suokev1.ActionAbort)
	if err != nil {
		return err
	}
	return o.settle(ctx, what, func(_ seenRelease, now view.Release) (string, error) {
		switch {
		case now.Candidate == version || now.Stable == version && release.Candidate == "":
			return "", nil
		case now.Stable == version:
			return "", ended(now, version)
		case now.Stable == "":
			return "the release of " + version + " is over; nothing serves", nil
		default:
			return fmt.Sprintf("the release of %s is over; %s has all of the traffic", version, now.Stable), nil
		}
	})
}
