package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/suoke-life/suoke/localcluster/internal/addon"
	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/image"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
)

// bringUp waits for, and adds, everything between the node's first process and a cluster that is of use.
func bringUp(ctx context.Context, api *kube.Client, c cluster.Config, nodePID int, archives []string, say func(string)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it is not up after %v: the logs are in %s", patience, c.Path("log")))
	defer cancel()
	start := time.Now()
	step := func(text string) { say(fmt.Sprintf("%5.1f s  %s", time.Since(start).Seconds(), text)) }

	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error {
		if err := loadImages(bothCtx, api, nodePID, archives); err != nil {
			return err
		}
		step("images loaded")
		return nil
	})
	both.Go(func() error {
		if err := api.Ready(bothCtx); err != nil {
			return err
		}
		step("API server ready")
		return nil
	})
	if err := both.Wait(); err != nil {
		return err
	}
	// Pods are made only when their images are there: the kubelet would look again only after some seconds.
	if err := addon.Apply(ctx, api, c); err != nil {
		return err
	}
	if err := nodeReady(ctx, api, c); err != nil {
		return err
	}
	step("node Ready")
	for _, name := range []string{"coredns", "metrics-server"} {
		if err := available(ctx, api, name); err != nil {
			return err
		}
		step(name + " available")
	}
	if err := addon.ApplyMetricsAPI(ctx, api, c); err != nil {
		return err
	}
	if err := metricsServed(ctx, api, c); err != nil {
		return err
	}
	step("metrics served")
	return nil
}

// loadImages loads the archives as soon as containerd listens.
func loadImages(ctx context.Context, api *kube.Client, nodePID int, archives []string) error {
	socket := cluster.Socket(nodePID)
	return api.Until(ctx, "the images to be loaded", func(ctx context.Context) (bool, error) {
		err := image.Load(ctx, socket, archives, func(string) {})
		return err == nil, err
	})
}

// conditions are the part of a status that says what is true of an object.
type conditions struct {
	Status struct {
		Conditions []struct {
			Type    string `json:"type"`
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"conditions"`
	} `json:"status"`
}

func holds(ctx context.Context, api *kube.Client, path, condition string) (bool, error) {
	var object conditions
	if err := api.Get(ctx, path, &object); err != nil {
		return false, err
	}
	for _, c := range object.Status.Conditions {
		if c.Type == condition && c.Status == "True" {
			return true, nil
		}
		if c.Type == condition {
			return false, errors.New(c.Message)
		}
	}
	return false, nil
}

func nodeReady(ctx context.Context, api *kube.Client, c cluster.Config) error {
	return api.Until(ctx, "the node to be Ready", func(ctx context.Context) (bool, error) {
		return holds(ctx, api, "/api/v1/nodes/"+c.NodeName(), "Ready")
	})
}

func available(ctx context.Context, api *kube.Client, deployment string) error {
	return api.Until(ctx, "Deployment kube-system/"+deployment+" to be Available", func(ctx context.Context) (bool, error) {
		return holds(ctx, api, "/apis/apps/v1/namespaces/kube-system/deployments/"+deployment, "Available")
	})
}

func metricsServed(ctx context.Context, api *kube.Client, c cluster.Config) error {
	return api.Until(ctx, "the metrics API", func(ctx context.Context) (bool, error) {
		return true, api.Get(ctx, "/apis/metrics.k8s.io/v1beta1/nodes/"+c.NodeName(), nil)
	})
}
