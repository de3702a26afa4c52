// Command suoke runs and manages the agents and models of Suoke Life on Kubernetes. Each file holds one command; this is
// the only package that joins the others.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "suoke:", err)
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "suoke",
		Short:         "Elastic agents and model releases on evidence, on Kubernetes",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newMetricsAdapterCommand(),
		newDeployCommand(),
		newVerifyCommand(),
		newDashboardCommand(),
		newCleanupCommand(),
		newStatusCommand(),
		newRenderCommand(),
		newRouterCommand(),
		newAgentCommand(),
		newAppCommand(),
		newImageCommand(),
		newLoadCommand(),
		newDemoCommand(),
	)
	return root
}
