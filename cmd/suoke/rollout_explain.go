package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/release/view"
)

func newRolloutExplainCommand() *cobra.Command {
	var o rolloutOptions
	return o.named("explain", "Say in sentences where a release is and why, and what a person can do", `Say in sentences what is wanted, what serves, where the release is and why, what it is judged by, what comes next, and
what a person can do now.`,
		func(ctx context.Context, name string) error {
			seen, err := o.look(ctx, name)
			if err != nil {
				return err
			}
			explanation := view.Of(seen.Seen).Explain(o.command, time.Now())
			if o.output == outputJSON {
				return writeJSON(o.out, explanation)
			}
			_, err = fmt.Fprint(o.out, explanation)
			return err
		})
}
