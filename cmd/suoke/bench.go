package main

import "github.com/spf13/cobra"

func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure what the documents claim",
		Long: `Each command below prints figures that stand in the documents, so that anyone can get them again.

  suoke bench judgement
  suoke bench router`,
	}
	cmd.AddCommand(newBenchRouterCommand(), newBenchJudgementCommand())
	return cmd
}
