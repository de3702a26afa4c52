package main

import "github.com/spf13/cobra"

func newDashboardCommand() *cobra.Command {
	return newScriptCommand("dashboard", "Apply the Grafana dashboard and say how to open it", `Dashboard applies the ConfigMap suoke-agents-dashboard, which a Grafana whose sidecar watches for the label
grafana_dashboard=1 loads by itself, and says how to import it by hand.`)
}
