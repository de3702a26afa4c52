package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/host"
	"github.com/suoke-life/suoke/localcluster/internal/image"
)

func newLoadCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "load --dir DIR FILE.tar…",
		Short:   "Load archives of images into a running cluster",
		Example: "  localcluster load --dir .local/cluster build/images/suoke.tar",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			pid, err := host.Holder(dir)
			if err != nil {
				return err
			}
			if pid == 0 {
				return fmt.Errorf("no cluster is up in %s: start it with suoke up --dir %s", dir, dir)
			}
			record, err := host.WaitReady(cmd.Context(), dir)
			if err != nil {
				return err
			}
			return image.Load(cmd.Context(), cluster.Socket(record.NodePID), archives, func(name string) {
				fmt.Fprintln(cmd.OutOrStdout(), "loaded", name)
			})
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".local/cluster", "the cluster's directory")
	return cmd
}
