package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	headerTimeout = 30 * time.Second
	// maxComplaint bounds what is read of a registry's error.
	maxComplaint = 4 << 10
)

// session is an authenticated conversation with a registry.
type session struct {
	host     string
	registry name.Registry
	client   *http.Client
	options  Options
	close    func()
}

// open asks the registry how to authenticate, and does. Scope is repository:NAME:pull and the like, or empty.
func open(ctx context.Context, host, scope string, o Options) (*session, error) {
	registry, err := name.NewRegistry(host, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("registry %q: %w", host, err)
	}
	s := &session{host: host, registry: registry, options: o, close: func() {}}
	inner := o.Transport
	if inner == nil {
		own := &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: headerTimeout,
			MaxIdleConnsPerHost:   parallel,
		}
		inner, s.close = own, own.CloseIdleConnections
	}
	var scopes []string
	if scope != "" {
		scopes = []string{scope}
	}
	inner = &oneScheme{inner: inner, host: host, plain: o.PlainHTTP}
	authenticated, err := transport.NewWithContext(ctx, registry, o.Credentials.authenticator(), inner, scopes)
	if err != nil {
		s.close()
		return nil, unreachable(ctx, host, err)
	}
	s.client = &http.Client{Transport: authenticated}
	return s, nil
}

func (c Credentials) authenticator() authn.Authenticator {
	if c == (Credentials{}) {
		return authn.Anonymous
	}
	return authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password, RegistryToken: c.Token})
}

// oneScheme holds a registry to the scheme that was chosen for it: a plain registry is asked in plain text at once, and
// credentials meant for https never go out in plain text, whatever a redirect or the library's own rules say.
type oneScheme struct {
	inner http.RoundTripper
	host  string
	plain bool
}

var errPlainText = errors.New("it answers in plain HTTP only; write --plain-http, or an http:// endpoint, if that is meant")

// RoundTrip passes on what may be asked.
func (t *oneScheme) RoundTrip(request *http.Request) (*http.Response, error) {
	switch {
	case t.plain && request.URL.Host == t.host && request.URL.Scheme == "https":
		request = request.Clone(request.Context())
		request.URL.Scheme = "http"
	case !t.plain && request.URL.Scheme == "http":
		return nil, errPlainText
	}
	return t.inner.RoundTrip(request)
}

// get asks for a path below /v2/. The caller closes the body of an answer without an error.
func (s *session) get(ctx context.Context, path string, accept ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.host+"/v2/"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking %s for %s: %w", s.host, path, err)
	}
	for _, mediaType := range accept {
		request.Header.Add("Accept", mediaType)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, unreachable(ctx, s.host, err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response, nil
	case http.StatusNotFound:
		_ = response.Body.Close() // nothing was read that could be lost
		return nil, ErrNotFound
	}
	defer func() { _ = response.Body.Close() }()
	return nil, complaint(s.host, response)
}

// document reads a bounded answer whole, with retries.
func (s *session) document(ctx context.Context, path string, limit int64, accept ...string) ([]byte, http.Header, error) {
	var body []byte
	var header http.Header
	err := s.options.retry(ctx, func() error {
		response, err := s.get(ctx, path, accept...)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		header = response.Header
		body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
		if err != nil {
			return unreachable(ctx, s.host, err)
		}
		if int64(len(body)) > limit {
			return fmt.Errorf("%w: %s is larger than %d bytes", ErrInvalid, path, limit)
		}
		return nil
	})
	return body, header, err
}

// complaint is a registry's refusal, with its own words if it has any.
func complaint(host string, response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxComplaint)) // what could be read is said
	var stated struct {
		Errors []struct{ Message string } `json:"errors"`
	}
	said := ""
	if json.Unmarshal(text, &stated) == nil && len(stated.Errors) > 0 && stated.Errors[0].Message != "" {
		said = ", " + stated.Errors[0].Message
	}
	advice, kind := refusal(response.StatusCode)
	return fmt.Errorf("%w: %s answered %s%s%s", kind, host, response.Status, said, advice)
}

// refusal is the kind of error of an answer's status, and what to do about one that asking again does not change.
func refusal(status int) (advice string, kind error) {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return "; it wants other credentials", ErrDenied
	}
	return "", ErrUnreachable
}

// unreachable says in one line why there was no answer. A caller's own cancel is no fault of the registry's.
func unreachable(ctx context.Context, host string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("asking %s: %w", host, context.Canceled)
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		if answer.StatusCode == http.StatusNotFound {
			return fmt.Errorf("%w: %s is no OCI registry: /v2/ answered %d", ErrUnreachable, host, answer.StatusCode)
		}
		advice, kind := refusal(answer.StatusCode)
		return fmt.Errorf("%w: %s answered %d %s%s", kind, host, answer.StatusCode, http.StatusText(answer.StatusCode), advice)
	}
	return fmt.Errorf("%w: %s: %s", ErrUnreachable, host, cause(err))
}

// cause is the innermost error that says something: the socket's where there is one.
func cause(err error) string {
	var socket *net.OpError
	var request *url.Error
	switch {
	case errors.As(err, &socket):
		return socket.Error()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection broke off"
	case errors.As(err, &request):
		return strings.TrimSpace(request.Err.Error())
	}
	return err.Error()
}
