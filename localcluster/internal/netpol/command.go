// Package netpol enforces NetworkPolicies on a node whose Pods are routed, as the ptp CNI plugin does: each packet between
// Pods passes the forward hook, where one nftables table, replaced as a whole, decides. It covers ingress and egress, all kinds
// of peers, ranges and named ports, for IPv4. It promises nothing for packets between a Pod and its own node: those are always let through.
package netpol

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// settle gathers changes that come together into one table.
	settle = 20 * time.Millisecond
	// again is the wait after a table that was not taken.
	again = time.Second
)

// NewCommand returns the program netpol.
func NewCommand() *cobra.Command {
	var kubeconfig string
	cmd := &cobra.Command{
		Use:           "netpol --kubeconfig FILE",
		Short:         "Enforce NetworkPolicies on this node by nftables",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), kubeconfig)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	return cmd
}

func run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading --kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	changed := make(chan struct{}, 1)
	pods := factory.Core().V1().Pods()
	namespaces := factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(notify(changed)); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return enforce(ctx, changed, func() (Cluster, error) {
		var c Cluster
		var err error
		if c.Pods, err = pods.Lister().List(labels.Everything()); err != nil {
			return c, fmt.Errorf("listing Pods: %w", err)
		}
		if c.Namespaces, err = namespaces.Lister().List(labels.Everything()); err != nil {
			return c, fmt.Errorf("listing namespaces: %w", err)
		}
		if c.Policies, err = policies.Lister().List(labels.Everything()); err != nil {
			return c, fmt.Errorf("listing NetworkPolicies: %w", err)
		}
		return c, nil
	})
}

// notify returns handlers that put one token into changed, where any number of changes find room.
func notify(changed chan<- struct{}) cache.ResourceEventHandler {
	token := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { token() },
		UpdateFunc: func(any, any) { token() },
		DeleteFunc: func(any) { token() },
	}
}

// enforce keeps the kernel's table equal to what the policies mean, until ctx ends.
func enforce(ctx context.Context, changed <-chan struct{}, observe func() (Cluster, error)) error {
	var inForce string
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-retry.C:
		case <-changed:
			retry.Reset(settle)
			continue
		}
		cluster, err := observe()
		if err != nil {
			return err
		}
		table := Table(cluster)
		if table == inForce {
			continue
		}
		if err := load(ctx, table); err != nil {
			slog.Error("the policies in force are the ones before", "error", err)
			retry.Reset(again)
			continue
		}
		slog.Info("policies in force", "policies", len(cluster.Policies), "pods", len(cluster.Pods))
		inForce = table
	}
}

func load(ctx context.Context, table string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(table)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}
