package scale_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/test/apiserver"
)

var (
	models    = flag.Int("models", 1000, "how many models the benchmark has under release")
	simulated = flag.Duration("simulated", time.Hour, "simulated time in which the benchmark watches the heap")
	profiles  = flag.String("profiles", "", "directory for profiles of the operator's process")

	api *apiserver.Server
)

func TestMain(m *testing.M) {
	if text := os.Getenv(operatorVariable); text != "" {
		if err := runOperator(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { api = s }))
}

// TestScale sees that the benchmark still works.
func TestScale(t *testing.T) {
	measure(t, plan{models: 20, steady: 3 * time.Second, simulated: 40 * time.Second, speed: 20, waves: 2, limit: 4 * time.Minute}).write(t.Output())
}

// BenchmarkReleases prints the table. It is run once, however long that takes.
func BenchmarkReleases(b *testing.B) {
	m := measure(b, plan{models: *models, steady: time.Minute, simulated: *simulated, speed: 24, waves: 20, limit: 18 * time.Minute})
	m.write(os.Stdout)
	b.ReportMetric(0, "ns/op") // says nothing
}

// plan is how much is measured.
type plan struct {
	models int
	// steady is how long, in real time, the releases under way are looked at.
	steady time.Duration
	// simulated time, at that speed, in which the heap must not grow.
	simulated time.Duration
	speed     float64
	waves     int
	// limit of all of it, so that nothing is left behind by a test that is killed.
	limit time.Duration
}

// measure runs all of it.
func measure(tb testing.TB, p plan) measured {
	tb.Helper()
	m := measured{plan: p}
	w := newWorld(tb, api, p)
	w.declare()
	o := w.operator()
	defer o.stop()
	begun := time.Now()
	w.routers.await("every model to serve its first version", func(r route.Route) bool { return r.Stable != "" && r.Candidate == "" })
	m.first = time.Since(begun)

	begun = time.Now()
	w.release(2)
	m.second = time.Since(begun)
	m.underWay(o, p)
	m.hour(w, o, p)

	w.routers.begin(versionName(3))
	w.release(3)
	all := names(p.models)
	m.burst = w.routers.fail(all)

	w.routers.begin(versionName(4))
	w.release(4)
	for wave := range p.waves {
		m.waves = append(m.waves, w.routers.fail(all[wave*len(all)/p.waves:(wave+1)*len(all)/p.waves])...)
	}
	m.atEnd = o.figures(false)
	m.atRest(w, o)
	return m
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = modelName(i)
	}
	return all
}

// underWay looks at an operator that has every model under release.
func (m *measured) underWay(o *running, p plan) {
	profiled := o.profile("steady", p.steady)
	m.before = o.figures(false)
	time.Sleep(p.steady)
	m.after = o.figures(false)
	profiled()
}

// hour lets simulated time pass quickly, and reads the heap twelve times.
func (m *measured) hour(w *world, o *running, p plan) {
	w.run(o, p.speed)
	for range 12 {
		time.Sleep(time.Duration(float64(p.simulated) / 12 / p.speed))
		m.heaps = append(m.heaps, o.figures(true).Heap)
	}
	w.run(o, 1)
}

// atRest starts another operator over models that rest, and touches all of their ModelVersions.
func (m *measured) atRest(w *world, o *running) {
	o.rest()
	o.stop()
	begun := time.Now()
	again := w.operator()
	defer again.stop()
	again.rest()
	m.restart = time.Since(begun) - quiet
	m.resynced = again.figures(false)
	w.touch()
	again.rest()
	m.touched = again.figures(false)
}
