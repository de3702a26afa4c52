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

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/k8s"
)

// scriptOptions are those of k8s/deploy-agents-autoscaling.sh, which does the work of four commands.
type scriptOptions struct {
	verb        string
	size        string
	context     string
	profileFile string
	yes         bool
}

func newDeployCommand() *cobra.Command {
	return newScriptCommand("deploy", "Create or update everything on a cluster, and wait until it runs", `Deploy applies the manifests in the right order and waits until everything runs. It can be repeated at any time, also
under load: it resets neither replicas nor a release under way.

It needs kubectl. The images come from SUOKE_IMAGE_PREFIX with the tag SUOKE_IMAGE_TAG; suoke image push brings them there.`)
}

// newScriptCommand makes the command of one of the script's verbs.
func newScriptCommand(verb, short, long string) *cobra.Command {
	o := scriptOptions{verb: verb}
	cmd := &cobra.Command{
		Use:     verb,
		Short:   short,
		Long:    long + "\n\nThe same as k8s/" + k8s.ScriptName + " " + verb + ".",
		Example: "  suoke " + verb + " --context NAME",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&o.size, "profile", profile.Production, "sizes and durations: production or local")
	cmd.Flags().StringVar(&o.context, "context", "", "the kubeconfig's context (default: the current one)")
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents' profile to render from (default: the one in this binary)")
	if verb == "cleanup" {
		cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	}
	return cmd
}

// run lays script and manifests out in a directory of its own and runs the one on the others.
func (o *scriptOptions) run(ctx context.Context, in io.Reader, out, errOut io.Writer) error {
	text, err := profile.ReadYAML(o.profileFile)
	if err != nil {
		return err
	}
	files, err := manifest.Render(text, o.size)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "suoke-"+o.verb+"-")
	if err != nil {
		return fmt.Errorf("making a directory for the manifests: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := manifest.Write(dir, files); err != nil {
		return err
	}
	path := filepath.Join(dir, k8s.ScriptName)
	if err := os.WriteFile(path, []byte(k8s.Script()), 0o600); err != nil {
		return fmt.Errorf("writing the script: %w", err)
	}
	// The size is rendered already: the script finds its files beside itself, where production's are.
	args := []string{path, o.verb, "--profile", profile.Production}
	if o.context != "" {
		args = append(args, "--context", o.context)
	}
	if o.yes {
		args = append(args, "--yes")
	}
	cmd := exec.CommandContext(ctx, "bash", args...) //nolint:gosec // our own script; the arguments are the caller's own
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	err = cmd.Run()
	if exit, ended := errors.AsType[*exec.ExitError](err); ended {
		return fmt.Errorf("%s ended with %d", o.verb, exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("running bash: %w", err)
	}
	return nil
}
