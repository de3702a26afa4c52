// Command suoke runs and manages the agents and models of Suoke Life on Kubernetes. Each file holds one command; this is
// the only package that joins the others.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	root := newRootCommand()
	root.SetArgs(calledAs(root, os.Args))
	err := root.ExecuteContext(ctx)
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
		newRolloutCommand(),
		newBenchCommand(),
	)
	root.InitDefaultCompletionCmd() // a group too, which cobra would add later
	refuseUnknownVerbs(root)
	return root
}

// Names by which kubectl calls this program: as its plugin, and to complete what is typed after it.
const (
	pluginName    = "kubectl-suoke"
	completerName = "kubectl_complete-suoke"
)

// calledAs has the help texts show the name that the program was called by, and returns the arguments.
func calledAs(root *cobra.Command, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	switch filepath.Base(args[0]) {
	case pluginName:
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl suoke"}
	case completerName:
		return append([]string{cobra.ShellCompRequestCmd}, args[1:]...)
	}
	return args[1:]
}
