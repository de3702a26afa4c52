package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/suoke-life/suoke/internal/model/store"
)

// blobFile is where the registry keeps a blob.
func (p *place) blobFile(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return filepath.Join(p.root, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
}

// weights is the digest of modelDir's model.onnx.
func (p *place) weights(t *testing.T, name string) string {
	t.Helper()
	d, err := store.Inspect(t.Context(), p.ref(t, name), quick())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Files, func(f store.DescribedAs) bool { return f.Path == "model.onnx" })
	return d.Files[i].Digest
}

func TestWhatTheRegistryHasLostOrSpoiledIsNotPulled(t *testing.T) {
	for name, c := range map[string]struct {
		spoil    func(file string) error
		kind     error
		sentence string
	}{
		"truncated": {
			func(file string) error { return os.Truncate(file, 1000) },
			store.ErrInvalid, "model.onnx: invalid artifact: truncated, the registry holds 1000 of 320000 bytes",
		},
		"too long": {
			func(file string) error { return os.Truncate(file, 400_000) },
			store.ErrDigestMismatch, "model.onnx: digest mismatch",
		},
		"of the right length with other bytes": {
			func(file string) error { return os.WriteFile(file, make([]byte, 320_000), 0o600) },
			store.ErrDigestMismatch, "model.onnx: digest mismatch: the registry sent something else",
		},
		"gone": {os.Remove, store.ErrInvalid, "the registry holds the manifest and not sha256:"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			push(t, modelDir(t), p.ref(t, "models/digits:v1"))
			if err := c.spoil(p.blobFile(p.weights(t, "models/digits:v1"))); err != nil {
				t.Fatal(err)
			}
			for place, to := range map[string]string{"a new directory": filepath.Join(t.TempDir(), "model"), "a volume": t.TempDir()} {
				_, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), to, quick())
				if !errors.Is(err, c.kind) || !store.Permanent(err) || !strings.Contains(err.Error(), c.sentence) {
					t.Errorf("%s: %v\nwant it to say %q", place, err, c.sentence)
				}
				if left := contents(t, to); len(left) != 0 {
					t.Errorf("%s holds %v", place, slices.Collect(maps.Keys(left)))
				}
				if left := contents(t, to+".suoke-partial"); len(left) != 0 {
					t.Errorf("beside %s lies %v", place, slices.Collect(maps.Keys(left)))
				}
			}
		})
	}
}

// A registry that streams states no length beforehand; then the end of the stream tells.
func TestAStreamThatEndsEarlyIsTruncated(t *testing.T) {
	p := start(t)
	push(t, modelDir(t), p.ref(t, "models/digits:v1"))
	weights := p.weights(t, "models/digits:v1")
	p.step = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, weights) {
			return false
		}
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "weights ")
		return true
	}
	_, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), filepath.Join(t.TempDir(), "model"), quick())
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "truncated at 8 of 320000 bytes") {
		t.Error(err)
	}
}

func TestAnotherDigestThanTheOneAskedForIsRefused(t *testing.T) {
	p := start(t)
	pushed := push(t, modelDir(t), p.ref(t, "models/digits:v1"))
	other := dirOf(t, map[string]string{"model.onnx": "other"})
	moved := push(t, other, p.ref(t, "models/digits:v1"))
	to := filepath.Join(t.TempDir(), "model")
	_, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1@"+pushed.Digest), to, quick())
	if !errors.Is(err, store.ErrDigestMismatch) || !strings.Contains(err.Error(), moved.Digest) {
		t.Errorf("a tag that has moved: %v", err)
	}
	if err := os.WriteFile(p.blobFile(pushed.Digest), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pull(t.Context(), p.ref(t, "models/digits@"+pushed.Digest), to, quick()); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a manifest with other bytes: %v", err)
	}
	if left := contents(t, to); len(left) != 0 {
		t.Errorf("it left %v", slices.Collect(maps.Keys(left)))
	}
}

