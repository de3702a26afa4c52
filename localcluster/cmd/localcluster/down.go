package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/localcluster/internal/host"
)

func newDownCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop a cluster and remove everything of it; the built programs stay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			absolute, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("finding --dir: %w", err)
			}
			found, err := host.Down(absolute)
			if err != nil {
				return err
			}
			if found {
				fmt.Fprintf(cmd.OutOrStdout(), "the cluster in %s is down\n", absolute)
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "there is no cluster in %s\n", absolute)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".local/cluster", "the cluster's directory")
	return cmd
}
