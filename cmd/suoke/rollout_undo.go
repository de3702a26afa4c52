package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutUndoCommand() *cobra.Command {
	var o rolloutActOptions
	return o.acting("undo", "Want the version again that served before", `Want the version again that served before: spec.version of the AIModel, and spec.repository as it was for that version.
In mid-release, and after a refusal, that is the stable version. Within the rollback window the version before is still
warm, and gets everything in one write; after it, going back is a release like any other.`,
		o.undo)
}

func (o *rolloutActOptions) undo(ctx context.Context, name string) error {
	seen, err := o.look(ctx, name)
	if err != nil {
		return err
	}
	release := view.Of(seen.Seen)
	version, err := o.before(release)
	if err != nil {
		return err
	}
	frozen, known := seen.frozen[version]
	if !known {
		return fmt.Errorf("what %s of %s was made of is not known any more; write spec.version: %s and its spec.repository into the AIModel", version, name, version)
	}
	if err := o.change(ctx, &seen.Model, func(spec *suokev1.AIModelSpec) {
		spec.Version, spec.Repository = version, frozen.Source
	}); err != nil {
		return err
	}
	what := asked{Model: name, Version: version, Asked: fmt.Sprintf("%s of %s is wanted again, in place of %s", version, name, release.Wanted)}
	return o.settle(ctx, what, func(_ seenRelease, now view.Release) (string, error) {
		switch {
		case now.Unseen:
			return "", nil
		case now.Stable == version && now.Candidate == "":
			return version + " has all of the traffic", nil
		case now.Candidate == version:
			return fmt.Sprintf("the release of %s is under way; follow it with %s get %s --watch", version, o.command, name), nil
		case now.Refused:
			return "", fmt.Errorf("%s is refused: %s: %s", version, now.Reason, now.Message)
		default:
			return "", nil
		}
	})
}

// before is the version to go back to.
func (o *rolloutActOptions) before(release view.Release) (string, error) {
	switch {
	case release.Stable != "" && release.Wanted != release.Stable:
		return release.Stable, nil
	case release.Stable == "" || release.Previous() == "":
		return "", fmt.Errorf("no version of %s served before %s, so there is nothing to go back to", release.Model, release.Wanted)
	case release.Paused:
		return "", fmt.Errorf("%s is paused, so no release of %s would begin; end the pause first with %s resume %s", release.Model, release.Previous(), o.command, release.Model)
	default:
		return release.Previous(), nil
	}
}
