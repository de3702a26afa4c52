// Command localcluster runs a real Kubernetes of one node on this machine, in namespaces of its own and one directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/localcluster/internal/host"
	"github.com/suoke-life/suoke/localcluster/internal/node"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "localcluster:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == host.NodeArgument {
		return node.Run(os.Stdin)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return newRootCommand().ExecuteContext(ctx)
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "localcluster",
		Short:         "A real Kubernetes of one node, in one directory",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newUpCommand(), newDownCommand(), newLoadCommand())
	return root
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("namespaces and mounts need root: put sudo before the command")
	}
	return nil
}
