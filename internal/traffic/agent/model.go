package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

const (
	// maxReply bytes are read of a model's answer.
	maxReply = 8 << 20
	// maxVersions of metadata are remembered.
	maxVersions = 16
)

// model asks one model through the routers.
type model struct {
	name    string
	routers *balance.Set
	client  *balance.Client

	mu sync.Mutex
	// latest is the version that metadata was last needed of; before an answer nobody knows which will serve.
	latest string
	known  map[string]metadata
}

// modelError is an answer that is not 200, of the model, the router, or the agent before it asked them.
type modelError struct {
	code       int
	says       string
	retryAfter string
}

func (e modelError) Error() string { return e.says }

// infer asks for the rows' answers.
func (m *model) infer(ctx context.Context, q question) (reply, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return reply{}, fmt.Errorf("writing the question: %w", err)
	}
	var r reply
	err = m.call(ctx, http.MethodPost, "/v2/models/"+url.PathEscape(m.name)+"/infer", body, &r)
	return r, err
}

// expected returns what is known of the version that will most likely answer.
func (m *model) expected(ctx context.Context) (metadata, error) {
	m.mu.Lock()
	meta, found := m.known[m.latest]
	m.mu.Unlock()
	if found {
		return meta, nil
	}
	return m.fetch(ctx, "")
}

// of returns what is known of a version.
func (m *model) of(ctx context.Context, version string) (metadata, error) {
	m.mu.Lock()
	meta, found := m.known[version]
	if found {
		m.latest = version
	}
	m.mu.Unlock()
	if found {
		return meta, nil
	}
	return m.fetch(ctx, version)
}

// fetch asks a version for its metadata, or whichever answers if none is named, and remembers it.
func (m *model) fetch(ctx context.Context, version string) (metadata, error) {
	path := "/v2/models/" + url.PathEscape(m.name)
	if version != "" {
		path += "/versions/" + url.PathEscape(version)
	}
	var meta metadata
	if err := m.call(ctx, http.MethodGet, path, nil, &meta); err != nil {
		return metadata{}, err
	}
	if version == "" && len(meta.Versions) == 1 {
		version = meta.Versions[0]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if version != "" {
		if len(m.known) >= maxVersions {
			clear(m.known)
		}
		m.known[version], m.latest = meta, version
	}
	return meta, nil
}

// call sends one request to a router and reads its JSON.
func (m *model) call(ctx context.Context, method, path string, body []byte, into any) error {
	res, err := m.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := read(ctx, res)
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusOK:
		return refused(res, data)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return modelError{code: http.StatusBadGateway, says: "the model's answer is no JSON of the Open Inference Protocol"}
	}
	return nil
}

// send sends one request to a router, in the session that it belongs to.
func (m *model) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the router: %w", err)
	}
	req.Host = m.name
	req.Header.Set("Content-Type", "application/json")
	if session := sessionOf(ctx); session != "" {
		req.Header.Set(server.SessionHeader, session)
	}
	res, _, err := m.client.Do(m.routers, req, balance.Unanswered, nil)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return res, nil
}

// read reads the whole of a model's answer.
func read(ctx context.Context, res *http.Response) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, unreachable(ctx, err)
	case len(data) > maxReply:
		return nil, modelError{code: http.StatusBadGateway, says: fmt.Sprintf("the model's answer is larger than %d bytes; send fewer rows", maxReply)}
	}
	return data, nil
}

func unreachable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return context.Canceled
	case ctx.Err() != nil:
		return modelError{code: http.StatusGatewayTimeout, says: "the model did not answer in time"}
	case errors.Is(err, balance.ErrNoEndpoint):
		return modelError{code: http.StatusServiceUnavailable, says: "no router is ready; `kubectl get pods -l app.kubernetes.io/component=router` shows them", retryAfter: "1"}
	default:
		return modelError{code: http.StatusBadGateway, says: "the connection to the model broke"}
	}
}

// refused passes on what the router or the model said. What concerns the model's own working is a gateway's error here.
func refused(res *http.Response, data []byte) error {
	var body struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(data, &body); err != nil || body.Error == "" {
		body.Error = fmt.Sprintf("the model answered %d", res.StatusCode)
	}
	e := modelError{code: http.StatusBadGateway, says: body.Error, retryAfter: res.Header.Get("Retry-After")}
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.code = res.StatusCode
	}
	return e
}
