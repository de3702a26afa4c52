package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// DefaultPrefix names images that are loaded into a cluster, never pulled: no registry has that name.
const DefaultPrefix = "suoke.local"

// Push uploads an image with the credentials of docker's configuration, and calls progress with the bytes done and the
// bytes in all. A reference whose registry is on loopback, or that was made with name.Insecure, goes over plain HTTP.
func Push(ctx context.Context, ref name.Tag, img v1.Image, progress func(done, total int64)) error {
	if strings.HasPrefix(ref.RegistryStr(), DefaultPrefix) {
		return fmt.Errorf("%s is no registry: name yours by --prefix or SUOKE_IMAGE_PREFIX, such as registry.example/team", DefaultPrefix)
	}
	updates, finished, told := make(chan v1.Update, 16), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		report(updates, finished, progress)
	}()
	err := remote.Write(ref, img,
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithProgress(updates))
	close(finished)
	<-told
	if err != nil {
		return fmt.Errorf("pushing %s: %w", ref, err)
	}
	return nil
}

// report passes updates on until there are no more, or the push has finished: it does not close updates in every case.
func report(updates <-chan v1.Update, finished <-chan struct{}, progress func(done, total int64)) {
	for {
		select {
		case u, more := <-updates:
			if !more {
				return
			}
			if u.Error == nil {
				progress(u.Complete, u.Total)
			}
		case <-finished:
			return
		}
	}
}
