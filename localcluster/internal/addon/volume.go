package addon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
)

const (
	// volumes are there from the start; each is a directory.
	volumes = 4
	// tenant is the user that may write into a volume before Kubernetes hands it to a Pod's group.
	tenant = 65532
	// reclaim is how often volumes that were given back are looked for.
	reclaim = 2 * time.Second
)

// Volume is a PersistentVolume with its path on the node.
type Volume struct{ Name, Path string }

// claims is the part of the API that says which volumes were given back, and offers them again.
type claims interface {
	Get(ctx context.Context, path string, value any) error
	Merge(ctx context.Context, path string, fields kube.Object) error
}

// Volumes lists the volumes of a cluster.
func Volumes() []Volume {
	var all []Volume
	for i := range volumes {
		name := fmt.Sprintf("local-%d", i)
		all = append(all, Volume{Name: name, Path: "/var/lib/volumes/" + name})
	}
	return all
}

// host is the volume's directory as the host sees it.
func (v Volume) host(c cluster.Config) string { return c.Path("node", "lib", "volumes", v.Name) }

// MakeVolumes makes the volumes' directories.
func MakeVolumes(c cluster.Config) error {
	for _, v := range Volumes() {
		if err := os.MkdirAll(v.host(c), 0o770); err != nil { //nolint:gosec // Kubernetes hands it to a Pod's group
			return fmt.Errorf("making volume %s: %w", v.Name, err)
		}
		if err := os.Chown(v.host(c), tenant, tenant); err != nil {
			return fmt.Errorf("making volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// Reclaim empties every volume whose claim was deleted and offers it again, until ctx ends: a claim that is made anew finds
// a volume, as it would where a provisioner makes them.
func Reclaim(ctx context.Context, api claims, c cluster.Config) {
	ticker := time.NewTicker(reclaim)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, v := range Volumes() {
			if err := v.reclaim(ctx, api, c); err != nil && ctx.Err() == nil {
				slog.Debug("a volume is not offered again", "volume", v.Name, "error", err)
			}
		}
	}
}

func (v Volume) reclaim(ctx context.Context, api claims, c cluster.Config) error {
	path := "/api/v1/persistentvolumes/" + v.Name
	var volume struct {
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
	if err := api.Get(ctx, path, &volume); err != nil || volume.Status.Phase != "Released" {
		return err
	}
	entries, err := os.ReadDir(v.host(c))
	if err != nil {
		return err
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(v.host(c), e.Name())))
	}
	if err != nil {
		return err
	}
	return api.Merge(ctx, path, kube.Object{"spec": kube.Object{"claimRef": nil}})
}
