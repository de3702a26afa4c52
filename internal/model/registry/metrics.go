package registry

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of the registry process.
type Metrics struct {
	server *serverMetrics
	sync   *syncMetrics
}

type serverMetrics struct {
	requests *prometheus.CounterVec
	blobs    prometheus.Counter
	sent     prometheus.Counter
	received prometheus.Counter
}

type syncMetrics struct {
	connected *prometheus.GaugeVec
	models    *prometheus.GaugeVec
	failures  *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(to prometheus.Registerer) *Metrics {
	m := &Metrics{
		server: &serverMetrics{
			requests: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "suoke_registry_requests_total", Help: "Requests to the registry, by what they are about and how they were answered.",
			}, []string{"operation", "method", "code"}),
			blobs:    prometheus.NewCounter(prometheus.CounterOpts{Name: "suoke_registry_blobs_served_total", Help: "Blobs that were fetched."}),
			sent:     prometheus.NewCounter(prometheus.CounterOpts{Name: "suoke_registry_sent_bytes_total", Help: "Bytes of answers."}),
			received: prometheus.NewCounter(prometheus.CounterOpts{Name: "suoke_registry_received_bytes_total", Help: "Bytes of requests' bodies."}),
		},
		sync: &syncMetrics{
			connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
				Name: "suoke_registry_connected", Help: "1 if the endpoint of the ModelRegistry answered its last sync.",
			}, []string{"registry"}),
			models: prometheus.NewGaugeVec(prometheus.GaugeOpts{
				Name: "suoke_registry_models", Help: "AIModels whose reference was resolved through the ModelRegistry.",
			}, []string{"registry"}),
			failures: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "suoke_registry_sync_failures_total", Help: "Syncs that left something unresolved.",
			}, []string{"registry"}),
		},
	}
	to.MustRegister(m.server.requests, m.server.blobs, m.server.sent, m.server.received, m.sync.connected, m.sync.models, m.sync.failures)
	return m
}

func (m *serverMetrics) observe(r *http.Request, w *countingWriter) {
	about := operation(r.URL.Path)
	m.requests.WithLabelValues(about, r.Method, strconv.Itoa(w.code)).Inc()
	m.sent.Add(float64(w.sent))
	if about == "blobs" && r.Method == http.MethodGet && w.code < http.StatusBadRequest {
		m.blobs.Inc()
	}
}

func (m *syncMetrics) observe(registry string, connected bool, models int32, failed bool) {
	value := 0.0
	if connected {
		value = 1
	}
	m.connected.WithLabelValues(registry).Set(value)
	m.models.WithLabelValues(registry).Set(float64(models))
	if failed {
		m.failures.WithLabelValues(registry).Inc()
	}
}

func (m *syncMetrics) forget(registry string) {
	m.connected.DeleteLabelValues(registry)
	m.models.DeleteLabelValues(registry)
	m.failures.DeleteLabelValues(registry)
}
