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
	measure(t, plan{models: 20, steady: 3 * time.Second, simulated: 40 * time.Second, speed: 20, settled: time.Second, waves: 2, limit: 4 * time.Minute}).write(t.Output())
}

// BenchmarkReleases prints the table. It is run once, however long that takes.
func BenchmarkReleases(b *testing.B) {
	m := measure(b, plan{models: *models, steady: time.Minute, simulated: *simulated, speed: 12, settled: 8 * time.Second, waves: 20, limit: 24 * time.Minute})
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
	// settled is how long it takes until the seconds that passed quickly are judged.
	settled time.Duration
	// waves of models whose candidates fail together, before all others do.
	waves int
	// limit of all of it, so that nothing is left behind by a test that is killed.
	limit time.Duration
}

// wave is how many models fail together: one in a hundred.
func (p plan) wave() int { return max(1, p.models/100) }

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

	begun, m.atFirst = time.Now(), o.figures(false)
	w.release(2)
	m.second, m.atSecond = time.Since(begun), o.figures(false)
	m.underWay(o, p)
	m.hour(w, o, p)

	w.routers.begin(versionName(3))
	w.release(3)
	left := names(p.models)
	for range p.waves {
		m.waves = append(m.waves, w.routers.fail(left[:p.wave()])...)
		left = left[p.wave():]
	}
	profiled := o.profile("burst", 10*time.Second)
	m.burst = w.routers.fail(left)
	profiled()
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

// hour lets simulated time pass quickly, and reads the heap twelve times: each after a while at the usual speed, so that what
// is read holds no more of what is under way than it always does.
func (m *measured) hour(w *world, o *running, p plan) {
	for range 12 {
		w.run(o, p.speed)
		time.Sleep(time.Duration(float64(p.simulated) / 12 / p.speed))
		w.run(o, 1)
		time.Sleep(p.settled)
		m.heaps = append(m.heaps, o.figures(true).Heap)
	}
	o.profile("hour", time.Second)()
	m.hurried = o.figures(false)
	o.lower()
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
