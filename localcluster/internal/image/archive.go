// Package image makes the images that a cluster brings along, and loads archives of images into its containerd. There is no
// registry and no pulling.
package image

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// The images of a cluster itself, each holding one static program.
const (
	Pause      = "suoke.local/pause:1"
	Kubernetes = "suoke.local/kubernetes:v1.37.2"
)

// Own makes sure that the archives of the cluster's own images are there and not older than the programs in them, and
// returns them.
func Own(buildDir string) ([]string, error) {
	var archives []string
	for program, reference := range map[string]string{"pause": Pause, "kubernetes": Kubernetes} {
		archive := filepath.Join(buildDir, "images", program+".tar")
		if err := refresh(archive, filepath.Join(buildDir, program), reference); err != nil {
			return nil, fmt.Errorf("making the image %s: %w", reference, err)
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

func refresh(archive, program, reference string) error {
	source, err := os.Stat(program)
	if err != nil {
		return err
	}
	if made, err := os.Stat(archive); err == nil && made.ModTime().After(source.ModTime()) {
		return nil
	}
	dir := filepath.Dir(archive)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // images are for everybody to read
		return err
	}
	scratch, err := os.MkdirTemp(dir, "."+filepath.Base(program)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	layer := filepath.Join(scratch, "layer.tar")
	if err := pack(layer, program, source); err != nil {
		return err
	}
	whole := filepath.Join(scratch, "image.tar")
	if err := write(whole, layer, filepath.Base(program), reference); err != nil {
		return err
	}
	return os.Rename(whole, archive)
}

// pack writes a tar that holds one program at its root.
func pack(layer, program string, info os.FileInfo) error {
	in, err := os.Open(program) //nolint:gosec // one of the cluster's own programs
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(layer) //nolint:gosec // in a directory made for it
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(program), Mode: 0o755, Size: info.Size(), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}

// write makes the archive. Its layer is not compressed: it never leaves the machine, and is read soon after.
func write(archive, layer, program, reference string) error {
	files, err := tarball.LayerFromFile(layer, tarball.WithCompression(compression.None))
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = platform()
	config.Config = v1.Config{Entrypoint: []string{"/" + program}, WorkingDir: "/", User: "65532:65532"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(archive, tag, image)
}
