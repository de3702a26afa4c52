package balance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxAttempts of one request: the first and two more.
	maxAttempts = 3
	// dialTimeout is generous within a cluster; a Pod that vanished answers nothing at all.
	dialTimeout = time.Second
	// idleTimeout is below our servers' own, so that they never close a connection that is about to be used.
	idleTimeout = 30 * time.Second
	// idlePerEndpoint connections are kept.
	idlePerEndpoint = 256
	// maxAnswerHeader bytes are read of an answer.
	maxAnswerHeader = 64 << 10
)

// ErrNoEndpoint says that a Set has no endpoint that is ready.
var ErrNoEndpoint = errors.New("no endpoint is ready")

// Client sends requests to the endpoints of Sets.
type Client struct {
	// wires take requests that can be sent again. Of the others, kept keeps connections and fresh opens one for each.
	wires       *wires
	kept, fresh http.RoundTripper
}

// NewClient returns a Client with a pool of connections of its own.
func NewClient() *Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	kept := &http.Transport{
		DialContext:            dialer.DialContext,
		MaxIdleConnsPerHost:    idlePerEndpoint,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHeader,
		DisableCompression:     true,
	}
	fresh := kept.Clone()
	fresh.DisableKeepAlives = true
	return &Client{wires: newWires(dialer), kept: kept, fresh: fresh}
}

// Broken is told of each attempt that ended without an answer: the Pod, how long it took, and why.
type Broken func(pod string, took time.Duration, err error)

// Do sends the request to an endpoint of the Set and returns the answer and the Pod that gave it. A refused connection
// is tried at another endpoint. A reset on a kept-alive connection, before the first byte of an answer, is tried again
// if the request can be sent again: it has no body, or GetBody; where no other endpoint is left, on a new connection. The endpoint counts as busy until the answer's body is
// closed. From then on, or once an error was returned, nothing reads what GetBody of a body with a known length gave.
// broken, if not nil, is called for every failed attempt, also the last. The request's URL needs no host.
func (c *Client) Do(set *Set, req *http.Request, broken Broken) (*http.Response, string, error) {
	body := replayable(req)
	var tried []*Endpoint
	fresh := false
	for attempts := 1; ; attempts++ {
		start := time.Now()
		e := set.Pick(start, tried...)
		if e == nil {
			return nil, "", ErrNoEndpoint
		}
		answer, stage, err := c.attempt(e, req, body, fresh)
		if err == nil {
			answer.Body = &tracked{ReadCloser: answer.Body, endpoint: e}
			return answer, e.Pod, nil
		}
		e.Release()
		if broken != nil {
			broken(e.Pod, time.Since(start), err)
		}
		if stage == dialing && req.Context().Err() == nil {
			e.Rest(time.Now())
		}
		tried = append(tried, e)
		left := set.Ready() > len(tried)
		if !again(req.Context(), stage, body) || attempts == maxAttempts || !left && stage != reused {
			return nil, e.Pod, err
		}
		if !left {
			fresh, tried = true, nil
		}
	}
}

// stage is how far an attempt came.
type stage int

const (
	// dialing: no connection, so nothing was sent.
	dialing stage = iota
	// reused: a kept-alive connection broke before the first byte of an answer; most likely it was closed already.
	reused
	// sent: a new connection broke, or any after the first byte of an answer. The request may have been acted on.
	sent
)

func again(ctx context.Context, s stage, body *body) bool {
	switch {
	case ctx.Err() != nil || s == sent:
		return false
	case s == dialing:
		return body.canSendAgain() || !body.touched()
	default:
		return body.canSendAgain()
	}
}

// attempt sends the request to one endpoint.
func (c *Client) attempt(e *Endpoint, req *http.Request, b *body, fresh bool) (*http.Response, stage, error) {
	out := new(http.Request)
	*out = *req
	url := *req.URL
	url.Scheme, url.Host = "http", e.Host
	out.URL = &url
	if err := b.attach(out); err != nil {
		return nil, sent, err
	}
	if b.fits(req.ContentLength) {
		return c.wires.roundTrip(e.Host, out, fresh)
	}
	if fresh {
		return traced(c.fresh, out)
	}
	return traced(c.kept, out)
}

// traced sends the request by a Transport, and watches how far it comes.
func traced(over http.RoundTripper, req *http.Request) (*http.Response, stage, error) {
	var got, kept, answered atomic.Bool
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			got.Store(true)
			kept.Store(info.Reused)
		},
		GotFirstResponseByte: func() { answered.Store(true) },
	}
	answer, err := over.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	switch {
	case err == nil:
		return answer, sent, nil
	case !got.Load():
		return nil, dialing, err
	case kept.Load() && !answered.Load():
		return nil, reused, err
	default:
		return nil, sent, err
	}
}

// tracked ends the request at the endpoint when the answer's body is closed.
type tracked struct {
	io.ReadCloser
	endpoint *Endpoint
	once     sync.Once
}

// Close closes the body, and makes the endpoint free for another request.
func (t *tracked) Close() error {
	err := t.ReadCloser.Close()
	t.once.Do(t.endpoint.Release)
	return err
}
