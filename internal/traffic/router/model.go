package router

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// model is what the router knows of one model over the revisions of its route.
type model struct {
	name      string
	plan      atomic.Pointer[plan]
	ledger    ledger
	queue     *queue
	reasking  server.Gate
	mirroring server.Gate

	mu sync.Mutex
	// flights are the requests under way by version ID, also of versions that the route no longer names.
	flights map[string]*atomic.Int64
}

func newModel(name string, queue *queue) *model {
	return &model{name: name, queue: queue, flights: map[string]*atomic.Int64{}}
}

// apply makes the Route the one that requests are split by.
func (m *model) apply(r route.Route, pods func(route.Version) *balance.Set) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.plan.Load(); before != nil && before.candidate.id() != r.Candidate {
		m.ledger.forgetSessions()
	}
	m.plan.Store(newPlan(r, pods, func(id string) *atomic.Int64 {
		if m.flights[id] == nil {
			m.flights[id] = &atomic.Int64{}
		}
		return m.flights[id]
	}))
	for id, flight := range m.flights {
		if _, named := r.Version(id); !named && flight.Load() == 0 {
			delete(m.flights, id)
		}
	}
}

// report says what was applied and seen.
func (m *model) report(since int64, now time.Time) route.ModelReport {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := route.ModelReport{
		AppliedRevision: m.plan.Load().revision,
		InFlight:        map[string]int{},
		Seconds:         m.ledger.after(since, now),
	}
	for id, flight := range m.flights {
		r.InFlight[id] = int(flight.Load())
	}
	return r
}
