package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
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

// ServeHTTP answers one request of the Open Inference Protocol.
func (rt *Router) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	start := time.Now()
	at, err := parse(in.Method, in.URL.Path)
	if err != nil {
		rt.refuse(w, "", start, err)
		return
	}
	m, found := (*rt.models.Load())[at.model]
	if !found {
		rt.refuse(w, "", start, refusal{http.StatusNotFound, fmt.Sprintf("no model %q has a route; `kubectl get aimodels` lists them", at.model)})
		return
	}
	if !m.inFlight.Enter(rt.config.MaxInFlight) {
		w.Header().Set("Retry-After", "1")
		rt.refuse(w, m.name, start, refusal{http.StatusTooManyRequests, fmt.Sprintf("%s has %d requests under way; ask again in a second", m.name, rt.config.MaxInFlight)})
		return
	}
	defer m.inFlight.Leave()
	if err := rt.answer(w, in, m, at, start); err != nil {
		rt.refuse(w, m.name, start, err)
	}
}

// answer passes the request to a version; an error says that nothing was written yet.
func (rt *Router) answer(w http.ResponseWriter, in *http.Request, m *model, at target, start time.Time) error {
	allowed, err := deadline(in.Header.Get(headerTimeout))
	if err != nil {
		return err
	}
	p := m.plan.Load()
	v, err := pick(p, m.name, at)
	if err != nil {
		return err
	}
	body, free, err := rt.read(w, in)
	if err != nil {
		return err
	}
	defer free()
	ctx, cancel := context.WithDeadline(in.Context(), start.Add(allowed))
	defer cancel()
	x := &exchange{router: rt, model: m, in: in, ctx: ctx, body: body, judged: at.action == actionInfer, start: start}
	if under := x.understudy(p, v); under != nil {
		return x.shielded(w, v, under)
	}
	return x.passed(w, v)
}

func pick(p *plan, name string, at target) (*version, error) {
	v := p.choose()
	if at.version != "" {
		if v = p.named(at.version); v == nil {
			return nil, refusal{http.StatusNotFound, fmt.Sprintf("%s has no version %q under way", name, at.version)}
		}
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

// The actions of a target.
const (
	actionMetadata = ""
	actionReady    = "ready"
	actionInfer    = "infer"
)

// target is what a path asks for.
type target struct {
	model, version, action string
}

// parse reads /v2/models/<model>[/versions/<version>][/ready|/infer].
func parse(method, path string) (target, error) {
	rest, found := strings.CutPrefix(path, "/v2/models/")
	var t target
	t.model, rest, _ = strings.Cut(rest, "/")
	if !found || t.model == "" {
		return target{}, refusal{http.StatusNotFound, "ask for /v2/models/<model>/infer"}
	}
	if pinned, is := strings.CutPrefix(rest, "versions/"); is {
		t.version, rest, _ = strings.Cut(pinned, "/")
	}
	t.action = rest
	switch {
	case t.action == actionInfer && t.version != "":
		return target{}, refusal{http.StatusBadRequest, fmt.Sprintf("ask /v2/models/%s/infer; the route chooses the version", t.model)}
	case t.action == actionInfer && method != http.MethodPost:
		return target{}, refusal{http.StatusMethodNotAllowed, "use POST to infer"}
	case t.action == actionInfer:
		return t, nil
	case t.action != actionMetadata && t.action != actionReady:
		return target{}, refusal{http.StatusNotFound, fmt.Sprintf("models have no %q: ask for /v2/models/%s/infer", t.action, t.model)}
	case method != http.MethodGet && method != http.MethodHead:
		return target{}, refusal{http.StatusMethodNotAllowed, "use GET for a model's metadata"}
	}
	return t, nil
}

// refuse writes an answer of the router itself.
func (rt *Router) refuse(w http.ResponseWriter, model string, start time.Time, err error) {
	var r refusal
	switch {
	case errors.As(err, &r):
	case errors.Is(err, context.Canceled):
		rt.metrics.answered(model, "", codeClientGone, time.Since(start))
		return
	case errors.Is(err, context.DeadlineExceeded):
		r = refusal{http.StatusGatewayTimeout, "the model did not answer before the deadline"}
	case errors.Is(err, balance.ErrNoEndpoint):
		r = refusal{http.StatusServiceUnavailable, "no Pod of the model is ready"}
	default:
		r = refusal{http.StatusBadGateway, "the model's Pod broke the connection"}
	}
	rt.metrics.answered(model, "", r.code, time.Since(start))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": r.says}) // nobody to tell if the client has left
}
