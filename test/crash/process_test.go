package crash_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/rest"

	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
)

const registryHost = "registry.test:5000"

// process is a place where an operator runs: one that ends is started again, with nothing but what the API server holds.
type process struct {
	space *space
	name  string
	// elect a leader before acting.
	elect bool
	// trouble that its calls get into.
	trouble trouble
	// left says that the place is given up when the process ends.
	left atomic.Bool

	// calls of those that the trouble counts; writes that it sent.
	calls, writes atomic.Int64
	// one write at a time, so that none follows the last one.
	one sync.Mutex
}

// trouble is what becomes of one call.
type trouble struct {
	counts kind
	// at is the call, counted from 1, that this becomes of.
	at      int
	becomes way
}

// life is one life of the process.
type life struct {
	*process
	sends http.RoundTripper
	dead  atomic.Bool
	// end stops what the killed process would do.
	end context.CancelFunc
}

var (
	errDead    = errors.New("the operator is dead")
	errTimeout = fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded)
)

// kill lets nothing that the process does reach the API server any more.
func (l *life) kill() {
	l.dead.Store(true)
	l.end()
}

// RoundTrip counts, and lets trouble come.
func (l *life) RoundTrip(req *http.Request) (*http.Response, error) {
	if writes(req) {
		l.one.Lock()
		defer l.one.Unlock()
	}
	if l.dead.Load() {
		return nil, unsent(req, errDead)
	}
	if tells(req) {
		return unheard(req), nil
	}
	if l.trouble.counts.is(req) && l.calls.Add(1) == int64(l.trouble.at) {
		return l.trouble.becomes(l, req)
	}
	return l.send(req)
}

func (l *life) send(req *http.Request) (*http.Response, error) {
	if write.is(req) {
		l.writes.Add(1)
		_, _ = fmt.Fprintf(&l.space.log, "%s %s\n", req.Method, strings.TrimPrefix(req.URL.Path, "/apis/"))
	}
	return l.sends.RoundTrip(req)
}

// unsent is the error of a request that does not go out.
func unsent(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close() // nobody reads it
	}
	return err
}

// unheard answers an event that is sent nowhere: nothing reads it here, and there are as many of them as of other writes.
func unheard(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusCreated, Header: http.Header{"Content-Type": req.Header["Content-Type"]}, Body: req.Body, Request: req,
	}
}

// kind of calls that are counted. Events are none, nor what is about the leader's Lease.
type kind int

const (
	none kind = iota
	write
	call
)

func (k kind) is(req *http.Request) bool {
	return k != none && (k == call || writes(req)) && !elects(req) && !tells(req)
}

// of is how many of them a story has.
func (k kind) of(tale *told) int {
	if k == write {
		return tale.writes
	}
	return tale.calls
}

func writes(req *http.Request) bool { return req.Method != http.MethodGet }

// elects says that a call is about the Lease of the leader.
func elects(req *http.Request) bool { return strings.Contains(req.URL.Path, "/leases") }

// tells says that a call is an event.
func tells(req *http.Request) bool { return strings.Contains(req.URL.Path, "/apis/events.k8s.io/") }

// start runs the operator until the test ends. What it logs is told if the test fails.
func (s *space) start(t *testing.T, p *process) {
	t.Helper()
	p.space = s
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			err := p.live(ctx)
			_, _ = fmt.Fprintf(&s.log, "%s ended: %v\n", p.name, err)
			if p.left.Load() {
				return
			}
			if err != nil && !errors.Is(err, errDead) {
				// As the kubelet would, but sooner.
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

// live is one life of the operator.
func (p *process) live(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	l := &life{process: p, end: end}
	cluster := rest.CopyConfig(p.space.Config)
	cluster.Wrap(func(rt http.RoundTripper) http.RoundTripper { l.sends = rt; return l })
	mgr, err := operator.NewManager(cluster, p.space.name, "0", p.elect)
	if err != nil {
		return err
	}
	runtimes, err := profile.LoadRuntimes("")
	if err != nil {
		return err
	}
	metrics, err := operator.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return err
	}
	op := &operator.Operator{
		Config: operator.Config{
			Namespace: p.space.name, Registry: registryHost, ImagePrefix: "suoke.local", ImageTag: "dev",
			RouterService: "model-router", RouterPort: p.space.router.port, ProgressDeadline: 5 * time.Minute,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
			Agents:    profile.Embedded(), Runtimes: runtimes,
		},
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder(operator.FieldManager),
		Resolver: registry{}, Metrics: metrics, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(&p.space.log, nil)).With("process", p.name),
	}
	if err := op.Register(mgr); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return err
	}
	if l.dead.Load() {
		return errDead
	}
	return nil
}

// registry holds everything.
type registry struct{}

// Resolve answers as a registry would.
func (registry) Resolve(_ context.Context, reference ref.Reference, _ credentials.Proof) (operator.Artifact, error) {
	sum := digest(reference.Repository + ":" + reference.Tag)
	return operator.Artifact{Reference: registryHost + "/" + reference.Repository + "@" + sum, Digest: sum, SizeBytes: 1000}, nil
}
