package main

import "github.com/spf13/cobra"

func newVerifyCommand() *cobra.Command {
	return newScriptCommand("verify", "Say of each part of a deployment whether it is right", `Verify looks at the namespace, the custom resources, every Deployment and Service, metrics-server, the agents' metrics,
every HPA and every model, and says of each what is right and what is wrong and how to look closer. It fails if anything is wrong.`)
}
