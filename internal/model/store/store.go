// Package store moves artifacts between directories and OCI registries. An artifact is a model's or a data set's files
// with ModelPack media types. It promises that the same files under the same name give the same digest; that every byte
// pulled was checked against the digest asked for before a name leads to it; and that an error tells not found,
// unreachable, mismatched and invalid apart. It knows no Kubernetes, keeps nothing between two calls, and does not judge
// whether a model can be served.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The kinds of errors, for errors.Is.
var (
	// ErrNotFound says that the registry answered and does not hold the artifact.
	ErrNotFound = errors.New("not in the registry")
	// ErrUnreachable says that the registry gave no useful answer; asking again may help.
	ErrUnreachable = errors.New("registry not reachable")
	// ErrDenied says that it answered that it wants other credentials; it is an ErrUnreachable too.
	ErrDenied = fmt.Errorf("%w", ErrUnreachable)
	// ErrDigestMismatch says that what the registry holds is not what the digest names.
	ErrDigestMismatch = errors.New("digest mismatch")
	// ErrInvalid says that the artifact is truncated, or none that a model or data set is packed as.
	ErrInvalid = errors.New("invalid artifact")
)

// Permanent says whether asking again cannot help.
func Permanent(err error) bool {
	return errors.Is(err, ErrDigestMismatch) || errors.Is(err, ErrInvalid)
}

const (
	// maxManifest and maxConfig bound the documents of an artifact, maxFiles and maxBytes its contents.
	maxManifest = 4 << 20
	maxConfig   = 4 << 20
	maxFiles    = 4096
	maxBytes    = 1 << 40
	// parallel blobs of one artifact.
	parallel = 4
	// stallAfter is how long a transfer may stand still.
	stallAfter = time.Minute

	defaultAttempts = 3
	defaultWait     = 500 * time.Millisecond
)

// Kind is what an artifact holds.
type Kind string

// The kinds of artifacts.
const (
	Model   Kind = "model"
	Dataset Kind = "dataset"
)

// Artifact is what a reference was resolved to.
type Artifact struct {
	// Reference with the digest: host/repository@sha256:...
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	// SizeBytes of its files.
	SizeBytes int64 `json:"sizeBytes"`
	Kind      Kind  `json:"kind"`
}

// Options are how to reach a registry. The zero value is https, anonymous, three attempts and no progress.
type Options struct {
	PlainHTTP   bool
	Credentials Credentials
	// Transport replaces the default one.
	Transport http.RoundTripper
	// Attempts at each request or blob, waiting Wait after the first and twice as long after each.
	Attempts int
	Wait     time.Duration
	// Progress is told, from several goroutines, how many bytes of how many are done.
	Progress func(done, total int64)
	// KeepPartial leaves verified files of a failed pull where the next pull of the same artifact finds them.
	KeepPartial bool
}

// retry runs do until it succeeds, fails for good, or was attempted often enough.
func (o Options) retry(ctx context.Context, do func() error) error {
	attempts, wait := o.Attempts, o.Wait
	if attempts == 0 {
		attempts = defaultAttempts
	}
	if wait == 0 {
		wait = defaultWait
	}
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt >= attempts || !errors.Is(err, ErrUnreachable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
			wait *= 2
		}
	}
}
