package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutListCommand() *cobra.Command {
	var o rolloutOptions
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the models with what is wanted, what serves, and where their releases are",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd, o.list)
		},
	}
	o.flags(cmd)
	return cmd
}

func (o *rolloutOptions) list(ctx context.Context) error {
	models, err := o.models(ctx)
	if err != nil {
		return err
	}
	versions, err := o.versions(ctx, "")
	if err != nil {
		return err
	}
	releases := []view.Release{}
	for i := range models {
		releases = append(releases, view.Of(view.Seen{Model: models[i], Versions: versions}))
	}
	if o.output == outputJSON {
		return writeJSON(o.out, releases)
	}
	_, err = fmt.Fprint(o.out, view.List(releases, time.Now()))
	return err
}
