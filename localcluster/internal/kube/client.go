// Package kube asks the API server over plain HTTPS for the little that bringing up a cluster needs. It promises no watches and no
// types: whoever needs those takes a real client.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// Object is any object of the API.
type Object = map[string]any

// maxAnswer bounds an answer; the largest wanted is a short list.
const maxAnswer = 4 << 20

// poll is how often a state is asked for.
const poll = 100 * time.Millisecond

// Client asks the API server as the administrator.
type Client struct {
	base string
	http *http.Client
}

// StatusError is an answer other than success.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server answered %d: %s", e.Code, e.Message)
}

// New returns a client of a cluster whose keys are made.
func New(c cluster.Config) (*Client, error) {
	authority, err := os.ReadFile(c.Path("pki", "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	pair, err := tls.LoadX509KeyPair(c.Path("pki", "admin.crt"), c.Path("pki", "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("reading the administrator's certificate: %w", err)
	}
	return &Client{
		base: c.API(),
		http: &http.Client{
			Timeout: 10 * time.Second,
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
				MaxIdleConnsPerHost: 4,
				IdleConnTimeout:     time.Minute,
			},
		},
	}, nil
}

// Get reads an object or a list into value.
func (c *Client) Get(ctx context.Context, path string, value any) error {
	answer, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil || value == nil {
		return err
	}
	if err := json.Unmarshal(answer, value); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// Apply creates or changes an object by server-side apply.
func (c *Client) Apply(ctx context.Context, path string, object Object) error {
	return c.send(ctx, path+"?fieldManager=suoke-local&force=true", "application/apply-patch+yaml", object)
}

// Merge changes the named fields of an object.
func (c *Client) Merge(ctx context.Context, path string, fields Object) error {
	return c.send(ctx, path, "application/merge-patch+json", fields)
}

func (c *Client) send(ctx context.Context, path, kind string, object Object) error {
	body, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", path, err)
	}
	_, err = c.do(ctx, http.MethodPatch, path, kind, body)
	return err
}

func (c *Client) do(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", path, err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("reading %s: the answer is longer than %d bytes", path, maxAnswer)
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %w", method, path, &StatusError{Code: response.StatusCode, Message: string(answer)})
	}
	return answer, nil
}

// Ready waits until the API server says that it is.
func (c *Client) Ready(ctx context.Context) error {
	return c.Until(ctx, "the API server to be ready", func(ctx context.Context) (bool, error) {
		return true, c.Get(ctx, "/readyz", nil)
	})
}

// Until asks again and again until the answer is yes; errors count as no, and the last one is told when ctx ends.
func (c *Client) Until(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	var last error
	for {
		yes, err := ask(ctx)
		if yes && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, errors.Join(context.Cause(ctx), last))
		case <-ticker.C:
		}
	}
}
