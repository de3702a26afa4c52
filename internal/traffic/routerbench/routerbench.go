// Package routerbench measures proxies side by side: ours, HAProxy and nginx, each alone on one core before the same
// backend, in one run and in turns, so that whatever else the machine does meets all of them. It promises that client and
// backend are the same for all and keep off the proxies' core, that every answer is read to its end and checked, and that
// nothing listens beyond 127.0.0.1 or is left behind. It does not tune the machine, and says what limited each figure.
package routerbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

const (
	// connections at once, to find the most that a proxy passes on.
	connections = 32
	// openRate of requests a second (of a stream: of events), to find the time that a proxy adds.
	openRate = 2000
	// warmUp before each measurement.
	warmUp = 300 * time.Millisecond
)

// Direct is the name under which the backend without a proxy is measured.
const Direct = "direct"

// Suoke is our own router's name.
const Suoke = "suoke"

// Options of a Run.
type Options struct {
	// Suoke is the command line that serves our router at an address before a backend.
	Suoke func(listen, backend string) []string
	// Duration of each measurement, of which there are two a proxy and scenario, Repeat times.
	Duration time.Duration
	Repeat   int
	// Only these scenarios; none means all.
	Only []string
	// Progress is told what is measured next.
	Progress func(says string)
}

// Report is what was measured.
type Report struct {
	CPU string `json:"cpu"`
	// ProxyCore and LoadCore are the cores of the proxies, and of client and backend.
	ProxyCore int `json:"proxyCore"`
	LoadCore  int `json:"loadCore"`
	// Load average of the machine before: beyond a little, other work takes the cores too.
	Load float64 `json:"loadAverage"`
	// Missing proxies, and how to get them.
	Missing   []string   `json:"missing,omitempty"`
	Scenarios []Scenario `json:"scenarios"`
}

// Scenario is one kind of request.
type Scenario struct {
	Name string `json:"name"`
	// Says what is sent and answered.
	Says string `json:"says"`
	// Unit that is counted: requests or events.
	Unit    string   `json:"unit"`
	Proxies []Figure `json:"proxies"`
}

// Figure is what one proxy did in one scenario: medians over the repetitions.
type Figure struct {
	Proxy string `json:"proxy"`
	// PerSecond is the most that it passed on, and Ratio that to HAProxy's, if it was measured.
	PerSecond float64 `json:"perSecond"`
	Ratio     float64 `json:"ratioToHAProxy,omitempty"`
	// CPUMicros of the proxy for each.
	CPUMicros float64 `json:"cpuMicros,omitempty"`
	// AddedP50 and AddedP99 milliseconds to the direct way, at the open rate.
	AddedP50 float64 `json:"addedP50Millis"`
	AddedP99 float64 `json:"addedP99Millis"`
	// P50 and P99 milliseconds in all.
	P50 float64 `json:"p50Millis"`
	P99 float64 `json:"p99Millis"`
	// Limit of PerSecond.
	Limit string `json:"limit,omitempty"`
}

// sample is one repetition of one proxy in one scenario.
type sample struct {
	perSecond, cpuMicros, proxyBusy float64
	p50, p99                        time.Duration
}

