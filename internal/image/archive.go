package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Save writes images into one archive, as ctr, nerdctl, docker and podman load it. The archive is there complete or not
// at all.
func Save(file string, images map[name.Tag]v1.Image) (err error) {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("saving %s: %w", file, err)
	}
	part, err := os.CreateTemp(dir, ".image-*")
	if err != nil {
		return fmt.Errorf("saving %s: %w", file, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("saving %s: %w", file, err), os.Remove(part.Name()))
		}
	}()
	if err := errors.Join(tarball.MultiWrite(images, part), part.Close()); err != nil {
		return err
	}
	if err := os.Chmod(part.Name(), 0o644); err != nil { //nolint:gosec // an archive to hand on: anybody may read it
		return err
	}
	return os.Rename(part.Name(), file)
}

// Open reads the one image of an archive that Save wrote. The archive must stay until the image is done with.
func Open(file string) (v1.Image, error) {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there; build the images first (suoke image build)", file)
	}
	img, err := tarball.ImageFromPath(file, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the archive %s: %w", file, err)
	}
	return img, nil
}
