package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// maxReport bounds what is read of one report.
	maxReport = 16 << 20
	// askedAtOnce models share one report, and fewer if many seconds of each are missing: its address and its answer stay
	// within what both sides read.
	askedAtOnce      = 50
	askedAtOnceLong  = 8
	longAgo          = 30
	longestAddresses = 32 << 10
	// keepSeconds of what was counted, as long as routers keep theirs.
	keepSeconds = 120
	// lateAfter is how many seconds a second waits for routers that did not answer.
	lateAfter = 3
	// skewed is by how many seconds a router's clock may differ from ours without being corrected.
	skewed = 2
)

// question is what one report is to hold: the models named, or all of them, with their seconds after one.
type question struct {
	models []string
	since  int64
}

// meet notes a router Pod as it is now, and says what it is to be asked.
func (r *routers) meet(pod *corev1.Pod) []question {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[pod.Name]
	isNew := s == nil
	if isNew {
		s = &seenRouter{read: map[string]int64{}, models: map[string]route.ModelReport{}}
		r.seen[pod.Name] = s
	}
	if ready := podReady(pod); ready != s.ready {
		s.ready, s.readySince = ready, r.clock()
	}
	var questions []question
	if isNew || s.now == 0 || r.round%restRounds == 0 {
		questions = append(questions, question{since: math.MaxInt64}) // what it serves, and none of its seconds
	}
	due := map[int64][]string{}
	for model, followed := range r.followed {
		if followed != atRest || itsTurn(model, restRounds, r.round) {
			due[s.read[model]] = append(due[s.read[model]], model)
		}
	}
	for since, models := range due {
		slices.Sort(models)
		questions = append(questions, divide(models, since, s.now)...)
	}
	return questions
}

// itsTurn spreads models over that many polls.
func itsTurn(model string, rounds, round int) bool {
	return (int(hashed(model)%uint32(rounds))+round)%rounds == 0 //nolint:gosec // one of the constants above
}

// divide makes questions of models, each of which can be answered at once.
func divide(models []string, since, now int64) []question {
	most := askedAtOnce
	if since < now-longAgo || since == 0 {
		most = askedAtOnceLong
	}
	var all []question
	length := 0
	for _, model := range models {
		length += len(model)
		if n := len(all); n == 0 || len(all[n-1].models) == most || length > longestAddresses {
			all, length = append(all, question{since: since}), len(model)
		}
		last := &all[len(all)-1]
		last.models = append(last.models, model)
	}
	return all
}

func (r *routers) ask(ctx context.Context, pod *corev1.Pod, q question) (*route.Report, error) {
	query := url.Values{"since": {strconv.FormatInt(q.since, 10)}}
	for _, model := range q.models {
		query.Add("model", model)
	}
	address := url.URL{
		Scheme: "http", Host: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(r.port)), Path: route.ReportPath, RawQuery: query.Encode(),
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking router %s: %w", pod.Name, err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking router %s: %w", pod.Name, err)
	}
	defer func() { _ = res.Body.Close() }() // nothing of it is needed any more
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking router %s: it answers %s", pod.Name, res.Status)
	}
	var report route.Report
	if err := json.NewDecoder(io.LimitReader(res.Body, maxReport)).Decode(&report); err != nil {
		return nil, fmt.Errorf("reading the report of router %s: %w", pod.Name, err)
	}
	return &report, nil
}

// note keeps a report. A router that did not answer keeps what it last confirmed.
func (r *routers) note(pod string, q question, report *route.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[pod]
	if s.process != report.Process {
		// What the old process counted and had not reported is lost; its last seconds are not asked of the new one.
		s.process, s.models = report.Process, map[string]route.ModelReport{}
	}
	s.now = report.Now
	r.correct(pod, s)
	if len(q.models) == 0 {
		s.models = map[string]route.ModelReport{}
	}
	for _, model := range q.models {
		delete(s.models, model)
	}
	for model, m := range report.Models {
		for i := range m.Seconds {
			if counts := &m.Seconds[i]; counts.Unix > s.read[model] && counts.Unix < report.Now {
				late := r.ledger.add(model, counts.Unix-s.ahead, counts)
				r.metrics.late(model, late)
			}
		}
		m.Seconds = nil
		s.models[model] = m
	}
	for _, model := range q.models {
		// Seconds before the router's now are complete. Where its clock was set back, they begin anew.
		if before := report.Now - 1; before > s.read[model] || before < s.read[model]-skewed {
			s.read[model] = before
		}
	}
}

// correct takes a router's clock for as far from ours as it is, if that is more than what an answer's way explains. It is
// corrected anew only when it moves, so that a second stays the same second.
func (r *routers) correct(pod string, s *seenRouter) {
	r.metrics.skew(pod, s.now-r.clock().Unix())
	ahead := s.now - r.counting.now()
	if off := ahead - s.ahead; off >= -skewed && off <= skewed {
		return
	}
	if ahead >= -skewed && ahead <= skewed {
		ahead = 0
	}
	r.log.Warn("a router's clock differs from ours; its seconds are counted under ours", "router", pod, "seconds ahead", ahead)
	s.ahead = ahead
}

// of returns what the routers confirmed of a model.
func (r *routers) of(model string) []rollout.Router {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []rollout.Router
	for name, s := range r.seen {
		m := s.models[model]
		seen := rollout.Router{Name: name, Ready: s.ready, Since: s.readySince, AppliedRevision: m.AppliedRevision, InFlight: map[rollout.ID]int{}}
		for id, n := range m.InFlight {
			seen.InFlight[rollout.ID(id)] = n
		}
		all = append(all, seen)
	}
	return all
}

// complete is the last second of a model, by our clock, that every router which answers was read up to; 0 if there is none.
func (r *routers) complete(model string) int64 {
	newest := int64(0)
	for _, s := range r.seen {
		if s.now > 0 {
			newest = max(newest, s.now-s.ahead)
		}
	}
	complete := newest - 1
	for _, s := range r.seen {
		if s.now > 0 && s.now-s.ahead >= newest-lateAfter {
			complete = min(complete, s.read[model]-s.ahead)
		}
	}
	return max(complete, 0)
}

// since returns what was counted of a model after the second given, in order, up to the last complete one, and that one.
// What is not later than the second given is not needed any more.
func (r *routers) since(model string, after int64) (seconds []heardSecond, complete int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	complete = max(after, r.complete(model))
	r.ledger.dropBefore(model, after+1)
	return r.ledger.between(model, after, complete), complete
}

// next are the complete seconds of a model after the one given. They stay for the judgement.
func (r *routers) next(model string, after int64) []heardSecond {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.between(model, after, r.complete(model))
}

// tell passes on the complete seconds of every model that were not passed on, and drops those that nobody waits for.
func (r *routers) tell() {
	var all []news
	r.mu.Lock()
	for model, followed := range r.followed {
		complete := r.complete(model)
		if seconds := r.ledger.told(model, complete); len(seconds) > 0 {
			all = append(all, news{model: model, seconds: seconds})
		}
		keep := complete - keepSeconds
		if followed == atRest {
			keep = complete + 1
		}
		r.ledger.dropBefore(model, keep)
	}
	r.mu.Unlock()
	for _, n := range all {
		r.heard(n.model, n.seconds)
	}
}
