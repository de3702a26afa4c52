package scrape

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
)

const (
	interval = time.Second
	// deadline of one Pod's answer, within the interval so that rounds do not overlap.
	deadline = 900 * time.Millisecond
	// parallel bounds the Pods that are asked at once.
	parallel = 64
	// maxPage bounds one Pod's /metrics.
	maxPage = 4 << 20
)

// Target is a Pod and the counter to read from it.
type Target struct {
	// UID of the Pod: a new Pod of an old name is another series.
	UID string
	// Pod's name, and the agent or version that it is Of, for people.
	Pod, Of string
	// URL of its metrics.
	URL string
	// Counter is summed over its labels.
	Counter string
}

// Scraper keeps a Series for each target.
type Scraper struct {
	targets func() []Target
	client  *http.Client
	clock   func() time.Time
	log     *slog.Logger

	mu     sync.RWMutex
	series map[string]*Series
	failed map[string]string // by UID, the error that was logged
}

// New returns a Scraper of what targets returns at the beginning of each round.
func New(targets func() []Target, log *slog.Logger) *Scraper {
	return &Scraper{
		targets: targets,
		clock:   time.Now,
		log:     log,
		series:  map[string]*Series{},
		failed:  map[string]string{},
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:            (&net.Dialer{Timeout: deadline}).DialContext,
				MaxIdleConnsPerHost:    1,
				IdleConnTimeout:        10 * interval,
				MaxResponseHeaderBytes: 64 << 10,
				DisableCompression:     true, // a node's own network is cheaper than its CPU
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Run reads all targets every second until the context ends.
func (s *Scraper) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		s.Round(ctx)
		select {
		case <-ctx.Done():
			s.client.CloseIdleConnections()
			return
		case <-ticker.C:
		}
	}
}

// Round reads all targets once and forgets those that are gone.
func (s *Scraper) Round(ctx context.Context) {
	targets := s.targets()
	s.forget(targets)
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, t := range targets {
		group.Go(func() error {
			soon, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			value, err := s.read(soon, t)
			if ctx.Err() == nil {
				s.note(t, s.clock(), value, err)
			}
			return nil
		})
	}
	_ = group.Wait() // no target's error is the round's
}

// Rate is how fast a Pod's counter grew over the window, and when that was seen.
func (s *Scraper) Rate(uid string, window time.Duration) (perSecond float64, at time.Time, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	series, found := s.series[uid]
	if !found {
		return 0, time.Time{}, false
	}
	return series.Rate(s.clock(), window)
}

func (s *Scraper) forget(targets []Target) {
	present := make(map[string]bool, len(targets))
	for _, t := range targets {
		present[t.UID] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for uid := range s.series {
		if !present[uid] {
			delete(s.series, uid)
		}
	}
	for uid := range s.failed {
		if !present[uid] {
			delete(s.failed, uid)
		}
	}
}

// note adds a sample, or says once why there is none.
func (s *Scraper) note(t Target, at time.Time, value float64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.failed[t.UID] == "" {
			s.log.Warn("a Pod's requests cannot be counted", "of", t.Of, "pod", t.Pod, "error", err)
		}
		s.failed[t.UID] = err.Error()
		return
	}
	if s.failed[t.UID] != "" {
		s.log.Info("a Pod's requests are counted again", "of", t.Of, "pod", t.Pod)
		delete(s.failed, t.UID)
	}
	series, found := s.series[t.UID]
	if !found {
		series = &Series{}
		s.series[t.UID] = series
	}
	series.Add(at, value)
}

// read asks one Pod for its counter.
func (s *Scraper) read(ctx context.Context, t Target) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return 0, fmt.Errorf("asking %s: %w", t.URL, err)
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking %s: %w", t.URL, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("asking %s: it answers %s", t.URL, response.Status)
	}
	value, err := sum(&bounded{reader: response.Body, left: maxPage}, t.Counter)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", t.URL, err)
	}
	return value, nil
}

// sum adds up a counter over its labels.
func sum(page io.Reader, counter string) (float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page)
	if err != nil {
		return 0, fmt.Errorf("parsing metrics: %w", err)
	}
	family, found := families[counter]
	if !found {
		return 0, fmt.Errorf("it exports no %s; write its name as metric.counter of the agent in the profile, or as requestsCounter of the runtime in the runtime table", counter)
	}
	var total float64
	for _, metric := range family.GetMetric() {
		switch {
		case metric.Counter != nil:
			total += metric.GetCounter().GetValue()
		case metric.Untyped != nil:
			total += metric.GetUntyped().GetValue()
		default:
			return 0, fmt.Errorf("%s is a %s and must be a counter", counter, family.GetType())
		}
	}
	return total, nil
}

// bounded is a reader that fails where a LimitReader would end as if all had been read.
type bounded struct {
	reader io.Reader
	left   int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("more than %d bytes of metrics", maxPage)
	}
	n, err := b.reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
