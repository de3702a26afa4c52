package serving

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type metrics struct {
	registry *prometheus.Registry
	duration prometheus.Observer
	requests *prometheus.CounterVec
	rows     prometheus.Counter
}

// newMetrics registers what the server counts. The labels model and version stand on every series of ours.
func newMetrics(registry *prometheus.Registry, model Model, g *gate) *metrics {
	labels := prometheus.Labels{"model": model.Name, "version": model.Version}
	duration := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:        "ai_inference_duration_seconds",
		Help:        "Time from a request's arrival to its answer, waiting included; shed and refused requests are left out.",
		ConstLabels: labels,
		Buckets: []float64{
			.00025, .0005, .001, .0015, .002, .003, .005, .0075, .01, .015, .02, .03, .05, .075,
			.1, .15, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 10,
		},
	})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "suoke_model_requests_total", Help: "Inference requests by status code.", ConstLabels: labels,
	}, []string{"code"})
	rows := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "suoke_model_rows_total", Help: "Rows computed.", ConstLabels: labels,
	})
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "suoke_model_in_flight", Help: "Inference requests in the server, waiting ones included.", ConstLabels: labels,
	}, func() float64 { return float64(g.inside.Load()) })
	registry.MustRegister(duration, requests, rows, inFlight,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &metrics{registry: registry, duration: duration, requests: requests, rows: rows}
}

func (m *metrics) count(code int) { m.requests.WithLabelValues(strconv.Itoa(code)).Inc() }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
