package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// pollEvery router, and how long it may take to answer.
	pollEvery   = time.Second
	pollTimeout = 800 * time.Millisecond
	// maxReport bounds what is read of one report.
	maxReport = 16 << 20
	// keepSeconds of what was counted, as long as routers keep theirs.
	keepSeconds = 120
	// lateAfter is how long a second waits for routers that did not answer.
	lateAfter = 3
)

// routers reads the reports of every router Pod once a second while the operator leads, and wakes the models that are
// followed. It promises that what a router counted in a second stands in the sum once, and drops what comes too late.
type routers struct {
	pods      client.Reader
	namespace string
	service   string
	port      int
	http      *http.Client
	log       *slog.Logger
	clock     func() time.Time
	// wake gets an event for every followed model after each poll.
	wake chan event.TypedGenericEvent[*suokev1.AIModel]

	mu sync.Mutex
	// polled says that every router was asked once.
	polled   bool
	seen     map[string]*seenRouter
	followed map[string]bool
	seconds  map[string]map[int64]second
}

// seenRouter is one router Pod.
type seenRouter struct {
	ready bool
	// readySince is when it was first seen ready.
	readySince time.Time
	process    string
	// now is the router's clock at its last answer; since the last second that was read of it.
	now, since int64
	models     map[string]route.ModelReport
}

// second is what every router counted of one model in one second, by version.
type second map[rollout.ID]counted

type counted struct {
	requests, failures, slow, latencySum int64
}

func newRouters(pods client.Reader, namespace, service string, port int, log *slog.Logger, clock func() time.Time) *routers {
	return &routers{
		pods: pods, namespace: namespace, service: service, port: port, log: log, clock: clock,
		http: &http.Client{Timeout: pollTimeout, Transport: &http.Transport{
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 1 << 14,
		}},
		wake:     make(chan event.TypedGenericEvent[*suokev1.AIModel], 1024),
		seen:     map[string]*seenRouter{},
		followed: map[string]bool{},
		seconds:  map[string]map[int64]second{},
	}
}

// Start polls until ctx ends.
func (r *routers) Start(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	defer r.http.CloseIdleConnections()
	for {
		r.poll(ctx)
		for _, model := range r.followedModels() {
			select {
			case r.wake <- event.TypedGenericEvent[*suokev1.AIModel]{Object: model}:
			default: // the queue is full of models that will be looked at anyway
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// NeedLeaderElection says that only the leader asks.
func (*routers) NeedLeaderElection() bool { return true }

// follow wakes a model after every poll, or no longer.
func (r *routers) follow(model string, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if yes {
		r.followed[model] = true
	} else {
		delete(r.followed, model)
	}
}

// forget drops all that is known of a model.
func (r *routers) forget(model string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followed, model)
	delete(r.seconds, model)
}

func (r *routers) followedModels() []*suokev1.AIModel {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*suokev1.AIModel
	for name := range r.followed {
		model := &suokev1.AIModel{}
		model.Name, model.Namespace = name, r.namespace
		all = append(all, model)
	}
	return all
}

// poll asks every router Pod at once.
func (r *routers) poll(ctx context.Context) {
	var list corev1.PodList
	if err := r.pods.List(ctx, &list, client.InNamespace(r.namespace), client.MatchingLabels{"app.kubernetes.io/name": r.service}); err != nil {
		if ctx.Err() == nil {
			r.log.Warn("listing the routers", "error", err)
		}
		return
	}
	there := map[string]bool{}
	var asking sync.WaitGroup
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Status.PodIP == "" || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		there[pod.Name] = true
		asking.Go(func() {
			report, err := r.ask(ctx, pod)
			r.note(pod, report, err)
		})
	}
	asking.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.seen {
		if !there[name] {
			delete(r.seen, name)
		}
	}
	r.polled = true
}

// known says whether it is known which routers there are and what they serve. Before that nothing may be decided: no
// router and no answer yet would look the same.
func (r *routers) known() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.polled
}

func (r *routers) ask(ctx context.Context, pod *corev1.Pod) (*route.Report, error) {
	since := int64(0)
	r.mu.Lock()
	if s := r.seen[pod.Name]; s != nil {
		since = s.since
	}
	r.mu.Unlock()
	address := url.URL{
		Scheme: "http", Host: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(r.port)), Path: route.ReportPath,
		RawQuery: url.Values{"since": {strconv.FormatInt(since, 10)}}.Encode(),
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking router %s: %w", pod.Name, err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking router %s: %w", pod.Name, err)
	}
	defer func() { _ = res.Body.Close() }() // nothing of it is needed any more
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking router %s: it answers %s", pod.Name, res.Status)
	}
	var report route.Report
	if err := json.NewDecoder(io.LimitReader(res.Body, maxReport)).Decode(&report); err != nil {
		return nil, fmt.Errorf("reading the report of router %s: %w", pod.Name, err)
	}
	return &report, nil
}

