// Package console is what people and their clients see of the system from outside. So far it is the public edge: it
// passes /api/agents/<agent>/v1/… to a Pod of that agent, with the fewest requests in flight, and bounds what comes in. It
// promises that a request which a Pod gave no byte of an answer to is tried at another Pod, as what an agent is asked
// changes nothing, and that an error is a sentence in JSON. It knows no login; what it serves is public.
package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

const (
	// MaxBody bytes of a request, as the agents take them.
	MaxBody = 1 << 20
	// LongestAnswer is the time within which every request is answered: a little more than the agents' own.
	LongestAnswer = 32 * time.Second
	// maxAnswer bytes of an agent are passed on.
	maxAnswer = 16 << 20
	// codeClientGone is counted for a client that left before the answer.
	codeClientGone = 499
	// clientGone is written to it all the same: without a status it would be a 200.
	clientGone = "the client left before the answer"

	agentsPath = "/api/agents/"
)

// Edge answers the public API.
type Edge struct {
	// agents are the Pods of each agent, by its name.
	agents map[string]*balance.Set
	// maxInFlight requests of all agents together; more are shed with 429.
	maxInFlight int64
	inFlight    server.Gate
	client      *balance.Client
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
}

// NewEdge returns an Edge before these agents that has at most so many requests in flight.
func NewEdge(agents map[string]*balance.Set, maxInFlight int64, registry prometheus.Registerer) *Edge {
	e := &Edge{
		agents:      agents,
		maxInFlight: maxInFlight,
		client:      balance.NewClient(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_edge_requests_total",
			Help: "Requests by agent and the code of their answer; 499: the client left.",
		}, []string{"agent", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "suoke_edge_request_duration_seconds",
			Help:    "Time from a request to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"agent"}),
	}
	registry.MustRegister(e.requests, e.duration)
	return e
}

// Routes adds the API and its index to a mux.
func (e *Edge) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", e.index)
	mux.HandleFunc(agentsPath+"{agent}/{path...}", e.pass)
	mux.HandleFunc("/", func(w http.ResponseWriter, in *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %s; ask %s<agent>/v1/infer of one of %s", in.URL.Path, agentsPath, e.names()))
	})
}

// KeepMetrics answers 404 to whoever asks for /metrics through the Ingress, which leads to the port that Prometheus reads.
// Every ingress controller says by which scheme or host it was asked, and a client cannot take that away. The API server's
// own proxy, through which `kubectl get --raw` reads a Pod, sets X-Forwarded-For alone, so that header says nothing here.
func KeepMetrics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		forwarded := in.Header.Get("X-Forwarded-Proto") != "" || in.Header.Get("X-Forwarded-Host") != ""
		if forwarded && in.URL.Path == "/metrics" {
			refuse(w, http.StatusNotFound, "there is no /metrics from outside; read it from the Pods, port 3000")
			return
		}
		next.ServeHTTP(w, in)
	})
}

func (e *Edge) names() string { return strings.Join(slices.Sorted(maps.Keys(e.agents)), ", ") }

// index says how the API is used.
func (e *Edge) index(w http.ResponseWriter, in *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := fmt.Sprintf(`Suoke Life. Agents: %s.

  curl -d '{"inputs": [[…]]}' http://%s%s<agent>/v1/infer

inputs are rows of as many numbers as the agent's model takes, one row a case, or one case by the names of its features, such as
{"inputs": {"bmi": 27.5}} for the example of soer.
`, e.names(), in.Host, agentsPath)
	_, _ = io.WriteString(w, text) //nolint:gosec // plain text runs nowhere; nobody to tell if the client has left
}

// pass sends a request to a Pod of its agent.
func (e *Edge) pass(w http.ResponseWriter, in *http.Request) {
	start := time.Now()
	name := in.PathValue("agent")
	pods, found := e.agents[name]
	if !found {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no agent %q; write one of %s", name, e.names()))
		return
	}
	if !public(in.PathValue("path")) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %s; ask %s%s/v1/infer", in.URL.Path, agentsPath, name))
		return
	}
	code := http.StatusBadGateway // of a stream that breaks off
	defer func() {
		e.requests.WithLabelValues(name, strconv.Itoa(code)).Inc()
		e.duration.WithLabelValues(name).Observe(time.Since(start).Seconds())
	}()
	code = e.admit(w, in, pods)
}