// Run measures.
func Run(ctx context.Context, o Options) (Report, error) {
	kinds, err := chosen(o.Only)
	if err != nil {
		return Report{}, err
	}
	cores, err := allowedCores(ctx)
	if err != nil {
		return Report{}, err
	}
	if len(cores) < 2 {
		return Report{}, errors.New("one core is for the proxy and another for client and backend: run where two may be used")
	}
	report := Report{CPU: cpuName(), ProxyCore: cores[len(cores)-1], LoadCore: cores[0], Load: loadAverage()}
	if err := stayOn(ctx, report.LoadCore); err != nil {
		return Report{}, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	backend, err := startBackend(ctx)
	if err != nil {
		return Report{}, err
	}
	defer backend.close()
	dir, err := os.MkdirTemp("", "suoke-bench-router-")
	if err != nil {
		return Report{}, fmt.Errorf("making a folder for the proxies: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary by name
	var proxies []*proxy
	defer func() {
		for _, p := range proxies {
			p.stop()
		}
	}()
	proxies, report.Missing, err = startProxies(ctx, o, dir, report.ProxyCore, backend.address)
	if err != nil {
		return Report{}, err
	}
	for _, k := range kinds {
		s, err := k.measure(ctx, o, proxies, backend.address)
		if err != nil {
			return Report{}, err
		}
		report.Scenarios = append(report.Scenarios, s)
	}
	return report, nil
}

// measure measures every proxy in turns, as often as asked.
func (k kind) measure(ctx context.Context, o Options, proxies []*proxy, backend string) (Scenario, error) {
	all := append([]*proxy{{name: Direct, address: backend}}, proxies...)
	samples := make([][]sample, len(all))
	for round := range o.Repeat {
		for i, p := range all {
			o.Progress(fmt.Sprintf("%s, %s, %d of %d", k.name, p.name, round+1, o.Repeat))
			s, err := k.once(ctx, o.Duration, p)
			if err != nil {
				return Scenario{}, fmt.Errorf("measuring %s with %s: %w", p.name, k.name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	s := Scenario{Name: k.name, Says: k.says, Unit: k.unit}
	for i, p := range all {
		s.Proxies = append(s.Proxies, figure(p.name, samples[i], samples[0]))
	}
	for i := range s.Proxies {
		if h := slices.IndexFunc(s.Proxies, func(f Figure) bool { return f.Proxy == haproxy }); h >= 0 {
			s.Proxies[i].Ratio = s.Proxies[i].PerSecond / s.Proxies[h].PerSecond
		}
	}
	return s, nil
}

// once finds the most that a proxy passes on, then the times at the open rate.
func (k kind) once(ctx context.Context, duration time.Duration, p *proxy) (sample, error) {
	if _, err := k.saturate(ctx, p.address, warmUp); err != nil {
		return sample{}, err
	}
	began, cpu := time.Now(), p.cpu()
	n, err := k.saturate(ctx, p.address, duration)
	if err != nil {
		return sample{}, err
	}
	took, used := time.Since(began), p.cpu()-cpu
	times, err := k.paced(ctx, p.address, duration)
	if err != nil {
		return sample{}, err
	}
	slices.Sort(times)
	return sample{
		perSecond: float64(n) / took.Seconds(), cpuMicros: float64(used.Microseconds()) / float64(max(n, 1)),
		proxyBusy: used.Seconds() / took.Seconds(), p50: quantile(times, .5), p99: quantile(times, .99),
	}, nil
}

// figure sums up the repetitions; each is compared with the direct way's of the same round.
func figure(name string, samples, direct []sample) Figure {
	of := func(value func(i int) float64) float64 {
		values := make([]float64, len(samples))
		for i := range samples {
			values[i] = value(i)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	f := Figure{
		Proxy:     name,
		PerSecond: of(func(i int) float64 { return samples[i].perSecond }),
		CPUMicros: of(func(i int) float64 { return samples[i].cpuMicros }),
		AddedP50:  of(func(i int) float64 { return millis(samples[i].p50 - direct[i].p50) }),
		AddedP99:  of(func(i int) float64 { return millis(samples[i].p99 - direct[i].p99) }),
		P50:       of(func(i int) float64 { return millis(samples[i].p50) }),
		P99:       of(func(i int) float64 { return millis(samples[i].p99) }),
	}
	f.Limit = limit(of(func(i int) float64 { return samples[i].proxyBusy }))
	if name == Direct {
		f.Limit = "client and backend, which share a core"
	}
	return f
}

// busy is the part of a core from which on it is what limits; the rest is switching and interrupts.
const busy = .9

func limit(proxyBusy float64) string {
	if proxyBusy >= busy {
		return "its core"
	}
	return fmt.Sprintf("not its core, of which it used %.0f %%", 100*proxyBusy)
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
