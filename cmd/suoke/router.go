package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/internal/traffic/router"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

type routerOptions struct {
	cluster     server.Cluster
	address     string
	admin       string
	delay       time.Duration
	maxInFlight int64
	maxWaiting  int64
	maxBuffered int64
}

func newRouterCommand() *cobra.Command {
	var o routerOptions
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Split requests over a model's versions, shield clients from a failing candidate, and count",
		Long: `The data plane. It watches the routes that the operator writes (ConfigMaps labelled ` + route.Label + `=true) and
the Pods of each version, and answers the Open Inference Protocol and the one that language models speak:

  curl -d '{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]}]}' \
    http://model-router:8080/v2/models/xiaoai-llm-model/infer
  curl -N -d '{"model": "xiaoai-llm-model", "prompt": "…", "stream": true}' http://model-router:8080/v1/completions

A client may send X-Session-ID (or a cookie suoke-session) to stay at one version, X-Suoke-Timeout: 2s (default 30s, at
most 60s; of a stream until its first byte) and X-Suoke-Retry: never.
Counts by version and Pod are on the admin port under /report.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRouter(cmd.Context(), o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.address, "listen", ":8080", "address for requests to models")
	cmd.Flags().StringVar(&o.admin, "admin-listen", ":8081", "address for /report, /health, /ready and /metrics")
	cmd.Flags().DurationVar(&o.delay, "stop-delay", 5*time.Second, "time between SIGTERM and refusing new requests")
	cmd.Flags().Int64Var(&o.maxInFlight, "max-in-flight", 1000, "requests of one model under way at once")
	cmd.Flags().Int64Var(&o.maxWaiting, "max-waiting", 200, "requests of one model that may wait a quarter of a second for room; more get 429")
	cmd.Flags().Int64Var(&o.maxBuffered, "max-buffered", 64<<20, "bytes of request bodies kept for asking again, in all")
	return cmd
}

// collectRarely trades memory for time: a router keeps little, and every collection takes the core from requests.
func collectRarely() {
	const percent = 400
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

func runRouter(ctx context.Context, o routerOptions, log *slog.Logger) error {
	collectRarely()
	client, err := o.cluster.Client()
	if err != nil {
		return err
	}
	pods, err := balance.NewDirectory(client, o.cluster.Namespace)
	if err != nil {
		return err
	}
	registry := server.NewRegistry()
	rt := router.New(router.Config{
		Name:        server.PodName(),
		Pods:        pods.Set,
		Forget:      pods.Forget,
		Namespace:   o.cluster.Namespace,
		MaxInFlight: o.maxInFlight,
		MaxWaiting:  o.maxWaiting,
		MaxBuffered: o.maxBuffered,
	}, registry)
	routes, err := router.NewWatch(client, o.cluster.Namespace, rt, log)
	if err != nil {
		return err
	}
	admin := http.NewServeMux()
	s := &server.Server{
		Listeners: []server.Listener{{Address: o.address, Handler: rt}, {Address: o.admin, Handler: admin}},
		Delay:     o.delay,
		Drain:     router.LongestDeadline,
		Log:       log,
		Ready: func() error {
			if !pods.Synced() || !routes.Synced() {
				return errors.New("routes and endpoints are not all read yet")
			}
			return nil
		},
	}
	s.Probes(admin, registry)
	admin.HandleFunc("GET "+route.ReportPath, rt.ServeReport)
	return withWatches(ctx, s, pods.Run, routes.Run)
}

// withWatches runs watches beside a server, and on until it has drained: a Pod that goes while requests are still
// served must not be asked.
func withWatches(ctx context.Context, s *server.Server, watches ...func(context.Context)) error {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for _, watch := range watches {
		go watch(watching)
	}
	return s.Run(ctx)
}
