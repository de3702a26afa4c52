package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/store"
)

type modelInspectOptions struct {
	registryFlags

	output string
	out    io.Writer
}

func newModelInspectCommand() *cobra.Command {
	var o modelInspectOptions
	cmd := &cobra.Command{
		Use:   "inspect REFERENCE",
		Short: "Describe a model or data set: its digest and files",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.out = cmd.OutOrStdout()
			return runModelInspect(cmd.Context(), o, args[0])
		},
	}
	o.add(cmd.Flags())
	addOutputFlag(cmd, &o.output)
	return cmd
}

func runModelInspect(ctx context.Context, o modelInspectOptions, reference string) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	from, options, err := o.parse(reference)
	if err != nil {
		return err
	}
	d, err := store.Inspect(ctx, from, options)
	if err != nil {
		return fmt.Errorf("%w%s", err, hint(err, from))
	}
	if o.output == outputJSON {
		return writeJSON(o.out, d)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 3, ' ', 0)
	var rows strings.Builder
	fmt.Fprintf(&rows, "Reference:\t%s\nKind:\t%s\nName:\t%s\nVersion:\t%s\nFormat:\t%s\nSize:\t%s\n",
		d.Reference, d.Kind, d.Name, d.Version, d.Format, bytesText(d.SizeBytes))
	for _, f := range d.Files {
		fmt.Fprintf(&rows, "File:\t%s\t%s\t%s\n", f.Path, bytesText(f.SizeBytes), f.Digest)
	}
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
}
