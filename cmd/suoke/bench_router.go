package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/internal/traffic/router"
	"github.com/suoke-life/suoke/internal/traffic/routerbench"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

type benchRouterOptions struct {
	duration time.Duration
	repeat   int
	only     []string
	output   string
}

func newBenchRouterCommand() *cobra.Command {
	var o benchRouterOptions
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Measure the router beside HAProxy and nginx, on one core each",
		Long: `Starts our router, HAProxy and nginx on 127.0.0.1, each on the same one core, before the same backend; client and
backend have another. In turns, so that whatever else the machine does meets all of them, it finds what each passes on at most with
32 connections, and what each adds to the way without a proxy at 2,000 requests (of a stream: events) a second, open loop.

Our router splits 80 : 20 between two versions, counts, and holds the candidate's answers back until they are whole; the others
only pass on. The machine should do nothing else meanwhile. HAProxy and nginx are measured where they are installed (Debian: apt-get install haproxy nginx-light).

  suoke bench router
  suoke bench router --only small --duration 10s -o json

Scenarios: ` + strings.Join(routerbench.Names(), ", ") + `.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBenchRouter(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().DurationVar(&o.duration, "duration", 3*time.Second, "of each measurement; there are two a proxy, scenario and repetition")
	cmd.Flags().IntVar(&o.repeat, "repeat", 3, "times that each measurement is made; the medians are printed")
	cmd.Flags().StringArrayVar(&o.only, "only", nil, "a scenario (repeatable); all if there is none")
	addOutputFlag(cmd, &o.output)
	cmd.AddCommand(newBenchRouterServeCommand())
	return cmd
}

func runBenchRouter(ctx context.Context, o benchRouterOptions, out, notes io.Writer) error {
	switch {
	case o.duration <= 0 || o.duration > 10*time.Minute:
		return fmt.Errorf("--duration: write more than 0 and at most 10m, not %v", o.duration)
	case o.repeat < 1:
		return fmt.Errorf("--repeat: write 1 or more, not %d", o.repeat)
	}
	if err := checkOutput(o.output); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program, to start the router: %w", err)
	}
	report, err := routerbench.Run(ctx, routerbench.Options{
		Suoke: func(listen, backend string) []string {
			return []string{self, "bench", "router", "serve", "--listen", listen, "--backend", backend}
		},
		Duration: o.duration, Repeat: o.repeat, Only: o.only,
		Progress: func(says string) { fmt.Fprintln(notes, says) },
	})
	if err != nil {
		return fmt.Errorf("bench router: %w", err)
	}
	if o.output == outputJSON {
		return writeJSON(out, report)
	}
	return report.WriteText(out)
}

type benchRouterServeOptions struct {
	listen, backend string
}

// newBenchRouterServeCommand is the router without a cluster, which the bench starts.
func newBenchRouterServeCommand() *cobra.Command {
	var o benchRouterServeOptions
	cmd := &cobra.Command{
		Use:    "serve --listen ADDRESS --backend ADDRESS",
		Short:  "Run the router before one backend, without a cluster",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveBenchRouter(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "", "address for requests")
	cmd.Flags().StringVar(&o.backend, "backend", "", "address that answers them, as stable and as candidate")
	return cmd
}

func serveBenchRouter(ctx context.Context, o benchRouterServeOptions) error {
	if o.listen == "" || o.backend == "" {
		return errors.New("write --listen ADDRESS and --backend ADDRESS")
	}
	collectRarely()
	const stable, candidate = "bench-1", "bench-2"
	pods := map[string]*balance.Set{}
	for _, id := range []string{stable, candidate} {
		pods[id] = &balance.Set{}
		pods[id].Update([]balance.Address{{Pod: id + "-pod", Host: o.backend}})
	}
	rt := router.New(router.Config{
		Name:        "router-0",
		Pods:        func(id string, _ int) *balance.Set { return pods[id] },
		Forget:      func(string, int) {},
		MaxInFlight: 1000,
		MaxBuffered: 64 << 20,
	}, server.NewRegistry())
	rt.Apply(route.Route{Model: "bench", Revision: 1, Stable: stable, Candidate: candidate, Versions: []route.Version{
		{ID: stable, Version: "v1", Weight: 80, Port: 1, MayReask: true},
		{ID: candidate, Version: "v2", Weight: 20, Port: 1, MayReask: true},
	}})
	s := &server.Server{
		Listeners: []server.Listener{{Address: o.listen, Handler: http.Handler(rt)}},
		Drain:     time.Second,
		Log:       slog.New(slog.DiscardHandler),
	}
	return s.Run(ctx)
}
