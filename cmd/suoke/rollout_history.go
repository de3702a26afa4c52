package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutHistoryCommand() *cobra.Command {
	var o rolloutOptions
	return o.named("history", "Show what became of each version of a model, oldest first", `Show every change of the phase of each version of a model, oldest first: the promotionHistory of its ModelVersions, merged.`,
		func(ctx context.Context, name string) error {
			model, err := o.model(ctx, name)
			if err != nil {
				return err
			}
			versions, err := o.versions(ctx, name)
			if err != nil {
				return err
			}
			events := view.Of(view.Seen{Model: *model, Versions: versions}).History()
			switch {
			case o.output == outputJSON:
				return writeJSON(o.out, events)
			case len(events) == 0:
				_, err = fmt.Fprintf(o.out, "no version of %s has been released yet\n", name)
			default:
				_, err = fmt.Fprint(o.out, view.Table(events, time.Now()))
			}
			return err
		})
}
