package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/image"
)

type imageOptions struct {
	prefix, tag string
	dir         string // of the archives
	suoke       string
	modelServer string
	onnxruntime string
	runtimeRoot string
	clusterDir  string
	loader      string
	archive     string
	plainHTTP   bool
}

func newImageCommand() *cobra.Command {
	o := imageOptions{prefix: os.Getenv("SUOKE_IMAGE_PREFIX"), tag: os.Getenv("SUOKE_IMAGE_TAG")}
	if o.prefix == "" {
		o.prefix = image.DefaultPrefix
	}
	if o.tag == "" {
		o.tag = "dev"
	}
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build the container images, and bring them to a cluster",
		Long: `Two images hold all of suoke: PREFIX/suoke:TAG and PREFIX/suoke-model-server:TAG. They are built without a container
engine, for the platform of the binaries, and equal binaries give equal digests.

  suoke image build                                        bin/ → build/images
  suoke image load --cluster-dir .local/cluster            into the cluster of suoke up
  suoke image push --prefix registry.example/team          to a registry that your cluster pulls from
  suoke image save --file images.tar                       for ctr, nerdctl, docker or podman to load

The prefix that you push to is the one to deploy with: SUOKE_IMAGE_PREFIX and SUOKE_IMAGE_TAG say it once for both.`,
	}
	cmd.PersistentFlags().StringVar(&o.prefix, "prefix", o.prefix, "registry and path before the images' names (SUOKE_IMAGE_PREFIX)")
	cmd.PersistentFlags().StringVar(&o.tag, "tag", o.tag, "the images' tag (SUOKE_IMAGE_TAG)")
	cmd.AddCommand(newImageBuildCommand(&o), newImageLoadCommand(&o), newImagePushCommand(&o), newImageSaveCommand(&o))
	return cmd
}

func newImageBuildCommand(o *imageOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build both images from the binaries",
		Long: `Build both images into archives. The model server's image takes the C and C++ runtime from this Debian or Ubuntu, which
its binary was linked against. For another architecture, unpack its packages (dpkg -x) and name their directory:

  suoke image build --suoke bin/arm64/suoke --model-server bin/arm64/model-server --onnxruntime build/arm64 --runtime-root debian-arm64`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.build(cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&o.dir, "out", "build/images", "directory for the archives")
	cmd.Flags().StringVar(&o.suoke, "suoke", "bin/suoke", "the static binary")
	cmd.Flags().StringVar(&o.modelServer, "model-server", "bin/model-server", "the model server's binary")
	cmd.Flags().StringVar(&o.onnxruntime, "onnxruntime", "build/onnxruntime", "directory with libonnxruntime.so.1 and its LICENSE")
	cmd.Flags().StringVar(&o.runtimeRoot, "runtime-root", "/", "Debian or Ubuntu file system to take the C and C++ runtime from")
	return cmd
}

func newImageLoadCommand(o *imageOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "load --cluster-dir DIR",
		Short: "Load the built images into the local cluster",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.load(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&o.clusterDir, "cluster-dir", clusterDir, "directory of the local cluster, as given to suoke up")
	cmd.Flags().StringVar(&o.dir, "images", "build/images", "directory of the archives")
	cmd.Flags().StringVar(&o.loader, "loader", clusterProgram, "the local cluster's program")
	return cmd
}

func newImagePushCommand(o *imageOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push --prefix REGISTRY/PATH",
		Short: "Push the built images to a registry",
		Long: `Push the built images to a registry, with the credentials of docker login or podman login.

  SUOKE_IMAGE_PREFIX=registry.example/team suoke image push`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.push(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&o.dir, "images", "build/images", "directory of the archives")
	cmd.Flags().BoolVar(&o.plainHTTP, "plain-http", false, "speak plain HTTP to the registry (always so on loopback)")
	return cmd
}

func newImageSaveCommand(o *imageOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "save --file FILE",
		Short: "Save both built images as one archive",
		Long: `Save both built images as one archive, under the prefix and tag to deploy with. On a node, or where its images are kept:

  ctr --namespace k8s.io images import FILE     containerd
  docker load --input FILE                      docker, kind, minikube
  podman load --input FILE`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.save(cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&o.dir, "images", "build/images", "directory of the archives")
	cmd.Flags().StringVar(&o.archive, "file", "suoke-images.tar", "archive to write")
	return cmd
}

