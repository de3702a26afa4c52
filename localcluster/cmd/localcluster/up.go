package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/host"
)

type upOptions struct {
	config     cluster.Config
	publish    []string
	images     []string
	foreground bool
}

func newUpCommand() *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster; return when everything that comes with it is available",
		Long: `Up starts a cluster in the background and returns when its node is Ready, the Deployments of kube-system are available and
the metrics API answers. A cluster that is up already is left as it is.

A file DIR/hold-COMPONENT keeps a component (etcd, kubelet, …) down after it was killed; without one it is back in a second.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config.Dir, "dir", ".local/cluster", "everything of the cluster")
	f.StringVar(&o.config.BuildDir, "build-dir", "build/cluster", "the programs")
	f.StringVar(&o.config.Name, "name", "local", "tells clusters beside each other apart")
	f.IntVar(&o.config.Network, "network", 1, "block of private addresses: 10.(100+N).0.0/16")
	f.IntVar(&o.config.APIPort, "api-port", 6443, "port of 127.0.0.1 for the API server")
	f.StringArrayVar(&o.publish, "publish", []string{"3000=suoke-life/suokelife-service:80", "5000=suoke-life/model-registry:5000"},
		"PORT=NAMESPACE/SERVICE:PORT, a Service to be reached at a port of 127.0.0.1; can be repeated, and then replaces the defaults")
	f.StringSliceVar(&o.images, "images", nil, "archives of images to load")
	f.BoolVar(&o.foreground, "foreground", false, "stay, and take the cluster down at the end")
	return cmd
}

func (o *upOptions) run(ctx context.Context, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.config.Dir, 0o755); err != nil { //nolint:gosec // who called sudo reads the kubeconfig in it
		return fmt.Errorf("making --dir: %w", err)
	}
	if pid, err := host.Holder(o.config.Dir); err != nil {
		return err
	} else if pid > 0 {
		return joinUp(ctx, o.config, out)
	}
	if !o.foreground {
		return detach(ctx, o.config, out)
	}
	return o.supervise(ctx, newReport(out))
}

// check reads the flags.
func (o *upOptions) check() error {
	o.config.Publish = nil
	for _, text := range o.publish {
		p, err := cluster.ParsePublication(text)
		if err != nil {
			return err
		}
		o.config.Publish = append(o.config.Publish, p)
	}
	if err := o.config.Validate(); err != nil {
		return err
	}
	for _, archive := range o.images {
		if _, err := os.Stat(archive); err != nil {
			return fmt.Errorf("--images: %w", err)
		}
	}
	return nil
}

// supervise runs the cluster in this process.
func (o *upOptions) supervise(ctx context.Context, r *report) error {
	lock, err := host.Lock(o.config.Dir)
	if err == nil {
		defer lock.Close()
		err = host.Up(ctx, o.config, o.images, r.say, func() error { return r.ready(o.config) })
	} else if errors.Is(err, host.ErrHeld) {
		err = fmt.Errorf("another process is bringing up the cluster in %s", o.config.Dir)
	}
	return r.end(err)
}

// joinUp waits for a cluster that another process has up, or is bringing up, and tells about it as it is.
func joinUp(ctx context.Context, c cluster.Config, out io.Writer) error {
	record, err := host.WaitReady(ctx, c.Dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the cluster in %s is up already\n", c.Dir)
	describe(out, record.Config)
	return nil
}

// describe says how to use a cluster.
func describe(out io.Writer, c cluster.Config) {
	fmt.Fprintf(out, "export KUBECONFIG=%s\n", c.Kubeconfig())
	fmt.Fprintf(out, "127.0.0.1:%d is the API server\n", c.APIPort)
	for _, p := range c.Publish {
		fmt.Fprintf(out, "127.0.0.1:%d is Service %s\n", p.Port, strings.Replace(p.Target(), ":", ", port ", 1))
	}
}
