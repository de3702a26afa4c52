package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/suoke-life/suoke/internal/model/ref"
)

// Description is an artifact with its files.
type Description struct {
	Artifact
	Name    string        `json:"name,omitempty"`
	Version string        `json:"version,omitempty"`
	Format  string        `json:"format,omitempty"`
	Files   []DescribedAs `json:"files"`
}

// DescribedAs is one file of an artifact.
type DescribedAs struct {
	Path      string `json:"path"`
	SizeBytes int64  `json:"sizeBytes"`
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
}

// Ping asks a registry whether it is there and takes the credentials.
func Ping(ctx context.Context, host string, o Options) error {
	return o.retry(ctx, func() error {
		s, err := open(ctx, host, "", o)
		if err != nil {
			return err
		}
		defer s.close()
		response, err := s.get(ctx, "")
		switch {
		case errors.Is(err, ErrNotFound):
			return fmt.Errorf("%w: %s is no OCI registry: /v2/ answered 404", ErrUnreachable, host)
		case err != nil:
			return err
		}
		return response.Body.Close() // its status is all that was asked
	})
}

// Resolve turns a reference into the digest and size of what the registry holds now.
func Resolve(ctx context.Context, from ref.Reference, o Options) (Artifact, error) {
	s, err := pulling(ctx, from, o)
	if err != nil {
		return Artifact{}, fmt.Errorf("resolving %s: %w", from, err)
	}
	defer s.close()
	_, artifact, err := s.resolve(ctx, from)
	if err != nil {
		return Artifact{}, fmt.Errorf("resolving %s: %w", from, err)
	}
	return artifact, nil
}

// Inspect describes an artifact without its files' contents.
func Inspect(ctx context.Context, from ref.Reference, o Options) (Description, error) {
	s, err := pulling(ctx, from, o)
	if err != nil {
		return Description{}, fmt.Errorf("inspecting %s: %w", from, err)
	}
	defer s.close()
	manifest, artifact, err := s.resolve(ctx, from)
	if err != nil {
		return Description{}, fmt.Errorf("inspecting %s: %w", from, err)
	}
	text, _, err := s.document(ctx, from.Repository+"/blobs/"+manifest.Config.Digest.String(), maxConfig)
	if err == nil {
		err = matches(text, manifest.Config.Digest.String())
	}
	var c config
	if err == nil && json.Unmarshal(text, &c) != nil {
		err = fmt.Errorf("%w: its config is no JSON", ErrInvalid)
	}
	if err != nil {
		return Description{}, fmt.Errorf("inspecting %s: reading its config: %w", from, err)
	}
	d := Description{Artifact: artifact, Name: c.Descriptor.Name, Version: c.Descriptor.Version, Format: c.Config.Format}
	for _, l := range manifest.Layers {
		d.Files = append(d.Files, DescribedAs{l.Annotations[filepathAnnotation], l.Size, l.Digest.String(), l.MediaType})
	}
	return d, nil
}

func pulling(ctx context.Context, from ref.Reference, o Options) (*session, error) {
	if from.Tag == "" && from.Digest == "" {
		return nil, fmt.Errorf("write a tag or a digest, such as %s:v1", from)
	}
	var s *session
	err := o.retry(ctx, func() (err error) {
		s, err = open(ctx, from.Host, "repository:"+from.Repository+":pull", o)
		return err
	})
	return s, err
}

// resolve reads and checks the manifest under a reference.
func (s *session) resolve(ctx context.Context, from ref.Reference) (ocispec.Manifest, Artifact, error) {
	wanted := firstOf(from.Tag, from.Digest)
	text, found, err := s.manifest(ctx, from.Repository, wanted)
	switch {
	case errors.Is(err, ErrNotFound):
		return ocispec.Manifest{}, Artifact{}, s.missing(ctx, from)
	case err != nil:
		return ocispec.Manifest{}, Artifact{}, err
	case from.Digest != "" && found != from.Digest:
		return ocispec.Manifest{}, Artifact{}, fmt.Errorf("%w: the registry holds %s there", ErrDigestMismatch, found)
	}
	manifest, err := parse(text)
	if err != nil {
		return ocispec.Manifest{}, Artifact{}, s.secrets.blankError(err)
	}
	return manifest, Artifact{
		Reference: from.At(found).String(), Digest: found, SizeBytes: sizeIn(manifest), Kind: kindIn(manifest),
	}, nil
}

// manifest reads the manifest under a tag or digest, and computes its digest; what a header says of it is not believed.
func (s *session) manifest(ctx context.Context, repository, tagOrDigest string) ([]byte, string, error) {
	text, _, err := s.document(ctx, repository+"/manifests/"+tagOrDigest, maxManifest,
		ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.v2+json")
	if err != nil {
		return nil, "", err
	}
	return text, digest.FromBytes(text).String(), nil
}

// missing says what there is in place of what is not.
func (s *session) missing(ctx context.Context, from ref.Reference) error {
	tags, err := s.tags(ctx, from.Repository)
	switch {
	case err != nil || len(tags) == 0:
		return fmt.Errorf("%w: %s has no repository %s; push it with `suoke model push`", ErrNotFound, from.Host, from.Repository)
	case from.Tag == "":
		return fmt.Errorf("%w: %s holds nothing with that digest", ErrNotFound, from.Repository)
	}
	const named = 10
	have := s.secrets.blank(strings.Join(tags[max(0, len(tags)-named):], ", "))
	return fmt.Errorf("%w: %s has no tag %s; it has %s", ErrNotFound, from.Repository, from.Tag, have)
}

func matches(text []byte, want string) error {
	if got := digest.FromBytes(text).String(); got != want {
		return fmt.Errorf("%w: got %s in place of %s", ErrDigestMismatch, got, want)
	}
	return nil
}
