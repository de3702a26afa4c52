package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
)

type modelListOptions struct {
	registryFlags

	output string
	out    io.Writer
}

func newModelListCommand() *cobra.Command {
	var o modelListOptions
	cmd := &cobra.Command{
		Use:   "ls [REGISTRY]",
		Short: "List the models and data sets of a registry",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.out = cmd.OutOrStdout()
			if len(args) == 1 {
				o.registry = args[0]
			}
			return runModelList(cmd.Context(), o)
		},
	}
	o.add(cmd.Flags())
	addOutputFlag(cmd, &o.output)
	return cmd
}

func runModelList(ctx context.Context, o modelListOptions) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	at := ref.Reference{Host: o.registry}
	entries, err := store.List(ctx, o.registry, o.options(at))
	if err != nil {
		return fmt.Errorf("%w%s", err, hint(err, at))
	}
	if o.output == outputJSON {
		return writeJSON(o.out, entries)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 3, ' ', 0)
	var rows strings.Builder
	rows.WriteString("REPOSITORY\tTAG\tKIND\tSIZE\tDIGEST\n")
	for _, e := range entries {
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\t%s\n", e.Repository, e.Tag, e.Kind, bytesText(e.SizeBytes), e.Digest)
	}
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
}

const outputJSON = "json"

func addOutputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "", "json, or nothing for a table")
}

func checkOutput(output string) error {
	if output != "" && output != outputJSON {
		return fmt.Errorf("--output %s: write json, or leave it out", output)
	}
	return nil
}

func writeJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
