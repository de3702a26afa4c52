package scale_test

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// measured is what the table is made of.
type measured struct {
	plan plan
	// first and second are how long it took until all models had their first version, and the canary of their second.
	first, second time.Duration
	// atFirst and atSecond are an operator's figures then.
	atFirst, atSecond figures
	// before and after are an operator's figures with all releases under way; hurried after the time that passed quickly, and
	// atEnd after all of them, with what was highest since.
	before, after, hurried, atEnd figures
	// heaps in simulated time, in bytes.
	heaps []int64
	// burst and waves are the times from verdicts to routes.
	burst, waves []time.Duration
	// restart is how long another operator took to look at everything; resynced its figures then, touched those after all
	// ModelVersions were touched too.
	restart           time.Duration
	resynced, touched figures
}

func (m measured) write(to io.Writer) {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) } // a table that nobody can read is no failure
	seconds := m.plan.steady.Seconds()
	row(fmt.Sprintf("%d AIModels, each with a release under way", m.plan.models), "measured", "goal")
	row("memory: resident, at its highest", mebibytes(max(m.after.Highest, m.atEnd.Highest)), "<= 500 MiB")
	row("memory: resident, releases under way", mebibytes(m.after.Resident))
	row(fmt.Sprintf("memory: resident, at its highest while time passes %.0f times as fast", m.plan.speed), mebibytes(m.hurried.Highest))
	row(fmt.Sprintf("heap in the last quarter of %v of simulated time, against the first", m.plan.simulated), m.growth(), "no growth")
	row(fmt.Sprintf("verdict to route, %d waves of %d: p50 / p99 / longest", m.plan.waves, m.plan.wave()), latencies(m.waves), "p99 <= 1 s")
	row(fmt.Sprintf("verdict to route, the other %d at once: p50 / p99 / longest", len(m.burst)), latencies(m.burst), "p99 <= 1 s")
	row("releases begun, until all canaries have requests", fmt.Sprintf("%.1f s", m.second.Seconds()))
	row("CPU, releases under way", fmt.Sprintf("%.2f cores", (m.after.CPU-m.before.CPU)/seconds))
	row("reconciles a second", fmt.Sprintf("%.0f", float64(m.after.reconciles("aimodel").Count-m.before.reconciles("aimodel").Count)/seconds))
	row("goroutines", strconv.Itoa(m.after.Goroutines))
	requests(row, "API writes a second", m.before, m.after, seconds)
	requests(row, "API writes a release, until its canary has requests", m.atFirst, m.atSecond, float64(m.plan.models))
	row()
	row(fmt.Sprintf("%d ModelVersions at rest", m.plan.models*versionsOfModel), "measured", "goal")
	for _, controller := range []string{"modelversion", "aimodel"} {
		row("reconcile of "+controller+" after a restart, p99", m.resynced.reconciles(controller).quantile(0.99), "< 1 s")
	}
	touched := m.touched.reconciles("modelversion").less(m.resynced.reconciles("modelversion"))
	row("reconcile of modelversion after touching all, p99", touched.quantile(0.99), "< 1 s")
	row("restart, until everything was looked at", fmt.Sprintf("%.1f s", m.restart.Seconds()))
	row("memory: resident", mebibytes(m.touched.Resident))
	row("reconciles that ended with an error", fmt.Sprintf("%.0f", m.atEnd.Errors+m.touched.Errors))
	_ = t.Flush()
}

// written says whether a request changes something.
func written(name string) bool {
	method, _, _ := strings.Cut(name, " ")
	return method != "GET" && method != "WATCH"
}

// requests tells what an operator asked of the API server from one reading to another, by a number of seconds or releases.
func requests(row func(...string), title string, from, to figures, by float64) {
	writes := int64(0)
	var kinds [][]string
	for _, name := range slices.Sorted(maps.Keys(to.Requests)) {
		n := to.Requests[name] - from.Requests[name]
		if written(name) {
			writes += n
		}
		if n > 0 {
			kinds = append(kinds, []string{"  " + name, fmt.Sprintf("%.1f", float64(n)/by)})
		}
	}
	row(title, fmt.Sprintf("%.1f", float64(writes)/by), "stated")
	for _, kind := range kinds {
		row(kind...)
	}
}

// growth of the heap, by the lowest reading of the first and of the last quarter: what is under way at a moment comes and goes.
func (m measured) growth() string {
	quarter := len(m.heaps) / 4
	first, last := slices.Min(m.heaps[:quarter]), slices.Min(m.heaps[len(m.heaps)-quarter:])
	return fmt.Sprintf("%+.1f MiB (%.1f to %.1f)", float64(last-first)/(1<<20), float64(first)/(1<<20), float64(last)/(1<<20))
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// latencies are p50, p99 and the longest of some.
func latencies(all []time.Duration) string {
	all = slices.SortedFunc(slices.Values(all), cmp.Compare)
	at := func(q float64) float64 { return all[int(math.Ceil(q*float64(len(all))))-1].Seconds() }
	return fmt.Sprintf("%.2f / %.2f / %.2f s", at(0.5), at(0.99), at(1))
}

func (f figures) reconciles(controller string) histogram { return f.Reconciles[controller] }

// less is what came after an earlier histogram.
func (h histogram) less(earlier histogram) histogram {
	out := histogram{Count: h.Count - earlier.Count, Sum: h.Sum - earlier.Sum, Bounds: h.Bounds}
	for i, n := range h.UpToThat {
		out.UpToThat = append(out.UpToThat, n-earlier.UpToThat[i])
	}
	return out
}

// quantile is the bound below which that share lies.
func (h histogram) quantile(q float64) string {
	for i, n := range h.UpToThat {
		if h.Count > 0 && float64(n) >= q*float64(h.Count) {
			return fmt.Sprintf("<= %.0f ms of %d", 1000*h.Bounds[i], h.Count)
		}
	}
	return fmt.Sprintf("more than the histogram holds, of %d", h.Count)
}
