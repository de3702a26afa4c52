package scale_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// setup is what the measured process is told, as JSON in its environment.
type setup struct {
	Kubeconfig, Namespace string
	RouterPort            int
	Tempo                 tempo
}

// runOperator is the measured process: the operator, as `suoke operator` sets it up, with an address that tells what it
// takes. It writes that address to standard output.
func runOperator(text string) error {
	var s setup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	cluster := server.Cluster{Kubeconfig: s.Kubeconfig, Namespace: s.Namespace}
	config, err := cluster.Config()
	if err != nil {
		return err
	}
	p := &process{clock: newClock(), requests: map[string]int64{}}
	p.clock.set(s.Tempo)
	config.Wrap(p.count)
	mgr, err := operator.NewManager(config, s.Namespace, "0", true)
	if err != nil {
		return err
	}
	metrics, err := operator.NewMetrics(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	runtimes, err := profile.LoadRuntimes("")
	if err != nil {
		return err
	}
	op := &operator.Operator{
		Config: operator.Config{
			Namespace: s.Namespace, Registry: registryHost, ImagePrefix: "suoke.local", ImageTag: "dev",
			RouterService: routerService, RouterPort: s.RouterPort, ProgressDeadline: 10 * time.Minute,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
			Agents:    profile.Embedded(), Runtimes: runtimes,
		},
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder(operator.FieldManager),
		Resolver: resolver{}, Recorder: recorder{}, Metrics: metrics, Log: log, Now: p.clock.now,
	}
	if err := op.Register(mgr); err != nil {
		return err
	}
	if err := p.serve(ctx); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// resolver names a digest for every tag.
type resolver struct{}

func (resolver) Resolve(_ context.Context, reference ref.Reference, _ credentials.Proof) (operator.Artifact, error) {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(reference.Repository+":"+reference.Tag)))
	return operator.Artifact{Reference: registryHost + "/" + reference.Repository + "@" + digest, Digest: digest, SizeBytes: 1000}, nil
}

// recorder drops the records of releases.
type recorder struct{}

func (recorder) Record(_ context.Context, _ string, write func(io.Writer) error) error {
	return write(io.Discard)
}

// process tells what the measured process takes.
type process struct {
	clock *clock

	mu       sync.Mutex
	requests map[string]int64
}

// serve answers on a free port of the loopback interface for as long as the process lives.
func (p *process) serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /figures", p.figures)
	mux.HandleFunc("PUT /tempo", p.tempo)
	mux.HandleFunc("PUT /highest", p.highest)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.Handle("GET /debug/pprof/heap", pprof.Handler("heap"))
	mux.Handle("GET /debug/pprof/allocs", pprof.Handler("allocs"))
	go func() { _ = http.Serve(listener, mux) }() // it ends with the process
	_, err = fmt.Fprintln(os.Stdout, listener.Addr())
	return err
}

func (p *process) tempo(w http.ResponseWriter, req *http.Request) {
	var t tempo
	if err := json.NewDecoder(req.Body).Decode(&t); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.clock.set(t)
}

// highest forgets how much memory was resident before.
func (p *process) highest(w http.ResponseWriter, _ *http.Request) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// transport counts requests to the API server.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip sends a request.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

func (p *process) count(next http.RoundTripper) http.RoundTripper {
	return transport(func(req *http.Request) (*http.Response, error) {
		p.mu.Lock()
		p.requests[named(req)]++
		p.mu.Unlock()
		return next.RoundTrip(req)
	})
}

// named is a request's method and resource, such as "PATCH modelversions/status".
func named(req *http.Request) string {
	_, path, found := strings.Cut(req.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/") // namespace, resource, name, subresource
	if !found || len(parts) < 2 {
		return req.Method + " other"
	}
	name := req.Method + " " + parts[1]
	if req.URL.Query().Has("watch") {
		name = "WATCH " + parts[1]
	}
	if len(parts) > 3 {
		name += "/" + parts[3]
	}
	return name
}

// figures are what the process took so far.
type figures struct {
	// Resident memory now and at its highest, and the heap, in bytes.
	Resident, Highest, Heap int64
	Goroutines              int
	// CPU time in seconds.
	CPU float64
	// Requests to the API server by method and resource.
	Requests map[string]int64
	// Reconciles by controller.
	Reconciles map[string]histogram
	// Errors that reconciles ended with.
	Errors float64
	// Waiting in the controllers' queues, or being reconciled.
	Waiting float64
}

// histogram counts durations up to each bound, in seconds.
type histogram struct {
	Count    uint64
	Sum      float64
	Bounds   []float64
	UpToThat []uint64
}

func (p *process) figures(w http.ResponseWriter, req *http.Request) {
	if req.URL.Query().Has("collect") {
		runtime.GC()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f := figures{
		Heap: int64(memory.HeapAlloc), Goroutines: runtime.NumGoroutine(),
		Requests: map[string]int64{}, Reconciles: map[string]histogram{},
	}
	if err := f.readProcess(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if err := f.readMetrics(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.mu.Lock()
	maps.Copy(f.Requests, p.requests)
	p.mu.Unlock()
	_ = json.NewEncoder(w).Encode(f)
}

func (f *figures) readProcess() error {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	f.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		for key, into := range map[string]*int64{"VmRSS:": &f.Resident, "VmHWM:": &f.Highest} {
			if rest, found := strings.CutPrefix(line, key); found {
				kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				if err != nil {
					return err
				}
				*into = kib << 10
			}
		}
	}
	return nil
}

func (f *figures) readMetrics() error {
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case "controller_runtime_reconcile_time_seconds":
				h := m.GetHistogram()
				all := histogram{Count: h.GetSampleCount(), Sum: h.GetSampleSum()}
				for _, b := range h.GetBucket() {
					all.Bounds, all.UpToThat = append(all.Bounds, b.GetUpperBound()), append(all.UpToThat, b.GetCumulativeCount())
				}
				f.Reconciles[m.GetLabel()[0].GetValue()] = all // the only label names the controller
			case "controller_runtime_reconcile_errors_total":
				f.Errors += m.GetCounter().GetValue()
			case "workqueue_depth", "controller_runtime_active_workers":
				f.Waiting += m.GetGauge().GetValue()
			}
		}
	}
	return nil
}
