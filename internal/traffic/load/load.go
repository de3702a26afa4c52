// Package load sends requests at recorded times and measures what becomes of them. It is open loop: a request is sent
// when it is due, whether or not earlier ones were answered, and its answer time counts from when it was due. A system
// that stalls is therefore charged for every request that waited (no coordinated omission). Time, number and requests
// under way are bounded, and a target that could be somebody else's is refused.
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxRate of one Run, in requests per second.
	MaxRate = 20000
	// MaxDuration of one Run.
	MaxDuration = 6 * time.Hour
	// maxAnswer bytes are read of an answer.
	maxAnswer = 1 << 20
	// maxReason characters of an error are kept.
	maxReason = 160
)

// Config of a Run.
type Config struct {
	// URL to POST to; Check says which it may be.
	URL string
	// Cluster allows targets within the cluster.
	Cluster bool
	// Bodies of the requests, in turn.
	Bodies [][]byte
	// Pattern of the arrivals, at Rate requests a second on average, for Duration or until the context ends.
	Pattern  Pattern
	Rate     float64
	Duration time.Duration
	// MaxInFlight requests may be under way; one that is due beyond it fails.
	MaxInFlight int64
	// Timeout of a request.
	Timeout time.Duration
}

func (c Config) check() error {
	switch {
	case len(c.Bodies) == 0:
		return errors.New("load needs at least one request body")
	case !(c.Rate > 0 && c.Rate <= MaxRate): // also refuses NaN
		return fmt.Errorf("rate: write more than 0 and at most %d requests a second, not %v", MaxRate, c.Rate)
	case c.Duration <= 0 || c.Duration > MaxDuration:
		return fmt.Errorf("duration: write more than 0 and at most %v, not %v", MaxDuration, c.Duration)
	case c.MaxInFlight < 1:
		return errors.New("requests in flight: allow at least 1")
	case c.Timeout <= 0:
		return errors.New("timeout: write more than 0, such as 35s")
	}
	return Check(c.URL, c.Cluster)
}

// Run is load under way.
type Run struct {
	config   Config
	client   *http.Client
	recorder *recorder
	inFlight atomic.Int64
	stop     context.CancelFunc
	done     chan struct{}
}

// Start begins to send. The Run ends by itself after its Duration, or with the context.
func Start(ctx context.Context, config Config) (*Run, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return start(ctx, config, &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConns:        int(config.MaxInFlight),
		MaxIdleConnsPerHost: int(config.MaxInFlight),
		IdleConnTimeout:     30 * time.Second,
	}), nil
}

func start(ctx context.Context, config Config, transport http.RoundTripper) *Run {
	ctx, stop := context.WithCancel(ctx)
	r := &Run{
		config:   config,
		recorder: newRecorder(),
		stop:     stop,
		done:     make(chan struct{}),
		client: &http.Client{
			Timeout:   config.Timeout,
			Transport: transport,
			// A redirect could lead to a target that Check refuses.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	go r.send(ctx)
	return r
}

// Stats so far.
func (r *Run) Stats() Stats { return r.recorder.snapshot() }

// Done is closed when the last request has been sent and answered.
func (r *Run) Done() <-chan struct{} { return r.done }

// Stop ends the sending, waits for the answers that are due, and returns the final Stats.
func (r *Run) Stop() Stats {
	r.stop()
	<-r.done
	return r.Stats()
}

// send sends each request when it is due. How many are due follows from the Config alone, so a sender that is late sends
// them late.
func (r *Run) send(ctx context.Context) {
	defer close(r.done)
	defer r.stop()
	defer r.client.CloseIdleConnections()
	var requests sync.WaitGroup
	defer requests.Wait()
	start := time.Now()
	for n := 0; ; n++ {
		after := r.config.Pattern.At(n, r.config.Rate)
		due := start.Add(after)
		if after >= r.config.Duration || !sleep(ctx, time.Until(due)) {
			return
		}
		r.recorder.sent()
		if r.inFlight.Add(1) > r.config.MaxInFlight {
			r.inFlight.Add(-1)
			r.recorder.ended(due, time.Now(), "", fmt.Sprintf("not sent: %d requests under way", r.config.MaxInFlight))
			continue
		}
		requests.Go(func() {
			defer r.inFlight.Add(-1)
			// An answer that is due when the Run ends is still waited for; Timeout bounds it.
			version, err := r.ask(context.WithoutCancel(ctx), r.config.Bodies[n%len(r.config.Bodies)])
			r.recorder.ended(due, time.Now(), version, reason(err))
		})
	}
}

// ask sends one request and returns the version that answered.
func (r *Run) ask(ctx context.Context, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.config.URL, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("writing the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	// Empty, it is not sent, and tells net/http that a kept-alive connection which turns out to be closed may be replaced
	// by a new one, as every client does with a request that changes nothing.
	req.Header["Idempotency-Key"] = []string{}
	res, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	var answer struct {
		Version string `json:"version"`
		Error   string `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil && res.StatusCode == http.StatusOK {
		return "", errors.New("200 with a body that is no JSON")
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d %s", res.StatusCode, answer.Error)
	}
	return answer.Version, nil
}

// reason is an error short enough to count by: without addresses, which differ by connection.
func reason(err error) string {
	var network *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error()
	}
	text := err.Error()
	return text[:min(len(text), maxReason)]
}

// sleep waits, and says whether the context still lasts.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil || d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
