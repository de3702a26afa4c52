package router

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
)

const (
	// mirrorsPerPod of the candidate may be under way at once; more are left out.
	mirrorsPerPod = 8
	// comparedBytes of an answer are kept to be compared; one that is larger is not.
	comparedBytes = 256 << 10
)

// mirror asks the candidate what stable has answered, once the client has its answer, and compares.
type mirror struct {
	candidate *version
	// stable's answer; its code stays 0 if it failed or did not reach the client. whole says that nothing of it was left out.
	stable reply
	whole  bool
}

// mirrored returns the mirror of a request that v will answer, or nil: v is not stable, nothing is shadowed, the request
// may not or cannot be asked twice, it is not its turn, or too many are under way.
func (x *exchange) mirrored(p *plan, v *version) *mirror {
	c := p.candidate
	if c == nil || v != p.stable || !x.judged || x.target.action == actionStream || !c.ready() {
		return nil
	}
	if x.body.unbuffered != "" || !x.mayRepeat(c) {
		return nil
	}
	if rand.IntN(100) >= c.ShadowPercentage { //nolint:gosec // a sample; nobody gains by guessing it
		return nil
	}
	if !x.model.mirroring.Enter(int64(mirrorsPerPod * c.pods.Ready())) {
		x.router.metrics.mirrored.WithLabelValues(x.model.name, c.Version.Version, "left out").Inc()
		return nil
	}
	return &mirror{candidate: c, whole: true}
}

// keep notes a part of stable's answer.
func (m *mirror) keep(part []byte) {
	m.whole = m.whole && len(m.stable.body)+len(part) <= comparedBytes
	if m.whole {
		m.stable.body = append(m.stable.body, part...)
	}
}

// reflect starts asking the candidate what stable answered, unless there is nothing to compare with.
func (x *exchange) reflect(m *mirror) {
	if m.stable.code == 0 || !m.whole {
		x.model.mirroring.Leave()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.in.Context()), x.allowed)
	out := x.outgoing(ctx)
	// The body is kept until the candidate has answered too.
	body := x.body
	x.body = payload{}
	m.candidate.inFlight.Add(1)
	go func() {
		defer m.candidate.inFlight.Add(-1)
		defer cancel()
		defer x.model.mirroring.Leave()
		defer x.router.free(body)
		x.compare(m, out)
	}()
}

// compare asks the candidate, and counts whether it agrees. A failure is a disagreement: no client saw it, and the same
// request may not be counted among those that did.
func (x *exchange) compare(m *mirror, out *http.Request) {
	res, pod, err := x.router.client.Do(m.candidate.pods, out, balance.Stale, nil)
	answered := reply{}
	if err == nil {
		answered.code = res.StatusCode
		answered.body, err = io.ReadAll(io.LimitReader(res.Body, comparedBytes))
		_ = res.Body.Close() // read as far as it is compared
	}
	if pod == "" {
		return
	}
	agrees := err == nil && agree(m.stable, answered)
	x.model.ledger.mirrored(time.Now(), m.candidate.ID, pod, agrees)
	result := "agrees"
	if !agrees {
		result = "disagrees"
	}
	x.router.metrics.mirrored.WithLabelValues(x.model.name, m.candidate.Version.Version, result).Inc()
}
