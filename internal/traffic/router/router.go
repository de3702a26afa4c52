// Package router is the data plane between clients and the versions of a model. It splits requests as the model's Route
// says, exactly within every hundred, and keeps a session at its version; gives a version without a ready Pod nothing;
// balances over a version's Pods; asks stable again when a candidate fails, before the client gets a byte; asks a shadowed
// candidate what stable has answered, and compares; and counts by version and Pod, for the release engine to judge by.
//
// It promises that a client sees no failure of a candidate that may be re-asked, as long as stable answers, the body
// fits into the buffer and re-asking stays within its budget; that a higher weight moves sessions to the candidate only; and
// that a mirror neither delays nor changes an answer. It does not judge, and it changes no weight.
//
// The way from a request to the version that gets it (target, split, plan, session, ledger) needs no connection; serve,
// exchange and answer hold it.
package router

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// DefaultDeadline of a request that names none.
	DefaultDeadline = 30 * time.Second
	// LongestDeadline that a client can ask for: after that time no request of an earlier revision is under way.
	LongestDeadline = 60 * time.Second
	// MaxBody bytes of a request.
	MaxBody = 16 << 20
	// shieldedBody bytes are buffered, of a request so that it can be asked again, of a candidate's answer so that
	// nothing of it is sent before it is whole.
	shieldedBody = 1 << 20
	// reasksPerPod of stable may be under way at once: its spare capacity. At 5 ms an answer that is 6,400 a second.
	reasksPerPod = 32
)

// Config of a Router.
type Config struct {
	// Name of this router's Pod.
	Name string
	// Pods returns the endpoints of a version, and Forget drops them when no route names the version any more.
	Pods   func(id string, port int) *balance.Set
	Forget func(id string, port int)
	// Namespace in the hosts that name a model: <model>.<namespace>.svc.
	Namespace string
	// MaxInFlight requests of one model; MaxWaiting more may wait a moment for room, and the rest are shed with 429.
	MaxInFlight, MaxWaiting int64
	// MaxBuffered bytes of request bodies in all; more are passed on without a shield.
	MaxBuffered int64
}

// Router serves the models whose Routes were applied.
type Router struct {
	config   Config
	process  string
	client   *balance.Client
	metrics  *metrics
	buffered atomic.Int64
	// memory for bodies.
	memory memory

	// mu is held by who changes models; requests read the map, which is never written.
	mu     sync.Mutex
	models atomic.Pointer[map[string]*model]
}

// New returns a Router without models.
func New(config Config, registry prometheus.Registerer) *Router {
	var process [8]byte
	_, _ = rand.Read(process[:]) // crypto/rand.Read never fails
	rt := &Router{
		config:  config,
		process: hex.EncodeToString(process[:]),
		client:  balance.NewClient(),
		metrics: newMetrics(registry),
	}
	rt.models.Store(&map[string]*model{})
	registry.MustRegister(newFlights(rt))
	return rt
}

// Apply makes a Route, which passes Validate, the one that its model's requests are split by.
func (rt *Router) Apply(r route.Route) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	m, found := (*rt.models.Load())[r.Model]
	if !found {
		m = newModel(r.Model, newQueue(rt.config.MaxInFlight, rt.config.MaxWaiting))
	}
	before := m.plan.Load()
	m.apply(r, func(v route.Version) *balance.Set { return rt.config.Pods(v.ID, v.Port) })
	rt.forget(before, m.plan.Load())
	if !found {
		models := maps.Clone(*rt.models.Load())
		models[r.Model] = m
		rt.models.Store(&models)
	}
}

// Remove forgets a model. Its requests under way are still answered.
func (rt *Router) Remove(name string) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	models := maps.Clone(*rt.models.Load())
	if m, found := models[name]; found {
		rt.forget(m.plan.Load(), &plan{})
		delete(models, name)
		rt.models.Store(&models)
	}
}

// forget drops the endpoints of the versions that were in a plan and are no more.
func (rt *Router) forget(before, after *plan) {
	if before == nil {
		return
	}
	type place struct {
		id   string
		port int
	}
	still := map[place]bool{}
	for _, v := range after.versions {
		still[place{v.ID, v.Port}] = true
	}
	for _, v := range before.versions {
		if !still[place{v.ID, v.Port}] {
			rt.config.Forget(v.ID, v.Port)
		}
	}
}

// Report says what the Router applied and saw: of the models asked for, or of all; only seconds later than since.
func (rt *Router) Report(now time.Time, since int64, names ...string) route.Report {
	report := route.Report{Router: rt.config.Name, Process: rt.process, Now: now.Unix(), Models: map[string]route.ModelReport{}}
	models := *rt.models.Load()
	if len(names) == 0 {
		for name, m := range models {
			report.Models[name] = m.report(since, now)
		}
	}
	for _, name := range names {
		if m, found := models[name]; found {
			report.Models[name] = m.report(since, now)
		}
	}
	return report
}
