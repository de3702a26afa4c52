package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/suoke-life/suoke/internal/model/ref"
)

// Pushed is what a push did.
type Pushed struct {
	Artifact
	// SentBytes of files and documents that the registry did not hold yet.
	SentBytes int64
	// Moved is the digest that the tag named before, if it was another.
	Moved string
}

// Push packs a directory and puts it under a tag. What the registry holds already is not sent again.
func Push(ctx context.Context, dir string, to ref.Reference, o Options) (Pushed, error) {
	if to.Tag == "" || to.Digest != "" {
		return Pushed{}, fmt.Errorf("pushing to %s: write a tag and no digest, such as %s/%s:v1", to, to.Host, to.Repository)
	}
	files, err := readDir(ctx, dir)
	if err != nil {
		return Pushed{}, err
	}
	p, err := pack(files, to)
	if err != nil {
		return Pushed{}, err
	}
	done := Pushed{Artifact: Artifact{Reference: to.At(p.digest).String(), Digest: p.digest, SizeBytes: p.size(), Kind: p.kind}}
	err = o.retry(ctx, func() error {
		s, err := open(ctx, to.Host, "repository:"+to.Repository+":pull,push", o)
		if err != nil {
			return err
		}
		defer s.close()
		before, err := s.tagged(ctx, to)
		if err != nil || before == p.digest {
			return err
		}
		done.Moved = before
		sent, err := s.upload(ctx, p, to)
		done.SentBytes += sent
		return err
	})
	if err != nil {
		return Pushed{}, fmt.Errorf("pushing %s to %s: %w", dir, to, err)
	}
	return done, nil
}

// tagged is the digest that a tag names now, or "".
func (s *session) tagged(ctx context.Context, to ref.Reference) (string, error) {
	_, digest, err := s.manifest(ctx, to.Repository, to.Tag)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return digest, err
}

// upload sends every blob that is missing, and then the manifest.
func (s *session) upload(ctx context.Context, p packed, to ref.Reference) (int64, error) {
	repository := s.registry.Repo(to.Repository)
	pusher, err := remote.NewPusher(
		remote.WithTransport(s.client.Transport),
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 1}), // Push tries again
	)
	if err != nil {
		return 0, fmt.Errorf("preparing the upload: %w", err)
	}
	meter := &meter{total: p.size() + int64(len(p.config)), report: s.options.Progress}
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, f := range p.files {
		group.Go(func() error {
			return pusher.Upload(sending, repository, layer{digest: f.digest, size: f.size, meter: meter, open: f.open})
		})
	}
	settings, _, err := v1.SHA256(bytes.NewReader(p.config))
	if err != nil {
		return 0, fmt.Errorf("hashing the config: %w", err)
	}
	group.Go(func() error {
		return pusher.Upload(sending, repository, layer{
			digest: settings.String(), size: int64(len(p.config)), meter: meter,
			open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.config)), nil },
		})
	})
	if err := group.Wait(); err != nil {
		return meter.done.Load(), s.refusal(ctx, err)
	}
	if err := pusher.Put(ctx, repository.Tag(to.Tag), document(p.manifest)); err != nil {
		return meter.done.Load(), s.refusal(ctx, err)
	}
	return meter.done.Load(), nil
}

// refusal tells an upload that the registry will never take from one that it may take next time.
func (s *session) refusal(ctx context.Context, err error) error {
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode >= 400 && refused.StatusCode < 500 && !refused.Temporary() {
		return fmt.Errorf("%s refused it: %d %s%s", s.host, refused.StatusCode, http.StatusText(refused.StatusCode), s.secrets.blank(diagnosis(refused)))
	}
	if _, local := errors.AsType[*os.PathError](err); local {
		return err
	}
	return s.unreachable(ctx, err)
}

// diagnosis is what a registry says of its refusal in the form that registries have; a body of any other form may be a secret.
func diagnosis(refused *transport.Error) string {
	var said strings.Builder
	for _, each := range refused.Errors {
		fmt.Fprintf(&said, ", %s: %s", each.Code, each.Message)
	}
	return said.String()
}

func (f file) open() (io.ReadCloser, error) { return os.Open(f.name) }

// document is a manifest as the pusher takes it.
type document []byte

// RawManifest returns the manifest's bytes.
func (d document) RawManifest() ([]byte, error) { return d, nil }

// MediaType returns the manifest's.
func (d document) MediaType() (types.MediaType, error) { return ocispec.MediaTypeImageManifest, nil }

// layer is a blob as the pusher takes it.
type layer struct {
	digest string
	size   int64
	meter  *meter
	open   func() (io.ReadCloser, error)
}

// Digest returns the digest of the blob.
func (l layer) Digest() (v1.Hash, error) { return v1.NewHash(l.digest) }

// DiffID is the digest: blobs are stored as they are.
func (l layer) DiffID() (v1.Hash, error) { return l.Digest() }

// Size in bytes.
func (l layer) Size() (int64, error) { return l.size, nil }

// MediaType of any blob in transfer; the manifest says what it is.
func (l layer) MediaType() (types.MediaType, error) { return "application/octet-stream", nil }

// Uncompressed is the blob.
func (l layer) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

// Compressed is the blob.
func (l layer) Compressed() (io.ReadCloser, error) {
	inner, err := l.open()
	if err != nil {
		return nil, err
	}
	return &metered{ReadCloser: inner, meter: l.meter}, nil
}

// meter counts bytes of one transfer.
type meter struct {
	done   atomic.Int64
	total  int64
	report func(done, total int64)
}

func (m *meter) add(n int64) {
	done := m.done.Add(n)
	if m.report != nil {
		m.report(done, m.total)
	}
}

type metered struct {
	io.ReadCloser
	meter *meter
}

// Read counts what is read.
func (r *metered) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.meter.add(int64(n))
	return n, err
}

var _ v1.Layer = layer{}