// A registry need not be ours: it may hold any manifest, and a pull must not write beside its directory.
func TestAManifestThatIsNoModelOrLeavesTheDirectoryIsRefused(t *testing.T) {
	const ours = "application/vnd.cncf.model.manifest.v1+json"
	text := digest.FromString("x")
	layer := func(path string) ocispec.Descriptor {
		return ocispec.Descriptor{
			MediaType: "application/vnd.cncf.model.weight.v1.raw", Digest: text, Size: 1,
			Annotations: map[string]string{"org.cncf.model.filepath": path},
		}
	}
	large := layer("model.onnx")
	large.Size = 1 << 41
	weak := layer("model.onnx")
	weak.Digest = "md5:d41d8cd98f00b204e9800998ecf8427e"
	for name, c := range map[string]struct {
		manifest ocispec.Manifest
		sentence string
	}{
		"upwards":                     {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer("../evil")}}, "does not stay in the directory"},
		"upwards from below":          {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer("a/../../evil")}}, "does not stay in the directory"},
		"to the root":                 {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer("/etc/evil")}}, "does not stay in the directory"},
		"to itself":                   {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer(".")}}, "does not stay in the directory"},
		"not in one way":              {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer("a//b")}}, "does not stay in the directory"},
		"by another system's marks":   {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer(`..\evil`)}}, "does not stay in the directory"},
		"without a name":              {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer("")}}, "does not stay in the directory"},
		"into what is being pulled":   {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer(".suoke-partial/x")}}, "is reserved"},
		"one file twice":              {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{layer("a"), layer("a")}}, "it has a twice"},
		"no file":                     {ocispec.Manifest{ArtifactType: ours}, "it has 0 files"},
		"more than a terabyte":        {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{large}}, "larger than"},
		"a digest that proves little": {ocispec.Manifest{ArtifactType: ours, Layers: []ocispec.Descriptor{weak}}, "only sha256 is read"},
		"a container image":           {ocispec.Manifest{Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig}}, "no model or data set"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			p.step = func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.Contains(r.URL.Path, "/manifests/"):
					if err := json.NewEncoder(w).Encode(c.manifest); err != nil {
						t.Error(err)
					}
				case strings.Contains(r.URL.Path, "/blobs/"):
					_, _ = io.WriteString(w, "x")
				default:
					return false
				}
				return true
			}
			around := t.TempDir()
			to := filepath.Join(around, "in", "model")
			_, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), to, quick())
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("%v\nwant it to say %q", err, c.sentence)
			}
			if left := contents(t, around); len(left) != 0 {
				t.Errorf("it wrote %v", slices.Collect(maps.Keys(left)))
			}
		})
	}
}

// gate holds back one blob until the others are staged.
func gate(t *testing.T, p *place, partial, digest string, others int, then func(w http.ResponseWriter, r *http.Request) bool) {
	t.Helper()
	p.step = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, digest) {
			return false
		}
		for staged(t, partial) < others {
			select {
			case <-r.Context().Done():
				t.Error("the pull ended before the others were staged")
				return true
			case <-time.After(time.Millisecond):
			}
		}
		return then(w, r)
	}
}

// staged counts the files of a pull that were verified and are not in their places.
func staged(t *testing.T, partial string) int {
	t.Helper()
	all := 0
	for name := range contents(t, partial) {
		if !strings.HasPrefix(name, "part-") {
			all++
		}
	}
	return all
}

