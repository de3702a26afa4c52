package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/suoke-life/suoke/internal/model/registry"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

const (
	// registryDrain is the longest wait for transfers at the end; with --stop-delay it is below the Pod's grace period.
	registryDrain = 50 * time.Second
	// reconcileAgain is when a controller that could not run is started anew.
	reconcileAgain = 10 * time.Second
)

type registryOptions struct {
	cluster server.Cluster
	root    string
	address string
	admin   string
	delay   time.Duration
}

func newRegistryCommand() *cobra.Command {
	var o registryOptions
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Keep models and data sets, and say which registries answer",
		Long: `An OCI registry on a directory. It deletes nothing; an upload that breaks off leaves nothing behind.

  suoke model push build/models/xiaoai-digits/v2.1.0 models/xiaoai-digits:v2.1.0 --registry model-registry:5000

It also looks after the ModelRegistries of its namespace: each is asked every syncPolicy.interval whether it answers, and
for the models that name it (registryRef, or the host of repository.url). What came of it stands in their status:

  kubectl get modelregistries
  kubectl describe modelregistry suoke-model-registry

and the log says which registry could not be reached, and why. An API server that is not there stops this, and no transfer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRegistry(cmd.Context(), o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.root, "root", "/var/lib/registry", "directory that keeps everything: a volume of one writer")
	cmd.Flags().StringVar(&o.address, "listen", ":5000", "address of the registry, with /health and /ready")
	cmd.Flags().StringVar(&o.admin, "admin-listen", ":8080", "address for /health, /ready and /metrics")
	cmd.Flags().DurationVar(&o.delay, "stop-delay", 3*time.Second, "time between SIGTERM and refusing new requests")
	return cmd
}

func runRegistry(ctx context.Context, o registryOptions, log *slog.Logger) (err error) {
	config, err := o.cluster.Config()
	if err != nil {
		return fmt.Errorf("finding the cluster (run in a Pod, or write --kubeconfig FILE): %w", err)
	}
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	// The library of the controllers has its own registry of metrics, with those of Go and the process.
	metrics := registry.NewMetrics(ctrlmetrics.Registry)
	files, err := registry.NewServer(ctx, o.root, metrics, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()

	public, admin := http.NewServeMux(), http.NewServeMux()
	s := &server.Server{
		Listeners: []server.Listener{{Address: o.address, Handler: public}, {Address: o.admin, Handler: admin}},
		Delay:     o.delay,
		Drain:     registryDrain,
		Log:       log,
		Ready:     files.Ready,
	}
	s.Probes(admin, ctrlmetrics.Registry)
	public.Handle("/v2/", files)
	public.Handle("/health", admin)
	public.Handle("/ready", admin)

	reconciling, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepReconciling(reconciling, config, o.cluster.Namespace, metrics, log)
	}()
	err = s.Run(ctx)
	stop()
	<-done
	return err
}

// keepReconciling runs the controller of ModelRegistries. Whatever ends it, such as kinds that are not installed yet, is
// no reason to stop serving models.
func keepReconciling(ctx context.Context, config *rest.Config, namespace string, metrics *registry.Metrics, log *slog.Logger) {
	for ctx.Err() == nil {
		if err := reconcileRegistries(ctx, config, namespace, metrics, log); err != nil {
			log.Warn("not looking after the ModelRegistries; trying again", "wait", reconcileAgain, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconcileAgain):
		}
	}
}

func reconcileRegistries(ctx context.Context, config *rest.Config, namespace string, metrics *registry.Metrics, log *slog.Logger) error {
	mgr, err := registry.NewManager(config, namespace)
	if err != nil {
		return err
	}
	if err := registry.NewReconciler(mgr, metrics, log).Register(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
