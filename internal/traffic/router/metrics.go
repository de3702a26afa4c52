package router

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the router's own.
type metrics struct {
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	reasked    *prometheus.CounterVec
	unshielded *prometheus.CounterVec
	mirrored   *prometheus.CounterVec
}

// codeClientGone is the code of a request whose client left before the answer; it has no name in net/http.
const codeClientGone = 499

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_router_requests_total",
			Help: "Requests by the version that answered (empty if none did) and the code that the client got; 499: the client left.",
		}, []string{"model", "version", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "suoke_router_request_duration_seconds",
			Help:    "Time from a request's first byte to its answer's last, by the version that answered.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"model", "version"}),
		reasked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_router_reasked_total",
			Help: "Requests that were asked again of the stable version, by the version that failed them.",
		}, []string{"model", "version"}),
		unshielded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_router_unshielded_total",
			Help: "Requests to a candidate that could not be asked again of the stable version, by reason.",
		}, []string{"model", "reason"}),
		mirrored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "suoke_router_mirrored_total",
			Help: "Requests of the stable version that a candidate was asked too, by whether its answer agrees; those left out found too many under way.",
		}, []string{"model", "version", "result"}),
	}
	registry.MustRegister(m.requests, m.duration, m.reasked, m.unshielded, m.mirrored)
	return m
}

func (m *metrics) answered(model, version string, code int, took time.Duration) {
	m.requests.WithLabelValues(model, version, strconv.Itoa(code)).Inc()
	if version != "" {
		m.duration.WithLabelValues(model, version).Observe(took.Seconds())
	}
}

// flights exports the requests under way, read when they are scraped.
type flights struct {
	router *Router
	desc   *prometheus.Desc
}

func newFlights(router *Router) *flights {
	return &flights{router, prometheus.NewDesc("suoke_router_in_flight", "Requests under way.", []string{"model", "version"}, nil)}
}

// Describe implements prometheus.Collector.
func (f *flights) Describe(descs chan<- *prometheus.Desc) { descs <- f.desc }

// Collect implements prometheus.Collector.
func (f *flights) Collect(samples chan<- prometheus.Metric) {
	for _, m := range *f.router.models.Load() {
		byName := map[string]int64{}
		for _, v := range m.plan.Load().versions {
			byName[v.Version.Version] += v.inFlight.Load()
		}
		for name, n := range byName {
			samples <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, float64(n), m.name, name)
		}
	}
}
