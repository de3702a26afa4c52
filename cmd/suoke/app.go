package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/console"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

type appOptions struct {
	cluster     server.Cluster
	profileFile string
	address     string
	delay       time.Duration
	maxInFlight int64
}

func newAppCommand() *cobra.Command {
	var o appOptions
	cmd := &cobra.Command{
		Use:   "app",
		Short: "Run the public edge: /api/agents/<agent>/v1/… to the agents' Pods",
		Long: `The public edge, behind the Ingress.

  curl -d '{"inputs": {"bmi": 27.5}}' http://suokelife-service/api/agents/soer/v1/infer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runApp(cmd.Context(), o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents.yaml to use in place of the built-in one")
	cmd.Flags().StringVar(&o.address, "listen", ":3000", "address for requests, probes and metrics")
	cmd.Flags().DurationVar(&o.delay, "stop-delay", 5*time.Second, "time between SIGTERM and refusing new requests")
	cmd.Flags().Int64Var(&o.maxInFlight, "max-in-flight", 1000, "requests under way at once; more get 429")
	return cmd
}

func runApp(ctx context.Context, o appOptions, log *slog.Logger) error {
	known, err := profile.Load(o.profileFile)
	if err != nil {
		return err
	}
	client, err := o.cluster.Client()
	if err != nil {
		return err
	}
	pods, err := balance.NewDirectory(client, o.cluster.Namespace)
	if err != nil {
		return err
	}
	agents := map[string]*balance.Set{}
	for _, a := range known.Agents {
		agents[a.Name] = pods.Set(a.Deployment, int(a.Port))
	}
	registry := server.NewRegistry()
	mux := http.NewServeMux()
	console.NewEdge(agents, o.maxInFlight, registry).Routes(mux)
	s := &server.Server{
		Listeners: []server.Listener{{Address: o.address, Handler: console.KeepMetrics(mux)}},
		Delay:     o.delay,
		Drain:     console.LongestAnswer,
		Log:       log,
		Ready: func() error {
			if !pods.Synced() {
				return errors.New("the agents' addresses are not read yet")
			}
			return nil
		},
	}
	s.Probes(mux, registry)
	return withWatches(ctx, s, pods.Run)
}
