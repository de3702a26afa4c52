package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// The headers by which clients steer a request, and by which its answer says where it came from.
const (
	headerTimeout = "X-Suoke-Timeout"
	headerRetry   = "X-Suoke-Retry"
	headerVersion = "X-Suoke-Version"
	headerPod     = "X-Suoke-Pod"
	headerReasked = "X-Suoke-Reasked"
)

// refusal is an answer of the router itself.
type refusal struct {
	code int
	says string
}

func (r refusal) Error() string { return r.says }

// ServeHTTP answers one request of the Open Inference Protocol, or of the one that language models speak.
func (rt *Router) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	x := &exchange{router: rt, in: in, start: time.Now()}
	defer func() { rt.free(x.body) }()
	m, err := x.find(w)
	if err != nil {
		rt.refuse(w, "", x.start, err)
		return
	}
	if !m.queue.enter(in.Context()) {
		rt.refuse(w, m.name, x.start, refusal{http.StatusTooManyRequests, fmt.Sprintf("%s has %d requests under way; ask again in a second", m.name, rt.config.MaxInFlight)})
		return
	}
	defer m.queue.leave()
	x.model = m
	if err := x.answer(w); err != nil {
		rt.refuse(w, m.name, x.start, err)
	}
}

// find returns the model that the request is for. Only where neither path nor host names it is the body read for that.
func (x *exchange) find(w http.ResponseWriter) (*model, error) {
	var err error
	if x.target, err = parse(x.in, x.router.config.Namespace); err != nil {
		return nil, err
	}
	if x.allowed, err = deadline(x.in.Header.Get(headerTimeout)); err != nil {
		return nil, err
	}
	if x.target.model == "" {
		if err := x.read(w); err != nil {
			return nil, err
		}
		if x.target.model, err = modelOfBody(x.body, x.router.config.Namespace); err != nil {
			return nil, err
		}
	}
	m, found := (*x.router.models.Load())[x.target.model]
	if !found {
		return nil, refusal{http.StatusNotFound, fmt.Sprintf("no model %q has a route; `kubectl get aimodels` lists them", x.target.model)}
	}
	return m, nil
}

// answer passes the request to a version; an error says that nothing was written yet.
func (x *exchange) answer(w http.ResponseWriter) error {
	if x.session = server.Session(x.in); x.session != "" {
		x.sessionHash = sessionHash(x.session, "")
	}
	if err := x.read(w); err != nil { // before a version is chosen: it may take long, and versions go
		return err
	}
	p := x.model.plan.Load()
	v, err := x.pick(p)
	if err != nil {
		return err
	}
	x.judged = x.target.infers()
	under := x.understudy(p, v)
	within := x.left()
	if under != nil {
		within /= 2 // so that stable has the other half
	}
	x.ctx, x.deadline = server.WithDeadline(x.in.Context(), within)
	defer func() { x.deadline.Stop() }()
	if under != nil {
		return x.shielded(w, v, under)
	}
	return x.passed(w, v, x.mirrored(p, v))
}

// pick returns the version that the request is for.
func (x *exchange) pick(p *plan) (*version, error) {
	name, pinned := x.model.name, x.target.version
	var v *version
	if pinned == "" {
		v = p.choose(x.session)
	} else if v = p.named(pinned); v == nil {
		return nil, refusal{http.StatusNotFound, fmt.Sprintf("%s has no version %q under way", name, pinned)}
	}
	if v == nil || !v.ready() {
		return nil, refusal{http.StatusServiceUnavailable, fmt.Sprintf("no Pod of %s is ready; `kubectl describe aimodel %s` says why", name, name)}
	}
	return v, nil
}

// deadline reads the time that the client allows.
func deadline(text string) (time.Duration, error) {
	if text == "" {
		return DefaultDeadline, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, refusal{http.StatusBadRequest, fmt.Sprintf("%s: write a time such as 500ms or 2s, not %q", headerTimeout, text)}
	}
	return min(d, LongestDeadline), nil
}

// refuse writes an answer of the router itself.
func (rt *Router) refuse(w http.ResponseWriter, model string, start time.Time, err error) {
	var r refusal
	switch {
	case errors.As(err, &r):
	case errors.Is(err, context.Canceled):
		r = refusal{codeClientGone, "the client left before the answer"} // written all the same: without a status it would be a 200
	case errors.Is(err, context.DeadlineExceeded):
		r = refusal{http.StatusGatewayTimeout, "the model did not answer before the deadline"}
	case errors.Is(err, balance.ErrNoEndpoint):
		r = refusal{http.StatusServiceUnavailable, "no Pod of the model is ready"}
	default:
		r = refusal{http.StatusBadGateway, "the model's Pod broke the connection"}
	}
	rt.metrics.answered(model, "", r.code, time.Since(start))
	if r.code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.code)
	text := json.NewEncoder(w)
	text.SetEscapeHTML(false)
	_ = text.Encode(map[string]string{"error": r.says}) // nobody to tell if the client has left
}
