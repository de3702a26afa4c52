package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutPauseCommand() *cobra.Command {
	var o rolloutActOptions
	return o.acting("pause", "Hold a release at its weight, and begin none", `Hold the release under way at its weight, and begin none: spec.paused of the AIModel. What serves is still judged, and
returned if it is worse.`,
		func(ctx context.Context, name string) error { return o.pause(ctx, name, true) })
}

func newRolloutResumeCommand() *cobra.Command {
	var o rolloutActOptions
	return o.acting("resume", "End a pause", `End a pause: spec.paused of the AIModel is false again.`,
		func(ctx context.Context, name string) error { return o.pause(ctx, name, false) })
}

// pause holds releases of a model, or goes on with them.
func (o *rolloutActOptions) pause(ctx context.Context, name string, paused bool) error {
	seen, err := o.look(ctx, name)
	if err != nil {
		return err
	}
	what := asked{Model: name, Asked: "asked for a pause of " + name}
	if !paused {
		what.Asked = "asked for the end of the pause of " + name
	}
	if seen.Model.Spec.Paused == paused {
		what.Message, what.Done = name+" is paused already", true
		if !paused {
			what.Message = name + " is not paused"
		}
		return o.tell(what)
	}
	if err := o.change(ctx, &seen.Model, func(spec *suokev1.AIModelSpec) { spec.Paused = paused }); err != nil {
		return err
	}
	return o.settle(ctx, what, func(_ seenRelease, now view.Release) (string, error) {
		if now.Unseen {
			return "", nil
		}
		return o.pauseMeans(now), nil
	})
}

// pauseMeans says what a pause, or its end, means for what is under way and for what may begin.
func (o *rolloutActOptions) pauseMeans(now view.Release) string {
	is := fmt.Sprintf("%s: %s", now.Reason, now.Message)
	switch {
	case now.Paused && now.Reason == suokev1.ReasonPaused:
		return is
	case now.Paused && now.Candidate == "":
		return fmt.Sprintf("%s is paused: no release begins until it is resumed with %s resume %s", now.Model, o.command, now.Model)
	case now.Paused:
		return fmt.Sprintf("%s is paused until it is resumed with %s resume %s; now %s", now.Model, o.command, now.Model, is)
	case now.Candidate == "":
		return now.Model + " is not paused any more: a release can begin"
	default:
		return fmt.Sprintf("%s is not paused any more; now %s", now.Model, is)
	}
}

// change writes what differs in the spec of an AIModel. Another's change since it was read makes it fail.
func (o *rolloutActOptions) change(ctx context.Context, model *suokev1.AIModel, change func(*suokev1.AIModelSpec)) error {
	before := model.DeepCopy()
	change(&model.Spec)
	if err := o.api.Patch(ctx, model, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(personsManager)); err != nil {
		return fmt.Errorf("writing AIModel %s: %w", model.Name, err)
	}
	return nil
}
