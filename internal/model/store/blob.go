package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// blob brings one file to its staged name. The name leads to it only once it is complete, has its digest and is on disk.
func (s *session) blob(ctx context.Context, repository string, l ocispec.Descriptor, t target, m *meter) (err error) {
	part, err := os.CreateTemp(t.partial, "part-*")
	if err != nil {
		return err
	}
	counted := int64(0)
	defer func() {
		if err != nil {
			m.add(-counted)
			err = errors.Join(err, part.Close(), os.Remove(part.Name()))
		}
	}()
	if err := s.receive(ctx, repository, l, part, func(n int64) { counted += n; m.add(n) }); err != nil {
		return err
	}
	if err := part.Chmod(0o644); err != nil { // a model server of another user reads it
		return err
	}
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), t.staged(l)); err != nil {
		return err
	}
	return part.Close()
}

// receive writes a blob and checks its length and digest.
func (s *session) receive(ctx context.Context, repository string, l ocispec.Descriptor, to io.Writer, count func(int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := s.get(ctx, repository+"/blobs/"+l.Digest.String())
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%w: the registry holds the manifest and not %s", ErrInvalid, l.Digest)
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := announced(response, l); err != nil {
		return err
	}
	stalled := time.AfterFunc(stallAfter, func() { cancel(errStalled) })
	defer stalled.Stop()
	sum := sha256.New()
	counting := writerFunc(func(p []byte) (int, error) {
		stalled.Reset(stallAfter)
		count(int64(len(p)))
		return len(p), nil
	})
	got, err := io.Copy(io.MultiWriter(to, sum, counting), io.LimitReader(response.Body, l.Size+1))
	if err != nil {
		return s.interrupted(ctx, err)
	}
	if got < l.Size {
		return fmt.Errorf("%w: truncated at %d of %d bytes", ErrInvalid, got, l.Size)
	}
	if found := hex.EncodeToString(sum.Sum(nil)); got > l.Size || found != l.Digest.Encoded() {
		return fmt.Errorf("%w: the registry sent something else in place of %s", ErrDigestMismatch, l.Digest)
	}
	return nil
}

var errStalled = errors.New("nothing came for a minute")

// announced compares the length that the registry states with the manifest's, before anything is transferred.
func announced(response *http.Response, l ocispec.Descriptor) error {
	if response.ContentLength >= 0 && response.ContentLength < l.Size {
		return fmt.Errorf("%w: truncated, the registry holds %d of %d bytes", ErrInvalid, response.ContentLength, l.Size)
	}
	return nil
}

// interrupted tells our own disk, the caller's cancel and a stall from a broken connection.
func (s *session) interrupted(ctx context.Context, err error) error {
	var disk *os.PathError
	switch {
	case errors.As(err, &disk):
		return err
	case errors.Is(context.Cause(ctx), errStalled):
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, s.host, errStalled)
	}
	return s.unreachable(ctx, err)
}

type writerFunc func([]byte) (int, error)

// Write calls the function.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
