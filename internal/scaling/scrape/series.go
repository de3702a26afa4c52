package scrape

import (
	"math"
	"time"
)

const (
	// Short is the window that scaling decides by: long enough that a Pod's requests are many, short enough to be now.
	Short = 6 * time.Second
	// Long is the window that people and dashboards look at.
	Long = 60 * time.Second

	// staleAfter is the age of its newest sample at which a series has no rate any more.
	staleAfter = 5 * time.Second
)

// Series is one counter over the last minute. The zero value is an empty series.
type Series struct {
	// samples in rising time, none older than Long before the newest but the one that Long reaches back to.
	samples []sample
	// raw is the counter's last value, total what it grew by since the first one, across restarts.
	raw, total float64
}

type sample struct {
	at    time.Time
	total float64
}

// Add notes the counter's value. A value below the last one says that the process restarted and has counted that much
// since. Values that no counter has, and samples that are not newer than the last, are ignored.
func (s *Series) Add(at time.Time, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
		return
	}
	if n := len(s.samples); n > 0 {
		if !at.After(s.samples[n-1].at) {
			return
		}
		grown := value - s.raw
		if grown < 0 {
			grown = value
		}
		s.total += grown
	}
	s.raw = value
	s.samples = append(s.samples, sample{at, s.total})
	if base := s.base(Long); base > 0 {
		s.samples = append(s.samples[:0], s.samples[base:]...)
	}
}

// Rate is the counter's growth per second over a window that ends at the newest sample. There is none if that sample is
// stale, or is the only one. While the series is younger than the window, its whole age counts.
func (s *Series) Rate(now time.Time, window time.Duration) (perSecond float64, at time.Time, ok bool) {
	n := len(s.samples)
	if n < 2 || now.Sub(s.samples[n-1].at) > staleAfter {
		return 0, time.Time{}, false
	}
	first, last := s.samples[s.base(window)], s.samples[n-1]
	return (last.total - first.total) / last.at.Sub(first.at).Seconds(), last.at, true
}

// base is the index of the newest sample that is at least window older than the newest one, else of the oldest. It is
// never the newest itself if there are two.
func (s *Series) base(window time.Duration) int {
	edge := s.samples[len(s.samples)-1].at.Add(-window)
	for i := len(s.samples) - 1; i > 0; i-- {
		if !s.samples[i].at.After(edge) {
			return i
		}
	}
	return 0
}
