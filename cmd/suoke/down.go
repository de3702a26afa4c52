package main

import "github.com/spf13/cobra"

func newDownCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the local cluster and remove everything of it; what was built stays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCluster(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), clusterProgram, "down", "--dir="+dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", clusterDir, "the cluster's directory")
	return cmd
}
