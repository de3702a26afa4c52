// Package image assembles the project's container images from files, without a container engine.
//
// It promises that equal files give an equal digest wherever and whenever they are assembled: names are sorted, times are
// fixed, owners are root. It makes one platform at a time, that of the binary it is given, and it runs nothing: what goes
// into an image must have been built or installed before.
package image

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Names of the images, behind the prefix.
const (
	Suoke       = "suoke"
	ModelServer = "suoke-model-server"
)

// user runs every image: the number that the restricted Pod Security level can check, and no name in the node's files.
const user = "65532:65532"

// Recipe is what an image is made of.
type Recipe struct {
	Architecture string // as Go names it
	Title        string
	Entrypoint   []string
	Env          []string
	Layers       []Layer // lowest first: what changes least
}

// Layer is one layer's files and what it is for.
type Layer struct {
	Purpose string
	Files   []File
}

// Reference names an image by prefix, name and tag.
func Reference(prefix, image, tag string, options ...name.Option) (name.Tag, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" || tag == "" {
		return name.Tag{}, fmt.Errorf("an image needs a prefix like registry.example/team and a tag like dev, not %q and %q", prefix, tag)
	}
	ref, err := name.NewTag(prefix+"/"+image+":"+tag, options...)
	if err != nil {
		return name.Tag{}, fmt.Errorf("prefix %q and tag %q do not name an image: %w", prefix, tag, err)
	}
	return ref, nil
}

// Assemble makes the image of a recipe.
func Assemble(r Recipe) (v1.Image, error) {
	img := empty.Image
	for _, l := range r.Layers {
		content, err := pack(l.Files)
		if err != nil {
			return nil, fmt.Errorf("packing %s: %w", l.Purpose, err)
		}
		opener := func() (io.ReadCloser, error) { return content.open(), nil }
		layer, err := tarball.LayerFromOpener(opener, tarball.WithCompressedCaching)
		if err != nil {
			return nil, fmt.Errorf("compressing %s: %w", l.Purpose, err)
		}
		if img, err = mutate.Append(img, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: v1.Time{Time: epoch()}, CreatedBy: l.Purpose},
		}); err != nil {
			return nil, fmt.Errorf("adding %s: %w", l.Purpose, err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", r.Title, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", r.Architecture
	config.Created = v1.Time{Time: epoch()}
	config.Config = v1.Config{
		User:       user,
		Entrypoint: r.Entrypoint,
		Env:        append([]string{"PATH=/usr/local/bin"}, r.Env...),
		WorkingDir: "/",
		Labels:     map[string]string{"org.opencontainers.image.title": r.Title},
	}
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", r.Title, err)
	}
	return img, nil
}

// epoch is the time of everything in an image.
func epoch() time.Time { return time.Unix(0, 0).UTC() }
