package operator

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// pollEvery router for the models that are followed, and how long it may take to answer.
	pollEvery   = time.Second
	pollTimeout = 800 * time.Millisecond
	// restRounds polls go by until a model that is not followed is asked for again, and until every router is asked what it
	// serves at all. Routers keep their seconds six times as long.
	restRounds = 20
	// judgingRounds polls go by until a model whose verdict stays is looked at again, so that what people see of it is fresh.
	judgingRounds = 3
)

// routers reads the reports of every router Pod while the operator leads, and wakes the models that are followed. It
// promises that what a router counted in a second stands in the sum once, under our clock, and counts what comes too late.
type routers struct {
	pods      client.Reader
	namespace string
	service   string
	port      int
	http      *http.Client
	log       *slog.Logger
	metrics   *Metrics
	clock     func() time.Time
	counting  *counting
	// heard gets every complete second of every model once, in order.
	heard func(model string, seconds []heardSecond)
	// turns says whether a model's verdict changes with what was counted of it.
	turns func(model string) bool
	// wake gets an event for the followed models that are to be looked at after a poll.
	wake chan event.TypedGenericEvent[call]

	mu sync.Mutex
	// round counts polls. After the first, it is known which routers there are and what they serve.
	round int
	seen  map[string]*seenRouter
	// followed are the models that were looked at.
	followed map[string]following
	// turned are the models whose verdict changed and that were not looked at since.
	turned map[string]bool
	ledger ledger
}

// call has a model looked at; an urgent one before all others.
type call struct {
	model  string
	urgent bool
}

// following is how much the next reports about a model matter.
type following int

const (
	// atRest asks now and then, for the history.
	atRest following = iota
	// byVerdict asks in every poll, and wakes the model when its verdict changes and every judgingRounds polls.
	byVerdict
	// closely asks in every poll, and wakes the model after each.
	closely
)

// seenRouter is one router Pod.
type seenRouter struct {
	ready bool
	// readySince is when it was first seen ready.
	readySince time.Time
	process    string
	// now is the router's clock at its last answer, and ahead by how many seconds it is corrected to be ours.
	now, ahead int64
	// read is the last second, by the router's clock, that was read of each model.
	read   map[string]int64
	models map[string]route.ModelReport
}

func newRouters(o *Operator, heard func(model string, seconds []heardSecond), turns func(model string) bool) *routers {
	return &routers{
		pods: o.Client, namespace: o.Namespace, service: o.RouterService, port: o.RouterPort, log: o.Log, metrics: o.Metrics, clock: o.Now, counting: o.countingClock(),
		http: &http.Client{Timeout: pollTimeout, Transport: &http.Transport{
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 1 << 14,
		}},
		heard:    heard,
		turns:    turns,
		wake:     make(chan event.TypedGenericEvent[call], 1024),
		seen:     map[string]*seenRouter{},
		followed: map[string]following{},
		turned:   map[string]bool{},
		ledger:   ledger{},
	}
}

// Start polls until ctx ends.
func (r *routers) Start(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	defer r.http.CloseIdleConnections()
	for {
		r.poll(ctx)
		r.tell()
		for _, c := range r.due() {
			r.rouse(c)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// NeedLeaderElection says that only the leader asks.
func (*routers) NeedLeaderElection() bool { return true }

// follow says how much the next reports about a model matter. What is counted of it is read from the first time on that this
// was said of it.
func (r *routers) follow(model string, how following) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followed[model] = how
}

// forget drops all that is known of a model.
func (r *routers) forget(model string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followed, model)
	delete(r.turned, model)
	delete(r.ledger, model)
	for _, s := range r.seen {
		delete(s.read, model)
		delete(s.models, model)
	}
}

// due are the models to be looked at after a poll, those first whose verdict changes.
func (r *routers) due() []call {
	var first, others []call
	r.mu.Lock()
	followed := maps.Clone(r.followed)
	round := r.round
	r.mu.Unlock()
	for model, how := range followed {
		switch {
		case how == atRest:
		case r.turns(model):
			first = append(first, call{model, true})
		case how == closely || itsTurn(model, judgingRounds, round):
			others = append(others, call{model, false})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range first {
		r.turned[c.model] = true
	}
	return append(first, others...)
}

// pressing says whether the verdict on a model changed that was not looked at since: its route may have to be written.
func (r *routers) pressing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.turned) > 0
}

// looked says that a model was looked at.
func (r *routers) looked(model string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.turned, model)
}

// rouse has a model looked at that it is said of again if it is not looked at now: it does not wait where many others are to be.
func (r *routers) rouse(c call) {
	select {
	case r.wake <- event.TypedGenericEvent[call]{Object: c}:
	default:
	}
}

// summon has a model looked at, also one at rest, that nothing else is said of for minutes: it waits until that is taken, or ctx
// ends.
func (r *routers) summon(ctx context.Context, model string) {
	select {
	case r.wake <- event.TypedGenericEvent[call]{Object: call{model: model}}:
	case <-ctx.Done():
	}
}

// poll asks every router Pod at once.
func (r *routers) poll(ctx context.Context) {
	var list corev1.PodList
	if err := r.pods.List(ctx, &list, client.InNamespace(r.namespace), client.MatchingLabels{"app.kubernetes.io/name": r.service}); err != nil {
		if ctx.Err() == nil {
			r.log.Warn("listing the routers", "error", err)
		}
		return
	}
	there := map[string]bool{}
	var asking sync.WaitGroup
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Status.PodIP == "" || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		there[pod.Name] = true
		questions := r.meet(pod)
		asking.Go(func() {
			for _, q := range questions {
				report, err := r.ask(ctx, pod, q)
				if err != nil {
					r.log.Debug("a router did not report", "router", pod.Name, "error", err)
					return // what it did not tell is asked again
				}
				r.note(pod.Name, q, report)
			}
		})
	}
	asking.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.seen {
		if !there[name] {
			delete(r.seen, name)
			r.metrics.forgetRouter(name)
		}
	}
	r.round++
}

// known says whether it is known which routers there are and what they serve. Before that nothing may be decided: no
// router and no answer yet would look the same.
func (r *routers) known() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.round > 0
}
