package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"

	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/scaling/metricsapi"
	"github.com/suoke-life/suoke/internal/scaling/scrape"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

type metricsAdapterOptions struct {
	cluster     server.Cluster
	profileFile string
	service     string
	port        int
	address     string
}

func newMetricsAdapterCommand() *cobra.Command {
	var o metricsAdapterOptions
	cmd := &cobra.Command{
		Use:   "metrics-adapter",
		Short: "Serve the request rates of agents and models to the HPAs (custom.metrics.k8s.io)",
		Long: `The metrics adapter reads the counter of every agent's Pod, and of every model server that an HPA scales, each second and
serves its rate as custom.metrics.k8s.io, by default over the last 6 seconds; an HPA's metric selector window=60s asks for the
last minute. Model servers have the metric model_requests_per_second.

  kubectl get --raw "/apis/custom.metrics.k8s.io/v1beta2/namespaces/suoke-life/pods/*/ai_inference_requests_per_second"

It writes its certificate authority into its APIServices. One that another adapter serves is left alone, and the log says so.
On --listen it tells about replicas, HPAs, VPAs, usage and restarts as Prometheus metrics.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runMetricsAdapter(cmd.Context(), o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents.yaml to use in place of the built-in one")
	cmd.Flags().StringVar(&o.service, "service", "metrics-adapter", "Service by which the API server reaches this process")
	cmd.Flags().IntVar(&o.port, "port", 6443, "port of custom.metrics.k8s.io")
	cmd.Flags().StringVar(&o.address, "listen", ":8080", "address for probes and metrics")
	return cmd
}

// adapterClients are the adapter's ways to the API server.
type adapterClients struct {
	objects  kubernetes.Interface
	services aggregator.Interface
	usage    metricsclient.Interface
	others   dynamic.Interface
}

func newAdapterClients(config *rest.Config) (adapterClients, error) {
	objects, objectsErr := kubernetes.NewForConfig(config)
	services, servicesErr := aggregator.NewForConfig(config)
	usage, usageErr := metricsclient.NewForConfig(config)
	others, othersErr := dynamic.NewForConfig(config)
	if err := errors.Join(objectsErr, servicesErr, usageErr, othersErr); err != nil {
		return adapterClients{}, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return adapterClients{objects, services, usage, others}, nil
}

func runMetricsAdapter(ctx context.Context, o metricsAdapterOptions, log *slog.Logger) error {
	agents, err := profile.Load(o.profileFile)
	if err != nil {
		return err
	}
	config, err := o.cluster.Config()
	if err != nil {
		return fmt.Errorf("finding the cluster (run in a Pod, or write --kubeconfig FILE): %w", err)
	}
	clients, err := newAdapterClients(config)
	if err != nil {
		return err
	}
	registration := &metricsapi.Registration{Client: clients.services, Service: o.service, Namespace: o.cluster.Namespace, Log: log}
	endpoint := &metricsapi.Endpoint{Port: o.port, Kubeconfig: o.cluster.Kubeconfig}
	authority, err := metricsapi.SharedAuthority(ctx, clients.objects, o.cluster.Namespace)
	if err != nil {
		return err
	}
	registration.CA = authority.CA
	if endpoint.Certificate, endpoint.Key, err = authority.Issue(o.service, o.cluster.Namespace, time.Now()); err != nil {
		return err
	}

	watches := informers.NewSharedInformerFactoryWithOptions(clients.objects, 0, informers.WithNamespace(o.cluster.Namespace))
	pods := watches.Core().V1().Pods().Lister()
	hpas := watches.Autoscaling().V2().HorizontalPodAutoscalers().Lister()
	counter := func(version string) string {
		hpa, err := hpas.HorizontalPodAutoscalers(o.cluster.Namespace).Get(version)
		if err != nil {
			return "" // no autoscaler has the say over it
		}
		return hpa.Annotations[profile.AnnotationRequestsCounter]
	}
	scraper := scrape.New(func() []scrape.Target { return scrape.Targets(agents, list(pods.List(labels.Everything())), counter) }, log)
	usage := metricsapi.NewUsage(clients.usage, clients.others, o.cluster.Namespace, log)
	endpoint.Metrics = metricsapi.NewProvider(agents, pods, o.cluster.Namespace, scraper)
	probes := o.probes(log, watches.Core().V1().Pods().Informer().HasSynced, &metricsapi.Objects{
		Agents: agents, Namespace: o.cluster.Namespace, Pods: pods,
		Deployments: watches.Apps().V1().Deployments().Lister(),
		HPAs:        hpas,
		Rates:       scraper, Usage: usage,
	})

	watches.Start(ctx.Done())
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context){scraper.Run, usage.Run, registration.Run} {
		group.Go(func() error { run(ctx); return nil })
	}
	group.Go(func() error { return probes.Run(ctx) })
	group.Go(func() error { return endpoint.Run(ctx) })
	err = group.Wait()
	watches.Shutdown()
	return err
}

// probes tell whether the process lives and has read all Pods, and what the agents' objects say as metrics.
func (o metricsAdapterOptions) probes(log *slog.Logger, synced func() bool, objects *metricsapi.Objects) *server.Server {
	registry := server.NewRegistry()
	registry.MustRegister(objects)
	mux := http.NewServeMux()
	probes := &server.Server{
		Listeners: []server.Listener{{Address: o.address, Handler: mux}},
		Drain:     5 * time.Second,
		Log:       log,
		Ready: func() error {
			if !synced() {
				return errors.New("the Pods are not all read yet")
			}
			return nil
		},
	}
	probes.Probes(mux, registry)
	return probes
}

// list is what a cache holds; a cache's listing of everything cannot fail.
func list(pods []*corev1.Pod, _ error) []*corev1.Pod { return pods }
