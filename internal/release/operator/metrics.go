package operator

import (
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/release/rollout"
)

// The outcomes of a release, as suoke_releases_total counts them.
const (
	outcomePromoted   = "promoted"
	outcomeRefused    = "refused"
	outcomeRolledBack = "rolled-back"
)

// Metrics are what the operator exports about models.
type Metrics struct {
	accuracy, weight, clock *prometheus.GaugeVec
	releases, tooLate       *prometheus.CounterVec

	mu sync.Mutex
	// shown are the values of each model's versions, so that none is looked for among those of all models.
	shown map[string]shown
}

// shown are values by version.
type shown struct{ accuracy, weight map[string]float64 }

// NewMetrics registers the operator's metrics.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		shown: map[string]shown{},
		accuracy: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "suoke_model_accuracy", Help: "Accuracy of a version in its evaluation (for a regression: r2).",
		}, []string{"model", "version"}),
		weight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "suoke_release_weight", Help: "Share of the requests that a version is given, in percent.",
		}, []string{"model", "version"}),
		releases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_releases_total", Help: "Releases that ended, by outcome: promoted, refused (no traffic was given) or rolled-back, also after a promotion within its rollback window.",
		}, []string{"model", "outcome"}),
		clock: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "suoke_router_clock_ahead_seconds", Help: "How far a router's clock is ahead of the operator's; what is more than a report's way explains is corrected.",
		}, []string{"router"}),
		tooLate: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_release_late_requests_total", Help: "Requests that routers reported when their second had been judged already.",
		}, []string{"model"}),
	}
	for _, c := range []prometheus.Collector{m.accuracy, m.weight, m.releases, m.clock, m.tooLate} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// set shows a model's versions as they are, and no others.
func (m *Metrics) set(model string, known map[rollout.ID]frozen, state rollout.State, evaluations map[rollout.ID]evaluation) {
	now := shown{accuracy: map[string]float64{}, weight: map[string]float64{}}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		version := known[id].Version.Version
		if quality := evaluations[id].quality(); quality != nil {
			now.accuracy[version] = *quality
		}
		if weight, given := state.Weights[id]; given {
			now.weight[version] += float64(weight) // of all its Pod templates
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, found := m.shown[model]
	if !found {
		for _, outcome := range []string{outcomePromoted, outcomeRefused, outcomeRolledBack} {
			m.releases.WithLabelValues(model, outcome) // so that a model without a release counts 0
		}
	}
	change(m.accuracy, model, before.accuracy, now.accuracy)
	change(m.weight, model, before.weight, now.weight)
	m.shown[model] = now
}

// change brings a gauge of a model's versions from some values to others.
func change(gauge *prometheus.GaugeVec, model string, from, to map[string]float64) {
	if maps.Equal(from, to) {
		return
	}
	for version := range from {
		gauge.DeleteLabelValues(model, version)
	}
	for version, value := range to {
		gauge.WithLabelValues(model, version).Set(value)
	}
}

// count adds transitions that have happened.
func (m *Metrics) count(model string, happened []rollout.Transition) {
	for _, t := range happened {
		switch t.To {
		case rollout.Production:
			if t.Reason != rollout.ReasonRestored { // which is the end of another version's release
				m.releases.WithLabelValues(model, outcomePromoted).Inc()
			}
		case rollout.Rollback:
			outcome := outcomeRefused
			if t.From == rollout.InCanary || t.From == rollout.Production {
				outcome = outcomeRolledBack
			}
			m.releases.WithLabelValues(model, outcome).Inc()
		case rollout.Draft, rollout.Testing, rollout.InCanary, rollout.Deprecated:
		}
	}
}

func (m *Metrics) forget(model string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.shown, model)
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.accuracy, m.weight, m.releases, m.tooLate} {
		v.DeletePartialMatch(prometheus.Labels{"model": model})
	}
}

// skew shows how far a router's clock is ahead of ours.
func (m *Metrics) skew(router string, seconds int64) {
	m.clock.WithLabelValues(router).Set(float64(seconds))
}

func (m *Metrics) forgetRouter(router string) { m.clock.DeleteLabelValues(router) }

// late counts requests that came too late to be judged.
func (m *Metrics) late(model string, requests int64) {
	if requests > 0 {
		m.tooLate.WithLabelValues(model).Add(float64(requests))
	}
}
