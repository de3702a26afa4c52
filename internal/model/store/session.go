package store

import (
	"context"
	"crypto/tls"
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

	"github.com/suoke-life/suoke/internal/model/ref"
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
	secrets  *secrets
	close    func()
}

// open asks the registry how to authenticate, and does. Scope is repository:NAME:pull and the like, or empty.
func open(ctx context.Context, host, scope string, o Options) (*session, error) {
	registry, err := name.NewRegistry(host, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("registry %q: %w", host, err)
	}
	secret := o.Credentials != (Credentials{})
	if o.PlainHTTP && secret && !ref.Inside(host) {
		return nil, fmt.Errorf("%s: %w", host, errPlainCredentials)
	}
	s := &session{host: host, registry: registry, options: o, secrets: newSecrets(host, o.Credentials), close: func() {}}
	inner := o.Transport
	if inner == nil {
		own := &http.Transport{
			Proxy:                 proxy,
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
	inner = &oneScheme{inner: inner, host: host, plain: o.PlainHTTP, secret: secret, secrets: s.secrets}
	authenticated, err := transport.NewWithContext(ctx, registry, o.Credentials.authenticator(), inner, scopes)
	if err != nil {
		s.close()
		return nil, s.unreachable(ctx, err)
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

// proxy is the environment's, but for what is said in plain text to the system's own registry: only the cluster knows it.
func proxy(request *http.Request) (*url.URL, error) {
	if request.URL.Scheme == "http" && ref.Inside(request.URL.Host) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(request)
}

// oneScheme holds a registry to the scheme that was chosen for it: a plain registry is asked in plain text at once, one
// meant for https never, and credentials go out in plain text only to loopback and within the cluster, whatever a
// redirect, a service of tokens or the library's own rules say.
type oneScheme struct {
	inner   http.RoundTripper
	host    string
	plain   bool
	secret  bool
	secrets *secrets
}

var (
	errPlainText = errors.New("it leads to plain HTTP, which is spoken with loopback and model-registry inside the cluster, and elsewhere only where --plain-http says so")
	// errPlainCredentials is no ErrUnreachable by itself: asking again would not help.
	errPlainCredentials = errors.New("credentials are sent in plain HTTP only to loopback and to model-registry inside the cluster; let it speak https, or ask it without credentials")
)

// RoundTrip passes on what may be asked.
func (t *oneScheme) RoundTrip(request *http.Request) (*http.Response, error) {
	if t.plain && request.URL.Host == t.host && request.URL.Scheme == "https" {
		request = request.Clone(request.Context())
		request.URL.Scheme = "http"
	}
	switch {
	case request.URL.Scheme != "http":
	case !t.plain:
		return nil, errPlainText
	case t.secret && !ref.Inside(request.URL.Host) && tells(request):
		return nil, errPlainCredentials
	}
	t.secrets.shown(request.Header.Get("Authorization"))
	return t.inner.RoundTrip(request)
}

// tells says whether a request may show credentials, in a header or, of a service of tokens, in its body.
func tells(request *http.Request) bool {
	reads := request.Method == http.MethodGet || request.Method == http.MethodHead
	return request.Header.Get("Authorization") != "" || !reads
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
		return nil, s.unreachable(ctx, err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response, nil
	case http.StatusNotFound:
		_ = response.Body.Close() // nothing was read that could be lost
		return nil, ErrNotFound
	}
	defer func() { _ = response.Body.Close() }()
	return nil, s.complaint(response)
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
			return s.unreachable(ctx, err)
		}
		if int64(len(body)) > limit {
			return fmt.Errorf("%w: %s is larger than %d bytes", ErrInvalid, path, limit)
		}
		return nil
	})
	return body, header, err
}

// complaint is a registry's refusal, with its own words if it has any.
func (s *session) complaint(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxComplaint)) // what could be read is said
	var stated struct {
		Errors []struct{ Message string } `json:"errors"`
	}
	said := ""
	if json.Unmarshal(text, &stated) == nil && len(stated.Errors) > 0 && stated.Errors[0].Message != "" {
		said = ", " + s.secrets.blank(stated.Errors[0].Message)
	}
	return s.answered(response.StatusCode, said)
}

// answered is a registry's refusal. The words of its status line are HTTP's and not its own.
func (s *session) answered(status int, said string) error {
	advice, kind := refusal(status)
	return fmt.Errorf("%w: %s answered %s%s%s", kind, s.host, strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))), said, advice)
}

// refusal is the kind of error of an answer's status, and what to do about one that asking again does not change.
func refusal(status int) (advice string, kind error) {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return "; it wants other credentials", ErrDenied
	}
	return "", ErrUnreachable
}

// unreachable says in one line why there was no answer. A caller's own cancel is no fault of the registry's.
func (s *session) unreachable(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("asking %s: %w", s.host, context.Canceled)
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		if answer.StatusCode == http.StatusNotFound {
			return fmt.Errorf("%w: %s is no OCI registry: /v2/ answered %d", ErrUnreachable, s.host, answer.StatusCode)
		}
		return s.answered(answer.StatusCode, "")
	}
	return fmt.Errorf("%w: %s: %s", ErrUnreachable, s.host, s.secrets.blank(cause(err)))
}

// notUnderstood is said of every answer that the library made an error of: it quotes them, and what a service of tokens
// answers with is secret.
const notUnderstood = "it, or the service that it takes tokens from, answered what is not understood"

// cause is the innermost error that says something: ours, the socket's, or that of TLS or HTTP about a connection.
func cause(err error) string {
	for request := (*url.Error)(nil); errors.As(err, &request); {
		err = request.Err
	}
	var socket *net.OpError
	var certificate *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &socket):
		return socket.Error()
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.As(err, &noTLS):
		return noTLS.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return timeout.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection broke off"
	}
	for _, known := range []error{errPlainCredentials, errPlainText, http.ErrSchemeMismatch, context.Canceled} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return notUnderstood
}
