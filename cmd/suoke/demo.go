package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/traffic/load"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

type demoOptions struct {
	cluster  server.Cluster
	address  string
	datasets string
	output   string
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a release, a refusal, a rollback and a scale-up on the running system",
		Long: `Sends recorded arrivals through the public edge and, under them, brings a better version of xiaoai's model to all of the
traffic, offers a worse one and one that fails at run time, and raises the load. Prints what happened with measured times
and counts, and ends with 1 if a promise was not kept. It takes about six minutes and can be run again.

It needs the system deployed with the local profile and the example models published; make run does both.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.address, "address", "http://127.0.0.1:3000", "the public edge")
	cmd.Flags().StringVar(&o.datasets, "datasets", "build/datasets", "folder of the data sets that requests are made of")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json: print the report as JSON")
	return cmd
}

func runDemo(ctx context.Context, o demoOptions, out, progress io.Writer) error {
	story, err := newStory(o, progress)
	if err != nil {
		return err
	}
	report, err := story.Run(ctx)
	if o.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if encodeErr := encoder.Encode(report); encodeErr != nil {
			return fmt.Errorf("printing the report: %w", encodeErr)
		}
	} else {
		printReport(out, report)
		printNext(out, o.address, environment(o.cluster.Kubeconfig))
	}
	if err == nil && !report.Good() {
		return errors.New("a promise was not kept: see the lines marked ✗")
	}
	return err
}

func newStory(o demoOptions, progress io.Writer) (*demo.Story, error) {
	config, err := o.cluster.Config()
	if err != nil {
		return nil, err
	}
	api, err := connect(config)
	if err != nil {
		return nil, err
	}
	edge, err := newEdge(o)
	if err != nil {
		return nil, err
	}
	return &demo.Story{Client: api, Namespace: o.cluster.Namespace, Traffic: edge, Out: progress}, nil
}

// newEdge reads what clients ask of each agent.
func newEdge(o demoOptions) (demo.Edge, error) {
	pattern, err := readPattern(traceConversation)
	if err != nil {
		return demo.Edge{}, err
	}
	bodies := map[string][][]byte{}
	for agent, file := range demo.RowFiles(o.datasets) {
		if bodies[agent], err = readFile(file, load.ReadBodies); err != nil {
			return demo.Edge{}, err
		}
	}
	return demo.Edge{URL: o.address, Bodies: bodies, Pattern: pattern}, nil
}

func printReport(out io.Writer, report demo.Report) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	chapter := ""
	for _, row := range report.Rows {
		if row.Chapter != chapter {
			chapter = row.Chapter
			fmt.Fprintf(w, "\n%s\n", chapter)
		}
		mark := "✓"
		if !row.Good {
			mark = "✗"
		}
		fmt.Fprintf(w, "  %s %s\t%s\n", mark, row.What, row.Value)
	}
	_ = w.Flush()
}

func printNext(out io.Writer, address, environment string) {
	fmt.Fprintf(out, "\nThe system is up at %s. Try next:\n", address)
	if environment != "" {
		fmt.Fprintf(out, "  %s\n", environment)
	}
	fmt.Fprintf(out, `  curl -s %s/    how to ask an agent
  bin/suoke status --watch          agents and models, live
  kubectl get aimodels,modelversions,hpa -n suoke-life
  kubectl describe aimodel xiaoai-llm-model -n suoke-life
  bin/suoke demo                    once more
  make down                         end it and leave nothing
`, address)
}

// environment is the line by which a shell finds the cluster and kubectl as this process does.
func environment(kubeconfig string) string {
	if kubeconfig = cmp.Or(kubeconfig, os.Getenv("KUBECONFIG")); kubeconfig == "" {
		return ""
	}
	line := "export KUBECONFIG=" + kubeconfig
	if kubectl, err := exec.LookPath("kubectl"); err == nil {
		line += " PATH=" + filepath.Dir(kubectl) + ":$PATH"
	}
	return line
}
