package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/suoke-life/suoke/internal/model/ref"
)

// partialName is the directory of a pull that is not complete yet: within the target, or beside it as its suffix.
const partialName = ".suoke-partial"

// Pull brings an artifact's files into a directory. A new directory appears whole or not at all. One that exists, such as
// a volume, may hold nothing but files of this artifact, and gets each of them whole, after all were verified.
func Pull(ctx context.Context, from ref.Reference, dir string, o Options) (Artifact, error) {
	artifact, err := pull(ctx, from, dir, o)
	if err != nil {
		return Artifact{}, fmt.Errorf("pulling %s: %w", from, err)
	}
	return artifact, nil
}

func pull(ctx context.Context, from ref.Reference, dir string, o Options) (artifact Artifact, err error) {
	s, err := pulling(ctx, from, o)
	if err != nil {
		return Artifact{}, err
	}
	defer s.close()
	manifest, artifact, err := s.resolve(ctx, from)
	if err != nil {
		return Artifact{}, err
	}
	target, err := prepare(dir, manifest.Layers)
	if err != nil {
		return Artifact{}, err
	}
	defer func() {
		if err == nil || !o.KeepPartial {
			err = errors.Join(err, os.RemoveAll(target.partial))
		}
	}()
	if err := s.download(ctx, from.Repository, manifest.Layers, target); err != nil {
		return Artifact{}, err
	}
	return artifact, target.commit(manifest.Layers)
}

// target is where the files of a pull go.
type target struct {
	dir string
	// partial holds what is verified and not in its place yet.
	partial string
	// whole says that dir is new and appears by one rename.
	whole bool
}

// prepare looks at the directory and makes the partial one.
func prepare(dir string, layers []ocispec.Descriptor) (target, error) {
	dir = filepath.Clean(dir)
	t := target{dir: dir, partial: filepath.Join(dir, partialName)}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.partial, t.whole = dir+partialName, true
	case err != nil:
		return target{}, err
	}
	ours := map[string]bool{partialName: true}
	for _, l := range layers {
		top, _, _ := strings.Cut(l.Annotations[filepathAnnotation], "/")
		ours[top] = true
	}
	for _, entry := range entries {
		if !ours[entry.Name()] {
			return target{}, fmt.Errorf("%s holds %s, which is not of this artifact; write a new or empty directory", dir, entry.Name())
		}
	}
	return t, os.MkdirAll(t.partial, 0o755) //nolint:gosec // a model server of another user reads it
}

// staged is where a file waits; its name says what is in it, so that a later pull can trust it.
func (t target) staged(l ocispec.Descriptor) string {
	return filepath.Join(t.partial, l.Digest.Encoded()+"-"+digest.FromString(l.Annotations[filepathAnnotation]).Encoded()[:16])
}

// download brings every file that is not staged yet, several at a time.
func (s *session) download(ctx context.Context, repository string, layers []ocispec.Descriptor, t target) error {
	meter := &meter{report: s.options.Progress}
	for _, l := range layers {
		meter.total += l.Size
	}
	group, pulling := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, l := range layers {
		group.Go(func() error {
			if _, err := os.Stat(t.staged(l)); err == nil {
				meter.add(l.Size)
				return nil
			}
			err := s.options.retry(pulling, func() error { return s.blob(pulling, repository, l, t, meter) })
			if err != nil {
				return fmt.Errorf("%s: %w", l.Annotations[filepathAnnotation], err)
			}
			return nil
		})
	}
	return group.Wait()
}

// commit puts the staged files into their places, each by a rename.
func (t target) commit(layers []ocispec.Descriptor) error {
	place := t.dir
	if t.whole {
		place = filepath.Join(t.partial, "whole")
	}
	for _, l := range layers {
		name := filepath.Join(place, filepath.FromSlash(l.Annotations[filepathAnnotation]))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // a model server of another user reads it
			return err
		}
		if err := os.Rename(t.staged(l), name); err != nil {
			return err
		}
		if err := syncDir(filepath.Dir(name)); err != nil {
			return err
		}
	}
	if !t.whole {
		return nil
	}
	if err := os.Rename(place, t.dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(t.dir))
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	opened, err := os.Open(dir) //nolint:gosec // a directory of the pull's own target
	if err != nil {
		return err
	}
	return errors.Join(opened.Sync(), opened.Close())
}
