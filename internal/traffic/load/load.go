// Package load sends requests at recorded times and measures what becomes of them. It is open loop: a request is sent
// when it is due, whether or not earlier ones were answered, and its answer time counts from when it was due. A system
// that stalls is therefore charged for every request that waited (no coordinated omission). Time, number and requests
// under way are bounded, and a target that could be somebody else's is refused.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxRate of one Run, in requests per second.
	MaxRate = 20000
	// MaxSessions of one Run.
	MaxSessions = 100_000
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
	// Sessions that the requests belong to, in turn; 0 is none.
	Sessions int
	// Streams asks for Server-Sent Events.
	Streams bool
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
	case c.Sessions < 0 || c.Sessions > MaxSessions:
		return fmt.Errorf("sessions: write 0 to %d, not %d", MaxSessions, c.Sessions)
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
	sessions *sessions
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
		sessions: newSessions(config.Sessions),
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
func (r *Run) Stats() Stats {
	stats := r.recorder.snapshot()
	stats.Moves = r.sessions.snapshot()
	return stats
}

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
			r.one(context.WithoutCancel(ctx), n, due)
		})
	}
}

// one sends request n and notes what becomes of it.
func (r *Run) one(ctx context.Context, n int, due time.Time) {
	session, name := r.sessions.of(n)
	version, err := r.ask(ctx, name, r.config.Bodies[n%len(r.config.Bodies)])
	if version != "" {
		r.sessions.answered(session, due, version)
	}
	if errors.Is(err, errBroken) {
		r.recorder.broke(due, time.Now())
		return
	}
	r.recorder.ended(due, time.Now(), version, reason(err))
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
