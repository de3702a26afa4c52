package load

import (
	"maps"
	"math"
	"sync"
	"time"
)

const (
	// growth of one latency bucket to the next: a quantile is at most 2 % too high.
	growth = 1.02
	// buckets reach from 1 µs to growth^buckets µs, which is 12 minutes.
	buckets = 1024
	// maxReasons are told apart; the rest is otherReasons.
	maxReasons   = 32
	otherReasons = "other"
)

// Stats is what became of the requests so far.
type Stats struct {
	// Sent requests; of them OK, Failed and Broken, the others are under way. Broken are streams that broke off after their
	// first event.
	Sent   int64 `json:"sent"`
	OK     int64 `json:"ok"`
	Failed int64 `json:"failed"`
	Broken int64 `json:"broken,omitempty"`
	// Reasons of the failures.
	Reasons map[string]int64 `json:"reasons,omitempty"`
	// Versions that answered.
	Versions map[string]Answers `json:"versions,omitempty"`
	// Moves of sessions, by the versions that answered one after the other: "v1 -> v2".
	Moves map[string]int64 `json:"moves,omitempty"`
	// Quantiles of the answer time of all requests that ended, from the time at which each should have been sent.
	P50 time.Duration `json:"p50Nanoseconds"`
	P95 time.Duration `json:"p95Nanoseconds"`
	P99 time.Duration `json:"p99Nanoseconds"`
	Max time.Duration `json:"maxNanoseconds"`
}

// Answers of one version.
type Answers struct {
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// recorder gathers Stats.
type recorder struct {
	mu        sync.Mutex
	stats     Stats
	latencies [buckets]int64
}

func newRecorder() *recorder {
	return &recorder{stats: Stats{Reasons: map[string]int64{}, Versions: map[string]Answers{}}}
}

func (r *recorder) sent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Sent++
}

// ended notes a request that was due at one time and ended at another; reason is empty for one that went well.
func (r *recorder) ended(due, now time.Time, version, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took(now.Sub(due))
	if reason != "" {
		r.stats.Failed++
		if _, known := r.stats.Reasons[reason]; !known && len(r.stats.Reasons) >= maxReasons {
			reason = otherReasons
		}
		r.stats.Reasons[reason]++
		return
	}
	r.stats.OK++
	a, known := r.stats.Versions[version]
	if !known {
		a.First = now
	}
	a.Count++
	a.Last = now
	r.stats.Versions[version] = a
}

// broke notes a stream that broke off after its first event.
func (r *recorder) broke(due, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took(now.Sub(due))
	r.stats.Broken++
}

func (r *recorder) took(d time.Duration) {
	r.latencies[bucket(d)]++
	r.stats.Max = max(r.stats.Max, d)
}

func (r *recorder) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Reasons, s.Versions = maps.Clone(s.Reasons), maps.Clone(s.Versions)
	s.P50, s.P95, s.P99 = r.quantile(.5), r.quantile(.95), r.quantile(.99)
	return s
}

// quantile is the upper edge of the bucket that holds it.
func (r *recorder) quantile(q float64) time.Duration {
	ended := r.stats.OK + r.stats.Failed + r.stats.Broken
	rank, below := int64(math.Ceil(q*float64(ended))), int64(0)
	for i, n := range r.latencies {
		if below += n; n > 0 && below >= rank {
			return min(time.Duration(math.Pow(growth, float64(i))*float64(time.Microsecond)), r.stats.Max)
		}
	}
	return 0
}

func bucket(took time.Duration) int {
	if took <= time.Microsecond {
		return 0
	}
	i := int(math.Ceil(math.Log(float64(took)/float64(time.Microsecond)) / math.Log(growth)))
	return min(i, buckets-1)
}
