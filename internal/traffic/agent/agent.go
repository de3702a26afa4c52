// Package agent is the reference agent: it takes typed requests, asks its model through the routers, and gives typed
// answers. It promises that every request it takes is counted under the name that the profile gives, whatever becomes of
// it, and that a wrong one is answered with a sentence that says what to write. It holds no conversation and no state.
//
// Whether the agent is ready does not depend on its model. If it did, a model that is away for a moment would take all
// agents out of their Service at once, and a client would get a refused connection where it now gets a sentence.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

const (
	// MaxBody bytes of a request.
	MaxBody = 1 << 20
	// LongestAnswer is the time within which every request is answered: a little more than the router's own, so that its answer still comes through.
	LongestAnswer = 31 * time.Second
	// codeClientGone is counted for a client that left before the answer.
	codeClientGone = 499
)

// Config of an Agent.
type Config struct {
	// Name of the agent, and Model that it asks.
	Name, Model string
	// Counter is the name of the request counter that the agent's HPA goes by.
	Counter string
	// Routers to ask.
	Routers *balance.Set
	// MaxInFlight requests; more are shed with 429.
	MaxInFlight int64
}

// Agent answers POST /v1/infer.
type Agent struct {
	config   Config
	model    *model
	inFlight server.Gate
	taken    prometheus.Counter
	requests *prometheus.CounterVec
	duration prometheus.Observer
}

// New returns an Agent.
func New(config Config, registry prometheus.Registerer) *Agent {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "suoke_agent_request_duration_seconds",
		Help:    "Time from a request to its answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"agent"})
	a := &Agent{
		config: config,
		model:  &model{name: config.Model, routers: config.Routers, client: balance.NewClient(), known: map[string]metadata{}},
		taken: prometheus.NewCounter(prometheus.CounterOpts{
			Name: config.Counter,
			Help: "Requests that the agent took, whatever became of them.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_agent_requests_total",
			Help: "Requests by the code of their answer; 499: the client left.",
		}, []string{"agent", "code"}),
		duration: duration.WithLabelValues(config.Name),
	}
	registry.MustRegister(a.taken, a.requests, duration)
	return a
}

// answer is what a client gets.
type answer struct {
	Agent   string   `json:"agent"`
	Model   string   `json:"model"`
	Version string   `json:"version"`
	Outputs []output `json:"outputs"`
}

// ServeHTTP answers one request: at once, or row by row for a client that accepts a stream of events.
func (a *Agent) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	start := time.Now()
	a.taken.Inc()
	code := http.StatusBadGateway // of a stream that breaks off
	defer func() {
		a.requests.WithLabelValues(a.config.Name, strconv.Itoa(code)).Inc()
		a.duration.Observe(time.Since(start).Seconds())
	}()
	ctx, deadline := server.WithDeadline(withSession(in), LongestAnswer)
	defer deadline.Stop()
	code = a.admit(ctx, deadline, w, in)
}

// admit answers a request if there is room for it, and returns the code that the client got. One that is shed was taken as
// well: the HPA is to see it.
func (a *Agent) admit(ctx context.Context, deadline *server.Deadline, w http.ResponseWriter, in *http.Request) int {
	if !a.inFlight.Enter(a.config.MaxInFlight) {
		says := fmt.Sprintf("%s has %d requests under way; ask again in a second", a.config.Name, a.config.MaxInFlight)
		return refuse(w, modelError{code: http.StatusTooManyRequests, says: says, retryAfter: "1"})
	}
	defer a.inFlight.Leave()
	q, err := a.read(ctx, http.MaxBytesReader(w, in.Body, MaxBody))
	if err != nil {
		return refuse(w, err)
	}
	if acceptsStream(in.Header) {
		return a.stream(ctx, deadline, w, q)
	}
	result, err := a.infer(ctx, q)
	if err != nil {
		return refuse(w, err)
	}
	write(w, http.StatusOK, result)
	return http.StatusOK
}

