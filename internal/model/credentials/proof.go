package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/model/store"
)

// The keys of the Secrets, as the API documents them.
const (
	keyUsername = corev1.BasicAuthUsernameKey
	keyPassword = corev1.BasicAuthPasswordKey
	keyToken    = "token"
)

// ErrMissing says that there is nothing yet that proves who we are; a person has to make it.
var ErrMissing = errors.New("no credentials")

// Proof is what the store shows to a registry. The zero value proves nothing: we are anonymous.
type Proof = store.Credentials

// Kind says which keys prove who we are.
type Kind string

const (
	// Basic takes username and password.
	Basic Kind = "basic"
	// Token takes token.
	Token Kind = "token"
	// Either takes token, or else username and password.
	Either Kind = "either"
)

// ways are the sets of keys of which any one suffices; the first that is whole counts.
func (k Kind) ways() [][]string {
	basic, token := []string{keyUsername, keyPassword}, []string{keyToken}
	switch k {
	case Basic:
		return [][]string{basic}
	case Token:
		return [][]string{token}
	case Either:
		return [][]string{token, basic}
	}
	return nil
}

// Keys are all that may be read of the Secret.
func (k Kind) Keys() []string { return slices.Concat(k.ways()...) }

// lack is what is missing.
type lack struct {
	// what says it, keys are those to add.
	what string
	keys []string
}

// proof takes what it needs from a Secret's keys.
func (k Kind) proof(value func(key string) string) (Proof, *lack) {
	has := func(key string) bool { return value(key) != "" }
	lacks := func(key string) bool { return !has(key) }
	ways := k.ways()
	for _, keys := range ways {
		if !slices.ContainsFunc(keys, lacks) {
			var p Proof
			for _, key := range keys {
				set(&p, key, value(key))
			}
			return p, nil
		}
	}
	for _, keys := range ways {
		if len(ways) == 1 || slices.ContainsFunc(keys, has) {
			missing := slices.DeleteFunc(slices.Clone(keys), has)
			return Proof{}, &lack{"has no key " + missing[0], missing}
		}
	}
	return Proof{}, &lack{"has neither a token nor username and password", []string{keyUsername, keyPassword}}
}

func set(p *Proof, key, value string) {
	switch key {
	case keyUsername:
		p.Username = value
	case keyPassword:
		p.Password = value
	case keyToken:
		p.Token = value
	}
}

// plain is a value without the end of line that `echo` leaves.
func plain(value []byte) string { return strings.TrimRight(string(value), "\r\n") }

// InDir reads the proof that is mounted at a directory, a file for each key. Where there is none yet the error is ErrMissing.
func InDir(dir string) (Proof, error) {
	values := map[string]string{}
	for _, key := range Either.Keys() {
		value, err := os.ReadFile(filepath.Join(dir, key)) //nolint:gosec // the caller names the directory
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Proof{}, fmt.Errorf("reading credentials: %w", err)
		}
		values[key] = plain(value)
	}
	p, missing := Either.proof(func(key string) string { return values[key] })
	if missing != nil {
		return Proof{}, fmt.Errorf("%w: %s %s", ErrMissing, dir, missing.what)
	}
	return p, nil
}
