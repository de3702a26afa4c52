package router

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// exchange is one request on its way to a version and back.
type exchange struct {
	router *Router
	model  *model
	in     *http.Request
	target target
	// body was read if isRead; it is read late, once there is room for the request.
	body   payload
	isRead bool
	// ctx ends with the client or at the deadline.
	ctx      context.Context
	deadline *server.Deadline
	// allowed is the time that the client allows, from start.
	allowed time.Duration
	start   time.Time
	// judged says that the outcome counts for the version: metadata does not.
	judged bool
	// session that the request belongs to, and its hash; "" and 0 if it names none.
	session     string
	sessionHash uint64
}

// read reads the request's body, unless that was done. It must come within the time that the client allows, as far as it is
// read later too.
func (x *exchange) read(w http.ResponseWriter) error {
	if x.isRead {
		return nil
	}
	x.isRead = true
	if x.left() <= 0 {
		return context.DeadlineExceeded // in the queue
	}
	if x.in.ContentLength != 0 {
		// Once the body is read to its end, net/http takes the deadline away. A writer that knows none has the whole body.
		_ = http.NewResponseController(w).SetReadDeadline(x.start.Add(x.allowed))
	}
	var err error
	x.body, err = x.router.read(x.in)
	return err
}

// understudy returns who is asked when v fails, or nil: v is stable, or the request may not or cannot be repeated.
func (x *exchange) understudy(p *plan, v *version) *version {
	under := p.understudy(v)
	switch {
	case under == nil || !x.mayRepeat(v):
		return nil
	case x.body.unbuffered != "":
		x.router.metrics.unshielded.WithLabelValues(x.model.name, x.body.unbuffered).Inc()
		return nil
	}
	return under
}

// passed asks v, and passes on whatever it answers; m, if not nil, is asked the same afterwards.
func (x *exchange) passed(w http.ResponseWriter, v *version, m *mirror) error {
	a := x.ask(x.ctx, v)
	a.mirror = m
	defer a.close()
	return a.send(w)
}

// left is what is left of the time that the client allows.
func (x *exchange) left() time.Duration { return x.allowed - time.Since(x.start) }

// shielded asks v, and stable if v fails.
func (x *exchange) shielded(w http.ResponseWriter, v, stable *version) error {
	a := x.ask(x.ctx, v)
	defer a.close()
	a.hold()
	if !a.streams {
		x.deadline.Move(x.left())
	}
	if !a.failed() {
		return a.send(w)
	}
	if errors.Is(a.err, context.Canceled) {
		return a.err
	}
	if !x.model.reasking.Enter(int64(reasksPerPod * stable.pods.Ready())) {
		x.router.metrics.unshielded.WithLabelValues(x.model.name, "budget").Inc()
		return a.send(w)
	}
	defer x.model.reasking.Leave()
	a.reasked = true
	a.close()
	x.router.metrics.reasked.WithLabelValues(x.model.name, v.Version.Version).Inc()
	w.Header().Set(headerReasked, v.Version.Version)
	x.deadline.Stop() // it may have passed
	x.ctx, x.deadline = server.WithDeadline(x.in.Context(), x.left())
	return x.passed(w, stable, nil)
}

// ask sends the request to a Pod of v. An attempt that broke, at a Pod whose place another took, is counted at once; the
// last one when the answer is closed.
func (x *exchange) ask(ctx context.Context, v *version) *answer {
	a := &answer{exchange: x, version: v, asked: time.Now(), ctx: ctx}
	v.inFlight.Add(1)
	var lost *outcome
	var at string
	//nolint:bodyclose // the answer's close closes it
	res, pod, err := x.router.client.Do(v.pods, x.outgoing(ctx), x.repeats(v), func(pod string, _ time.Duration, _ error) {
		if lost != nil {
			x.count(v, at, *lost)
		}
		at, lost = pod, &outcome{failed: true}
	})
	if err == nil && lost != nil {
		x.count(v, at, *lost)
	}
	a.res, a.pod, a.err = res, pod, x.cause(ctx, err)
	a.streams = res != nil && server.Streams(res.Header)
	return a
}

// repeats says when a Pod that gave no answer is asked again, or another of the version: what may be asked of stable may
// be asked of another Pod too.
func (x *exchange) repeats(v *version) balance.Repeats {
	if x.mayRepeat(v) {
		return balance.Unanswered
	}
	return balance.Never
}

// mayRepeat says whether neither the client nor the version's runtime forbids that the request is asked twice.
func (x *exchange) mayRepeat(v *version) bool {
	return v.MayReask && x.in.Header.Get(headerRetry) != "never"
}

// cause turns an attempt's error into why: the client left, its body was wrong, the time was up, or the error itself.
func (x *exchange) cause(ctx context.Context, err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return errTooLarge
	case x.left() <= 0 && x.body.late():
		return errLate
	case x.in.Context().Err() != nil:
		return context.Canceled
	case ctx.Err() != nil:
		return context.DeadlineExceeded
	default:
		return err
	}
}

// count notes an outcome that says something about the version: not the client's own doing, and not metadata. A client that
// left once it had the whole answer has done nothing.
func (x *exchange) count(v *version, pod string, o outcome) {
	if x.judged && pod != "" && (o.sent || x.in.Context().Err() == nil) {
		o.session = x.sessionHash
		x.model.ledger.count(time.Now(), v.ID, pod, o)
	}
}

// outgoing is the request as a Pod gets it.
func (x *exchange) outgoing(ctx context.Context) *http.Request {
	out := (&http.Request{
		Method: x.in.Method,
		URL:    &url.URL{Path: x.in.URL.Path, RawPath: x.in.URL.RawPath, RawQuery: x.in.URL.RawQuery},
		Header: balance.EndToEnd(x.in.Header),
		Host:   x.model.name,
	}).WithContext(ctx)
	x.body.fill(out)
	return out
}