func TestAPullThatIsKilledShowsNothingAndTheNextGoesOn(t *testing.T) {
	for name, whole := range map[string]bool{"into a new directory": true, "into a volume": false} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			dir := modelDir(t)
			push(t, dir, p.ref(t, "models/digits:v1"))
			weights := p.weights(t, "models/digits:v1")
			to := t.TempDir()
			partial := filepath.Join(to, ".suoke-partial")
			if whole {
				to = filepath.Join(to, "model")
				partial = to + ".suoke-partial"
			}
			// The process is killed while model.onnx is under way: nothing is cleaned up after it.
			ctx, kill := context.WithCancel(t.Context())
			gate(t, p, partial, weights, 2, func(w http.ResponseWriter, r *http.Request) bool {
				_, _ = io.WriteString(w, "weights ")
				w.(http.Flusher).Flush()
				kill()
				<-r.Context().Done()
				return true
			})
			options := quick()
			options.KeepPartial = true
			if _, err := store.Pull(ctx, p.ref(t, "models/digits:v1"), to, options); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			for name := range contents(t, to) {
				if !strings.HasPrefix(name, ".suoke-partial/") {
					t.Errorf("a pull that was killed shows %s", name)
				}
			}
			// What a process that really was killed leaves of the file under way.
			if err := os.WriteFile(filepath.Join(partial, "part-1"), []byte("weights "), 0o600); err != nil {
				t.Fatal(err)
			}

			var mutex sync.Mutex
			var asked []string
			p.step = func(_ http.ResponseWriter, r *http.Request) bool {
				if _, digest, found := strings.Cut(r.URL.Path, "/blobs/"); found {
					mutex.Lock()
					defer mutex.Unlock()
					asked = append(asked, digest)
				}
				return false
			}
			if _, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), to, options); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{weights}, asked); diff != "" {
				t.Errorf("asked for more than was missing:\n%s", diff)
			}
			if diff := cmp.Diff(contents(t, dir), contents(t, to)); diff != "" {
				t.Errorf("%.500s", diff)
			}
			if left := staged(t, partial); left != 0 {
				t.Errorf("%d staged files are left", left)
			}
		})
	}
}

func TestOnlyWhatMayHelpIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		again    bool
		sentence string
	}{
		"a registry that restarts":       {http.StatusServiceUnavailable, true, "503 Service Unavailable"},
		"a registry that knows us not":   {http.StatusUnauthorized, true, "401 Unauthorized; it wants other credentials"},
		"something that is no registry":  {http.StatusNotFound, true, "is no OCI registry"},
		"a registry that has not got it": {0, false, "has no repository models/digits"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			asked := 0
			p.step = func(w http.ResponseWriter, r *http.Request) bool {
				if c.status == 0 {
					if strings.Contains(r.URL.Path, "/manifests/") {
						asked++
					}
					return false
				}
				asked++
				w.WriteHeader(c.status)
				return true
			}
			_, err := store.Resolve(t.Context(), p.ref(t, "models/digits:v1"), quick())
			// Two questions may be one attempt: whether it is there, and for the model.
			if err == nil || !strings.Contains(err.Error(), c.sentence) || (asked >= 3) != c.again {
				t.Errorf("asked %d times: %v\nwant it asked again: %t, and %q", asked, err, c.again, c.sentence)
			}
			if unreachable := errors.Is(err, store.ErrUnreachable); unreachable != (c.status != 0) || store.Permanent(err) {
				t.Errorf("unreachable %t, permanent %t", unreachable, store.Permanent(err))
			}
		})
	}
}

func TestARegistryIsPinged(t *testing.T) {
	p := start(t)
	if err := store.Ping(t.Context(), p.host, quick()); err != nil {
		t.Error(err)
	}
	asked := 0
	p.step = func(w http.ResponseWriter, _ *http.Request) bool {
		asked++
		if asked < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
		return asked < 3
	}
	if err := store.Ping(t.Context(), p.host, quick()); err != nil {
		t.Errorf("one that is starting: %v", err)
	}
	secure := quick()
	secure.PlainHTTP = false
	err := store.Ping(t.Context(), p.host, secure)
	if !errors.Is(err, store.ErrUnreachable) || !strings.HasSuffix(err.Error(), p.host+": http: server gave HTTP response to HTTPS client") {
		t.Errorf("a plain registry over TLS: %v", err)
	}
}
