package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/pki"
)

// server answers in the API server's place, with its certificate, for clients that have one of the cluster's.
func server(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	c := cluster.Config{Name: "test", Dir: t.TempDir()}
	if err := pki.Provision(c, time.Now()); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(c.Path("pki", "apiserver.crt"), c.Path("pki", "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(c.Path("pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(authority)
	s := httptest.NewUnstartedServer(answer)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	s.StartTLS()
	t.Cleanup(s.Close)
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	client.base = s.URL
	t.Cleanup(client.http.CloseIdleConnections)
	return client
}

func TestAsksAsTheAdministrator(t *testing.T) {
	var asked []string
	client := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, strings.Join([]string{
			r.TLS.PeerCertificates[0].Subject.String(), r.Method, r.RequestURI, r.Header.Get("Content-Type"), string(body),
		}, " "))
		_, _ = io.WriteString(w, `{"kind": "Node"}`) // the client looks at what comes
	})
	var got struct {
		Kind string `json:"kind"`
	}
	for _, ask := range []func() error{
		func() error { return client.Get(t.Context(), "/api/v1/nodes/n", &got) },
		func() error { return client.Apply(t.Context(), "/api/v1/nodes/n", Object{"a": 1}) },
		func() error { return client.Merge(t.Context(), "/api/v1/nodes/n", Object{"b": nil}) },
	} {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if got.Kind != "Node" {
		t.Errorf("it read %q", got.Kind)
	}
	const admin = "CN=admin,O=system:masters "
	if diff := cmp.Diff([]string{
		admin + "GET /api/v1/nodes/n  ",
		admin + `PATCH /api/v1/nodes/n?fieldManager=suoke-local&force=true application/apply-patch+yaml {"a":1}`,
		admin + `PATCH /api/v1/nodes/n application/merge-patch+json {"b":null}`,
	}, asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
}

func TestStrangersServerIsNotTrusted(t *testing.T) {
	client := server(t, func(http.ResponseWriter, *http.Request) {})
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	defer stranger.Close()
	client.base = stranger.URL
	if err := client.Get(t.Context(), "/readyz", nil); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("the answer is %v, want that the certificate is not the cluster's", err)
	}
}

func TestAnswersThatAreNoSuccess(t *testing.T) {
	for what, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
		code   int
	}{
		"it is not there": {
			answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such thing", http.StatusNotFound) },
			want:   "GET /x: the API server answered 404: no such thing", code: 404,
		},
		"it is somewhere else": {
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
			want:   "answered 304", code: 304,
		},
		"it is no JSON": {
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
			want:   "reading /x: invalid character",
		},
		"it has no end": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				for piece := []byte(strings.Repeat(" ", 1<<16)); ; {
					if _, err := w.Write(piece); err != nil {
						return
					}
				}
			},
			want: "reading /x: the answer is longer than 4194304 bytes",
		},
	} {
		t.Run(what, func(t *testing.T) {
			err := server(t, test.answer).Get(t.Context(), "/x", new(Object))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("the answer is %v, want one with %q", err, test.want)
			}
			var status *StatusError
			if errors.As(err, &status) != (test.code > 0) || status != nil && status.Code != test.code {
				t.Errorf("the answer is %v, want code %d", err, test.code)
			}
		})
	}
}

// errPatience is why a test stops to wait.
var errPatience = errors.New("out of patience")

func TestReadyWaits(t *testing.T) {
	asked := 0
	client := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	if err := client.Ready(t.Context()); err != nil || asked != 3 {
		t.Errorf("after %d questions the answer is %v, want nil after 3", asked, err)
	}
}

func TestUntil(t *testing.T) {
	early, late := errors.New("connection refused"), errors.New("not yet Available")
	type answer struct {
		yes bool
		err error
	}
	for what, test := range map[string]struct {
		answers []answer // the last one again and again
		want    error
		asked   int
	}{
		"yes at once":              {answers: []answer{{yes: true}}, asked: 1},
		"yes after no":             {answers: []answer{{}, {}, {yes: true}}, asked: 3},
		"an error counts as no":    {answers: []answer{{true, early}, {true, nil}}, asked: 2},
		"the last error is told":   {answers: []answer{{err: early}, {err: late}}, want: late, asked: 10},
		"also from before a no":    {answers: []answer{{err: late}, {}}, want: late, asked: 10},
		"without one the cause is": {answers: []answer{{}}, want: errPatience, asked: 10},
		"with an error it is, too": {answers: []answer{{err: late}}, want: errPatience, asked: 10},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), 10*poll-poll/2, errPatience)
				defer cancel()
				asked := 0
				err := new(Client).Until(ctx, "a miracle", func(context.Context) (bool, error) {
					a := test.answers[min(asked, len(test.answers)-1)]
					asked++
					return a.yes, a.err
				})
				if !errors.Is(err, test.want) || asked != test.asked {
					t.Errorf("after %d questions the answer is %v, want %v after %d", asked, err, test.want, test.asked)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "waiting for a miracle: ") {
					t.Errorf("the answer is %v, which does not say what for", err)
				}
			})
		})
	}
}

// TestUntilDoesNotTellItsOwnEnd has a question that is broken off by the end of patience: the answer before says more.
func TestUntilDoesNotTellItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errPatience)
		defer cancel()
		refused, asked := errors.New("connection refused"), 0
		err := new(Client).Until(ctx, "a miracle", func(ctx context.Context) (bool, error) {
			if asked++; asked == 1 {
				return false, refused
			}
			<-ctx.Done()
			return false, ctx.Err()
		})
		if !errors.Is(err, refused) || !errors.Is(err, errPatience) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the answer is %v, want the cause and the error before", err)
		}
	})
}
