package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Where the local cluster's sources and programs are in a checkout.
const (
	clusterBuild   = "localcluster/build.sh"
	clusterProgram = "build/cluster/localcluster"
	clusterDir     = ".local/cluster"
)

func newUpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Build and start a real Kubernetes on this machine",
		Long: `Up builds Kubernetes from Go modules, which takes some 10 minutes once, and starts it: one node, in namespaces and one
directory of its own, in the background. It returns when the node is Ready and metrics are served. A cluster that is up
already is left as it is. What a person talks to is published on 127.0.0.1.

It runs in a checkout of suoke on Linux, as root or with sudo. A machine that has a cluster already needs none:
use suoke deploy --context NAME.`,
		Example: `  suoke up
  suoke up --dir .local/second --name second --network 2 --api-port 6444 --publish 3001=suoke-life/suokelife-service:80`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUp(cmd.Context(), cmd.Flags(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.String("dir", clusterDir, "everything of the cluster")
	f.String("name", "local", "tells clusters beside each other apart")
	f.Int("network", 1, "block of private addresses: 10.(100+N).0.0/16")
	f.Int("api-port", 6443, "port of 127.0.0.1 for the API server")
	f.StringArray("publish", nil, "PORT=NAMESPACE/SERVICE:PORT, a Service to be reached at a port of 127.0.0.1; can be repeated\n"+
		"(default 3000=suoke-life/suokelife-service:80 and 5000=suoke-life/model-registry:5000)")
	return cmd
}

func runUp(ctx context.Context, flags *pflag.FlagSet, out, errOut io.Writer) error {
	if _, err := os.Stat(clusterBuild); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is not here: run suoke up in a checkout of suoke, or use suoke deploy with a cluster that you have", clusterBuild)
	}
	fmt.Fprintln(out, "building the local cluster, where that is not done yet")
	build := exec.CommandContext(ctx, "bash", clusterBuild, filepath.Dir(clusterProgram)) //nolint:gosec // both are constants
	build.Stdout, build.Stderr = out, errOut
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the local cluster: %w", err)
	}
	args := []string{"up"}
	var err error
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if f.Name == "publish" {
			values, err = flags.GetStringArray(f.Name)
		}
		for _, value := range values {
			args = append(args, "--"+f.Name+"="+value)
		}
	})
	if err != nil {
		return fmt.Errorf("reading the flags: %w", err)
	}
	return runCluster(ctx, out, errOut, clusterProgram, args...)
}

// runCluster runs the local cluster's program as root: it makes namespaces and mounts.
func runCluster(ctx context.Context, out, errOut io.Writer, program string, args ...string) error {
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is not there: the local cluster was not built here; run suoke up", program)
	}
	line := append([]string{program}, args...)
	if os.Geteuid() != 0 {
		line = append([]string{"sudo"}, line...)
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...) //nolint:gosec // the local cluster's program with the person's own flags
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, errOut
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err)
	}
	return nil
}
