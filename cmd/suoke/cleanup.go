package main

import "github.com/spf13/cobra"

func newCleanupCommand() *cobra.Command {
	return newScriptCommand("cleanup", "List what would go, ask, and remove it", `Cleanup removes everything that deploy made, the registry with its models too. It lists it first and asks. Custom
resource definitions stay while other namespaces use them, and the namespace while anything else is in it.`)
}
