package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
)

const (
	// snapshotter is the one that containerd is configured with.
	snapshotter = "overlayfs"
	// kubernetes is the namespace in which the kubelet sees images.
	kubernetes = "k8s.io"
)

func platform() (system, architecture string) { return "linux", runtime.GOARCH }

// Load puts every image of the archives into the containerd behind a socket and says each one's name.
func Load(ctx context.Context, socket string, archives []string, say func(name string)) (err error) {
	client, err := containerd.New(socket)
	if err != nil {
		return fmt.Errorf("reaching containerd: %w", err)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ctx = namespaces.WithNamespace(ctx, kubernetes)
	for _, archive := range archives {
		if err := load(ctx, client, archive, say); err != nil {
			return fmt.Errorf("loading %s: %w", archive, err)
		}
	}
	return nil
}

func load(ctx context.Context, client *containerd.Client, archive string, say func(string)) error {
	file, err := os.Open(archive) //nolint:gosec // the archive is the caller's own choice
	if err != nil {
		return err
	}
	defer file.Close()
	images, err := client.Import(ctx, io.Reader(file))
	if err != nil {
		return fmt.Errorf("this is not an archive of an image: %w", err)
	}
	for _, image := range images {
		if err := containerd.NewImage(client, image).Unpack(ctx, snapshotter); err != nil {
			return fmt.Errorf("unpacking %s: %w", image.Name, err)
		}
		say(image.Name)
	}
	return nil
}
