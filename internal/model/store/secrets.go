package store

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// blanked stands where a secret was.
const blanked = "…"

// secrets are what a registry was shown. It may say them again, and what it says is told to people: in a status, an
// event, a log.
type secrets struct {
	// host is the registry's; a secret may be a part of its name, which is none.
	host string

	mutex sync.Mutex
	all   []string
}

func newSecrets(host string, c Credentials) *secrets {
	s := &secrets{host: host}
	s.add(c.Username)
	s.add(c.Password)
	s.add(c.Token)
	return s
}

// shown adds what a header shows: credentials as they are sent, or a token that was got for them.
func (s *secrets) shown(authorization string) {
	_, secret, _ := strings.Cut(authorization, " ")
	s.add(secret)
}

// add knows a secret as it is, and as it stands in a URL and in quotes.
func (s *secrets) add(secret string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if secret == "" || slices.Contains(s.all, secret) {
		return
	}
	quoted := strconv.Quote(secret)
	s.all = append(s.all, secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1:len(quoted)-1])
	slices.SortFunc(s.all, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may be a part of another
}

// blank takes every secret out of a text.
func (s *secrets) blank(text string) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	pairs := make([]string, 0, 2*len(s.all))
	for _, secret := range s.all {
		pairs = append(pairs, secret, blanked)
	}
	replace := strings.NewReplacer(pairs...)
	parts := strings.Split(text, s.host)
	for i := range parts {
		parts[i] = replace.Replace(parts[i])
	}
	return strings.Join(parts, s.host)
}

// blankError is an error of the same kind whose text says no secret.
func (s *secrets) blankError(err error) error {
	return &blankedError{s.blank(err.Error()), err}
}

// blankedError shows what it is of and not what it wraps.
type blankedError struct {
	text string
	of   error
}

// Error returns the text without secrets.
func (e *blankedError) Error() string { return e.text }

// Is compares with the error that the text is of, which nobody gets.
func (e *blankedError) Is(target error) bool { return errors.Is(e.of, target) }
