package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/traffic/agent"
	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

type agentOptions struct {
	cluster       server.Cluster
	name          string
	profileFile   string
	routerService string
	routerPort    int
	address       string
	delay         time.Duration
	maxInFlight   int64
}

func newAgentCommand() *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:   "agent --name NAME",
		Short: "Run a reference agent: typed requests, answered by its model through the router",
		Long: `A reference agent. Its model, its counter and its port come from the profile (agents.yaml).

  curl -d '{"inputs": [[27.5]]}' http://soer-agent:8080/v1/infer
  curl -d '{"inputs": {"bmi": 27.5}}' http://soer-agent:8080/v1/infer
  curl -N -H 'Accept: text/event-stream' -d '{"inputs": [[27.5], [30]]}' http://soer-agent:8080/v1/infer

A session (X-Session-ID, or a cookie suoke-session) goes with the request to its model.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAgent(cmd.Context(), o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.name, "name", "", "the agent, as the profile names it, such as xiaoai")
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents.yaml to use in place of the built-in one")
	cmd.Flags().StringVar(&o.routerService, "router-service", "model-router", "Service of the routers")
	cmd.Flags().IntVar(&o.routerPort, "router-port", 8080, "port of the routers' Pods")
	cmd.Flags().StringVar(&o.address, "listen", "", "address for requests, probes and metrics (default: the profile's port)")
	cmd.Flags().DurationVar(&o.delay, "stop-delay", 5*time.Second, "time between SIGTERM and refusing new requests")
	cmd.Flags().Int64Var(&o.maxInFlight, "max-in-flight", 500, "requests under way at once; more get 429")
	return cmd
}

func runAgent(ctx context.Context, o agentOptions, log *slog.Logger) error {
	agents, err := profile.Load(o.profileFile)
	if err != nil {
		return err
	}
	who, found := agents.Agent(o.name)
	if !found {
		return fmt.Errorf("--name: write one of %s, not %q", strings.Join(agents.Names(), ", "), o.name)
	}
	client, err := o.cluster.Client()
	if err != nil {
		return err
	}
	pods, err := balance.NewDirectory(client, o.cluster.Namespace)
	if err != nil {
		return err
	}
	registry := server.NewRegistry()
	a := agent.New(agent.Config{
		Name:        who.Name,
		Model:       who.Model,
		Counter:     who.Metric.Counter,
		Routers:     pods.Set(o.routerService, o.routerPort),
		MaxInFlight: o.maxInFlight,
	}, registry)
	if o.address == "" {
		o.address = fmt.Sprintf(":%d", who.Port)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/infer", a)
	s := &server.Server{
		Listeners: []server.Listener{{Address: o.address, Handler: mux}},
		Delay:     o.delay,
		Drain:     agent.LongestAnswer,
		Log:       log,
		Ready: func() error {
			if !pods.Synced() {
				return errors.New("the routers' addresses are not read yet")
			}
			return nil
		},
	}
	s.Probes(mux, registry)
	return withWatches(ctx, s, pods.Run)
}