func (o *imageOptions) build(out io.Writer) error {
	recipes := []func() (image.Recipe, error){
		func() (image.Recipe, error) { return image.SuokeRecipe(o.suoke, o.runtimeRoot) },
		func() (image.Recipe, error) {
			return image.ModelServerRecipe(o.modelServer, o.onnxruntime, o.runtimeRoot)
		},
	}
	for _, recipe := range recipes {
		r, err := recipe()
		if err != nil {
			return err
		}
		ref, err := o.reference(r.Title)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "building %s for %s\n", ref, r.Architecture)
		img, err := image.Assemble(r)
		if err != nil {
			return err
		}
		file := o.file(r.Title)
		if err := image.Save(file, map[name.Tag]v1.Image{ref: img}); err != nil {
			return err
		}
		if err := describe(out, file, img); err != nil {
			return err
		}
	}
	return nil
}

func (o *imageOptions) load(ctx context.Context, out, progress io.Writer) error {
	args := []string{"load", "--dir", o.clusterDir}
	for _, title := range []string{image.Suoke, image.ModelServer} {
		if _, err := image.Open(o.file(title)); err != nil {
			return err
		}
		args = append(args, o.file(title))
	}
	if err := runCluster(ctx, out, progress, o.loader, args...); err != nil {
		return fmt.Errorf("loading the images into the cluster at %s: %w", o.clusterDir, err)
	}
	return nil
}

func (o *imageOptions) push(ctx context.Context, out io.Writer) error {
	for _, title := range []string{image.Suoke, image.ModelServer} {
		img, err := image.Open(o.file(title))
		if err != nil {
			return err
		}
		ref, err := o.reference(title)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "pushing %s\n", ref)
		if err := image.Push(ctx, ref, img, percents(out)); err != nil {
			return err
		}
		digest, err := img.Digest()
		if err != nil {
			return fmt.Errorf("naming what was pushed to %s: %w", ref, err)
		}
		fmt.Fprintf(out, "pushed  %s@%s\n", ref, digest)
	}
	fmt.Fprintf(out, "deploy with SUOKE_IMAGE_PREFIX=%s SUOKE_IMAGE_TAG=%s\n", o.prefix, o.tag)
	return nil
}

func (o *imageOptions) save(out io.Writer) error {
	images := map[name.Tag]v1.Image{}
	for _, title := range []string{image.Suoke, image.ModelServer} {
		img, err := image.Open(o.file(title))
		if err != nil {
			return err
		}
		ref, err := o.reference(title)
		if err != nil {
			return err
		}
		images[ref] = img
		fmt.Fprintf(out, "saving %s\n", ref)
	}
	if err := image.Save(o.archive, images); err != nil {
		return err
	}
	fmt.Fprintf(out, "saved  %s\n", o.archive)
	return nil
}

func (o *imageOptions) file(title string) string { return filepath.Join(o.dir, title+".tar") }

func (o *imageOptions) reference(title string) (name.Tag, error) {
	host, _, _ := strings.Cut(o.prefix, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if o.plainHTTP || host == "localhost" || ip != nil && ip.IsLoopback() {
		return image.Reference(o.prefix, title, o.tag, name.Insecure)
	}
	return image.Reference(o.prefix, title, o.tag)
}

// describe prints an image's layers with their compressed sizes.
func describe(out io.Writer, file string, img v1.Image) error {
	digest, err := img.Digest()
	if err != nil {
		return fmt.Errorf("describing %s: %w", file, err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("describing %s: %w", file, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("describing %s: %w", file, err)
	}
	for i, layer := range manifest.Layers {
		fmt.Fprintf(out, "  %6.1f MB  %s\n", float64(layer.Size)/1e6, config.History[i].CreatedBy)
	}
	fmt.Fprintf(out, "  %s  %s\n", file, digest)
	return nil
}

// percents prints progress at each quarter.
func percents(out io.Writer) func(done, total int64) {
	next := int64(25)
	return func(done, total int64) {
		for ; total > 0 && next < 100 && done*100 >= next*total; next += 25 {
			fmt.Fprintf(out, "  %3d %% of %.1f MB\n", next, float64(total)/1e6)
		}
	}
}
