package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
)

type renderOptions struct {
	size        string
	profileFile string
	dir         string
}

func newRenderCommand() *cobra.Command {
	var o renderOptions
	cmd := &cobra.Command{
		Use:   "render DIR",
		Short: "Write the Kubernetes manifests into a directory",
		Long: `Render writes every file of k8s/ from the agents' profile: Deployments, Services, Ingress, HPAs, VPAs, CRDs,
examples and the dashboard. The same profile always gives the same bytes.

A fifth agent is one more entry in the profile: copy internal/profile/agents.yaml, add it, and render from the copy.`,
		Example: `  suoke render k8s
  suoke render --profile local k8s/local
  suoke render --profile-file my-agents.yaml out`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = args[0]
			return o.run(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&o.size, "profile", profile.Production, "sizes and durations: production or local")
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents' profile to render from (default: the one in this binary)")
	return cmd
}

func (o *renderOptions) run(out io.Writer) error {
	text, err := profile.ReadYAML(o.profileFile)
	if err != nil {
		return err
	}
	files, err := manifest.Render(text, o.size)
	if err != nil {
		return err
	}
	if err := manifest.Write(o.dir, files); err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintf(out, "%s/%s\n", o.dir, f.Name)
	}
	return nil
}