// note keeps a report. A router that did not answer keeps what it last confirmed.
func (r *routers) note(pod *corev1.Pod, report *route.Report, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[pod.Name]
	if s == nil {
		s = &seenRouter{}
		r.seen[pod.Name] = s
	}
	if ready := podReady(pod); ready != s.ready {
		s.ready, s.readySince = ready, r.clock()
	}
	if err != nil {
		r.log.Debug("a router did not report", "router", pod.Name, "error", err)
		return
	}
	if s.process != report.Process {
		// What the old process counted and had not reported is lost; its last seconds are not asked of the new one.
		*s = seenRouter{ready: s.ready, readySince: s.readySince, process: report.Process, since: s.since}
	}
	s.now, s.models = report.Now, report.Models
	for model, m := range report.Models {
		for _, counts := range m.Seconds {
			if counts.Unix > s.since {
				r.add(model, counts)
			}
		}
	}
	// Seconds before the router's now are complete.
	s.since = max(s.since, report.Now-1)
	r.drop(report.Now - keepSeconds)
}

func (r *routers) add(model string, counts route.Second) {
	if r.seconds[model] == nil {
		r.seconds[model] = map[int64]second{}
	}
	if r.seconds[model][counts.Unix] == nil {
		r.seconds[model][counts.Unix] = second{}
	}
	sum := r.seconds[model][counts.Unix][rollout.ID(counts.ID)]
	sum.requests += counts.Requests
	sum.failures += counts.Failures
	sum.slow += counts.Slow
	sum.latencySum += counts.LatencySum
	r.seconds[model][counts.Unix][rollout.ID(counts.ID)] = sum
}

func (r *routers) drop(before int64) {
	for _, seconds := range r.seconds {
		for unix := range seconds {
			if unix < before {
				delete(seconds, unix)
			}
		}
	}
}

// of returns what the routers confirmed of a model.
func (r *routers) of(model string) []rollout.Router {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []rollout.Router
	for name, s := range r.seen {
		m := s.models[model]
		seen := rollout.Router{Name: name, Ready: s.ready, Since: s.readySince, AppliedRevision: m.AppliedRevision, InFlight: map[rollout.ID]int{}}
		for id, n := range m.InFlight {
			seen.InFlight[rollout.ID(id)] = n
		}
		all = append(all, seen)
	}
	return all
}

// since returns what was counted of a model after the second given, up to the last second that every router that
// answers has completed, and that second.
func (r *routers) since(model string, after int64) (seconds map[int64]second, complete int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := int64(0)
	for _, s := range r.seen {
		newest = max(newest, s.now)
	}
	if newest == 0 {
		return nil, after
	}
	complete = newest - 1
	for _, s := range r.seen {
		if s.now > 0 && s.now >= newest-lateAfter {
			complete = min(complete, s.now-1)
		}
	}
	seconds = map[int64]second{}
	for unix, counts := range r.seconds[model] {
		if unix > after && unix <= complete {
			seconds[unix] = maps.Clone(counts)
		}
	}
	return seconds, max(complete, after)
}
