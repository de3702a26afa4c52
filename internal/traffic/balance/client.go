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

// Repeats says when a request that got no answer is sent again. What could not be sent at all always is.
type Repeats int

const (
	// Never sends nothing twice. The request gets a connection of its own, as one that was kept may turn out to be closed.
	Never Repeats = iota
	// Stale does where a kept connection broke before the first byte of an answer: most likely it was closed already.
	Stale
	// Unanswered does once, where any connection broke before the first byte. The request may be acted on twice.
	Unanswered
)

// Do sends the request to an endpoint of the Set and returns the answer and the Pod that gave it. A refused connection
// is tried at another endpoint; one that broke without an answer too, if repeats allows it and the request can be sent
// again: it has no body, or GetBody. A kept connection is, where no other endpoint is left, tried again on a new one. The
// endpoint counts as busy until the answer's body is closed. From then on, or once an error was returned, nothing reads
// what GetBody of a body with a known length gave. broken, if not nil, is called for every failed attempt, also the last.
// The request's URL needs no host.
func (c *Client) Do(set *Set, req *http.Request, repeats Repeats, broken Broken) (*http.Response, string, error) {
	body := replayable(req)
	var tried []*Endpoint
	pod, failed := "", ErrNoEndpoint
	fresh := repeats == Never
	for range maxAttempts {
		start := time.Now()
		e := set.Pick(start, tried...)
		if e == nil {
			break
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
		pod, failed, tried = e.Pod, err, append(tried, e)
		left := set.others(tried)
		if !again(req.Context(), stage, body, repeats) || !left && stage != stale {
			break
		}
		if stage == unanswered {
			repeats = Stale // a request that breaks Pods should not break many
		}
		if !left {
			fresh, tried = true, nil
		}
	}
	return nil, pod, failed
}

// stage is how far an attempt came.
type stage int

const (
	// dialing: no connection, so nothing was sent.
	dialing stage = iota
	// stale: a kept-alive connection broke before the first byte of an answer.
	stale
	// unanswered: a new one did.
	unanswered
	// begun: an answer broke off.
	begun
)

func again(ctx context.Context, s stage, body *body, repeats Repeats) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case s == dialing:
		return body.canSendAgain() || !body.touched()
	case s == stale:
		return repeats >= Stale && body.canSendAgain()
	case s == unanswered:
		return repeats == Unanswered && body.canSendAgain()
	default:
		return false
	}
}

// broke is the stage of an attempt that had a connection.
func broke(reused, answered bool) stage {
	switch {
	case answered:
		return begun
	case reused:
		return stale
	default:
		return unanswered
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
		return nil, begun, err
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
		return answer, begun, nil
	case !got.Load():
		return nil, dialing, err
	default:
		return nil, broke(kept.Load(), answered.Load()), err
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