// asked is a request that was understood.
type asked struct {
	request

	// meta is of the version that will most likely answer.
	meta metadata
	rows [][]float64
}

func (a *Agent) read(ctx context.Context, body io.Reader) (asked, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return asked{}, unread(err)
	}
	var q asked
	if err := json.Unmarshal(data, &q.request); err != nil {
		return asked{}, readable(err)
	}
	q.meta, q.rows, err = a.rows(ctx, q.request)
	return q, err
}

func (a *Agent) infer(ctx context.Context, q asked) (answer, error) {
	given, err := a.model.infer(ctx, ask(q.meta.input(), q.rows))
	if err != nil {
		return answer{}, err
	}
	return a.typed(ctx, q, given, len(q.rows))
}

// typed says what the model's numbers for so many rows mean.
func (a *Agent) typed(ctx context.Context, q asked, given reply, rows int) (answer, error) {
	answering, err := a.answering(ctx, given, q.meta)
	if err != nil {
		return answer{}, err
	}
	if q.named != nil && !slices.Equal(answering.Features, q.meta.Parameters.Features) {
		// Its numbers stood in the order of another version's features: a good answer to a wrong question.
		return answer{}, modelError{code: http.StatusServiceUnavailable, says: "the model is changing its features; ask again in a moment", retryAfter: "1"}
	}
	outputs, err := given.outputs(rows, answering.Labels)
	if err != nil {
		return answer{}, modelError{code: http.StatusBadGateway, says: err.Error()}
	}
	return answer{Agent: a.config.Name, Model: a.config.Model, Version: given.ModelVersion, Outputs: outputs}, nil
}

// rows are the request's, as the model wants them. What is remembered of the model may be of a version that serves no
// more, so a request is not refused for it before the model was asked again.
func (a *Agent) rows(ctx context.Context, r request) (metadata, [][]float64, error) {
	meta, err := a.model.expected(ctx)
	if err != nil {
		return metadata{}, nil, err
	}
	if rows, err := r.matrix(meta.Parameters.Features); err == nil {
		return meta, rows, nil
	}
	if meta, err = a.model.fetch(ctx, ""); err != nil {
		return metadata{}, nil, err
	}
	rows, err := r.matrix(meta.Parameters.Features)
	return meta, rows, err
}

// answering says what the numbers of the version that answered mean. One that cannot be asked any more, because it has
// just gone, is read by its features as they were expected and without labels.
func (a *Agent) answering(ctx context.Context, given reply, expected metadata) (parameters, error) {
	meta, err := a.model.of(ctx, given.ModelVersion)
	switch {
	case err == nil:
		return meta.Parameters, nil
	case ctx.Err() != nil:
		return parameters{}, err
	default:
		return parameters{Features: expected.Parameters.Features}, nil
	}
}

// readable is the sentence for a body that is no request.
func readable(err error) error {
	if input, is := errors.AsType[inputError](err); is {
		return input
	}
	return wrong(`write JSON such as {"inputs": [[1, 2, 3]]}: %v`, err)
}

func unread(err error) error {
	if tooLarge, is := errors.AsType[*http.MaxBytesError](err); is {
		return wrong("send at most %d bytes; split the rows over several requests", tooLarge.Limit)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return context.Canceled
	}
	return wrong("the body could not be read to its end; send it again")
}

// refuse writes the answer to a request that failed, and returns its code.
func refuse(w http.ResponseWriter, err error) int {
	var input inputError
	var asked modelError
	code := http.StatusInternalServerError
	switch {
	case errors.As(err, &input):
		code = http.StatusBadRequest
	case errors.As(err, &asked):
		code = asked.code
		if asked.retryAfter != "" {
			w.Header().Set("Retry-After", asked.retryAfter)
		}
	case errors.Is(err, context.Canceled):
		code = codeClientGone // written all the same: without a status it would be a 200
	}
	write(w, code, map[string]string{"error": err.Error()})
	return code
}

func write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // nobody to tell if the client has left
}
