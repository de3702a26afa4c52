// Command suoke runs and manages the agents and models of Suoke Life on Kubernetes. Each file holds one command; this is
// the only package that joins the others.
package main

import (
	"context"
	"errors"
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
		os.Exit(exitCode(err))
	}
}

// exitError ends the command with a status of its own.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }

// Unwrap returns what went wrong.
func (e exitError) Unwrap() error { return e.err }

// exitCode is the status that an error ends the command with.
func exitCode(err error) int {
	if exit, ok := errors.AsType[exitError](err); ok {
		return exit.code
	}
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "suoke",
		Short:         "Elastic agents and model releases on evidence, on Kubernetes",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newUpCommand(),
		newDownCommand(),
		newMetricsAdapterCommand(),
		newDeployCommand(),
		newVerifyCommand(),
		newDashboardCommand(),
		newCleanupCommand(),
		newStatusCommand(),
		newRenderCommand(),
		newOperatorCommand(),
		newRouterCommand(),
		newAgentCommand(),
		newAppCommand(),
		newImageCommand(),
		newModelCommand(),
		newRegistryCommand(),
		newEvaluateCommand(),
		newLoadCommand(),
		newDemoCommand(),
	)
	return root
}
