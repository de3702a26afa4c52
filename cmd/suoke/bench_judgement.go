package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/release/trial"
)

type benchJudgementOptions struct {
	trial.Options

	output string
	out    io.Writer
	notes  io.Writer
}

func newBenchJudgementCommand() *cobra.Command {
	var o benchJudgementOptions
	cmd := &cobra.Command{
		Use:   "judgement",
		Short: "Play releases whose truth is known, and count how often and how soon rules return a candidate",
		Long: `Plays releases second by second on simulated traffic, lets every rule judge the same traffic, and prints:

  1. how often a candidate that is as good as stable is returned within 30 minutes, in each world;
  2. how soon one that fails 2 to 100 % of its requests is returned, how many requests failed until then, and how far that is
     from the least there can be; and the same for one that turns bad after ten minutes;
  3. the same for slow requests, and how soon and how often wrongly a candidate gets a Pass.

Rules: replay and young are the operator's, with a day of stable's history and with too little; plain is the sequential
test as it is published; bet is a bet on differences; 60s-x5, 60s-x1 and 10s-x3 return at so many windows of so many seconds in
which more than 1 % of the candidate's requests failed, as canary controllers do.

Unless a world says otherwise: 100 requests/s, a fifth to the candidate, which has one of five Pods; 0.5 % fail; in a spell half
of a Pod's requests fail, for 0.2 % of its time. What is printed depends on the seed and the sizes, not on the workers.
All of it takes some tens of minutes of one core; for a first look:

  suoke bench judgement --releases 300
  suoke bench judgement --only spells-10s --only detection --rule replay --rule plain
  suoke bench judgement -o json > judgement.json

Worlds and tables to ask for with --only: ` + strings.Join(trial.Names(), ", ") + `.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.out, o.notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return runBenchJudgement(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.Releases, "releases", 10_000, "releases of each world whose candidate is as good as stable")
	cmd.Flags().IntVar(&o.Detections, "detections", 300, "releases of each bad candidate")
	cmd.Flags().IntVar(&o.Histories, "histories", 25, "days of history of each world; as many releases share one")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "of the random numbers: the same prints the same")
	cmd.Flags().IntVar(&o.Workers, "workers", runtime.GOMAXPROCS(0), "releases played at once")
	cmd.Flags().StringArrayVar(&o.Only, "only", nil, "a world or a table (repeatable); all if there is none")
	cmd.Flags().StringArrayVar(&o.Rules, "rule", nil, "a rule (repeatable); all if there is none")
	addOutputFlag(cmd, &o.output)
	return cmd
}

func runBenchJudgement(ctx context.Context, o benchJudgementOptions) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	o.Progress = progressInParts(o.notes)
	report, err := trial.Run(ctx, o.Options)
	if err != nil {
		return fmt.Errorf("bench judgement: %w", err)
	}
	if o.output == outputJSON {
		return writeJSON(o.out, report)
	}
	return report.WriteText(o.out)
}

// progressInParts writes a line for every twentieth that is done.
func progressInParts(to io.Writer) func(done, total int) {
	const parts = 20
	return func(done, total int) {
		if part := done * parts / total; part > (done-1)*parts/total {
			fmt.Fprintf(to, "%d %% of the releases are played\n", part*100/parts)
		}
	}
}
