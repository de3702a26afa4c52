package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/store"
)

type modelPullOptions struct {
	registryFlags

	reference string
	dir       string
	out       io.Writer
}

func newModelPullCommand() *cobra.Command {
	var o modelPullOptions
	cmd := &cobra.Command{
		Use:   "pull REFERENCE DIR",
		Short: "Bring a model or data set into a directory, verified",
		Long: `Bring the files of a model or data set into a directory. Every byte is checked against the digest; a new directory
appears whole or not at all.

  suoke model pull models/xiaoai-digits:v2.1.0 /tmp/digits`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference, o.dir, o.out = args[0], args[1], cmd.OutOrStdout()
			return runModelPull(cmd.Context(), o)
		},
	}
	o.add(cmd.Flags())
	return cmd
}

func runModelPull(ctx context.Context, o modelPullOptions) error {
	from, options, err := o.parse(o.reference)
	if err != nil {
		return err
	}
	artifact, err := store.Pull(ctx, from, o.dir, options)
	if err != nil {
		return fmt.Errorf("%w%s", err, hint(err, from))
	}
	_, err = fmt.Fprintf(o.out, "%s  %s  into %s\n", artifact.Digest, bytesText(artifact.SizeBytes), o.dir)
	return err
}