// public says whether clients may ask for an agent's path: its API, and not its metrics and probes.
func public(asked string) bool { return strings.HasPrefix(path.Clean("/"+asked), "/v1/") }

// admit relays a request if there is room for it: each may fill the memory with its body and its answer.
func (e *Edge) admit(w http.ResponseWriter, in *http.Request, pods *balance.Set) int {
	if !e.inFlight.Enter(e.maxInFlight) {
		w.Header().Set("Retry-After", "1")
		return refuse(w, http.StatusTooManyRequests, fmt.Sprintf("%d requests are under way; ask again in a second", e.maxInFlight))
	}
	defer e.inFlight.Leave()
	ctx, deadline := server.WithDeadline(in.Context(), LongestAnswer)
	defer deadline.Stop()
	return e.relay(ctx, deadline, w, in, pods)
}

// relay passes the request on and its answer back, and returns the code that the client got.
func (e *Edge) relay(ctx context.Context, deadline *server.Deadline, w http.ResponseWriter, in *http.Request, pods *balance.Set) int {
	body, err := io.ReadAll(http.MaxBytesReader(w, in.Body, MaxBody))
	if err != nil {
		return unread(w, err)
	}
	res, _, err := e.client.Do(pods, outgoing(ctx, in, body), balance.Unanswered, nil)
	if err != nil {
		return failed(ctx, w, in, err)
	}
	defer res.Body.Close()
	if server.Streams(res.Header) {
		return stream(deadline, w, in, res)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return failed(ctx, w, in, err)
	}
	if len(data) > maxAnswer {
		return refuse(w, http.StatusBadGateway, fmt.Sprintf("the agent's answer is larger than %d bytes; ask for less at a time", maxAnswer))
	}
	balance.CopyEndToEnd(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(data) // nobody to tell if the client has left
	return res.StatusCode
}

// stream passes an answer on event by event. One that breaks off ends the client's connection: nothing else would tell it.
func stream(deadline *server.Deadline, w http.ResponseWriter, in *http.Request, res *http.Response) int {
	balance.CopyEndToEnd(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	to, part := server.NewStream(w), make([]byte, 4<<10)
	for {
		n, err := res.Body.Read(part)
		if n > 0 {
			deadline.Extend()
		}
		if _, failed := to.Write(part[:n]); failed != nil || in.Context().Err() != nil {
			return codeClientGone
		}
		switch {
		case errors.Is(err, io.EOF):
			return res.StatusCode
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

// outgoing is the request as an agent gets it: without the headers that steer our own processes.
func outgoing(ctx context.Context, in *http.Request, body []byte) *http.Request {
	header := balance.EndToEnd(in.Header)
	for name := range header {
		if strings.HasPrefix(name, "X-Suoke-") {
			delete(header, name)
		}
	}
	out := &http.Request{
		Method: in.Method,
		URL:    &url.URL{Path: "/" + in.PathValue("path"), RawQuery: in.URL.RawQuery},
		Header: header,
		Host:   in.Host,
	}
	if len(body) > 0 {
		out.ContentLength = int64(len(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody()
	}
	return out.WithContext(ctx)
}

func unread(w http.ResponseWriter, err error) int {
	if tooLarge, is := errors.AsType[*http.MaxBytesError](err); is {
		return refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("send at most %d bytes; split the rows over several requests", tooLarge.Limit))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(w, codeClientGone, clientGone)
	}
	return refuse(w, http.StatusBadRequest, "the body could not be read to its end; send it again")
}

func failed(ctx context.Context, w http.ResponseWriter, in *http.Request, err error) int {
	name := in.PathValue("agent")
	switch {
	case in.Context().Err() != nil:
		return refuse(w, codeClientGone, clientGone)
	case ctx.Err() != nil:
		return refuse(w, http.StatusGatewayTimeout, fmt.Sprintf("%s did not answer within %v", name, LongestAnswer))
	case errors.Is(err, balance.ErrNoEndpoint):
		w.Header().Set("Retry-After", "1")
		return refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("no Pod of %s is ready; ask again in a moment", name))
	default:
		return refuse(w, http.StatusBadGateway, fmt.Sprintf("the connection to %s broke; ask again", name))
	}
}

func refuse(w http.ResponseWriter, code int, says string) int {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": says}) // nobody to tell if the client has left
	return code
}
