package registry

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/types"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

const (
	// firstRetry is the wait after the first failure of an interval.
	firstRetry = 5 * time.Second
	// secretWait is when a missing Secret is looked for again; our rights do not let us watch Secrets.
	secretWait = 15 * time.Second
	// settle is the least time between two syncs for the sake of models that come and go: a thousand of them at once
	// are one sync.
	settle = 3 * time.Second
	// Of an object that was stored before its schema had these defaults.
	defaultInterval   = time.Hour
	defaultMultiplier = 2.0
)

// memory is what this process knows of one registry between two looks. It is lost with the process, which then looks
// at once.
type memory struct {
	// object is the one that was looked at; another of the same name is another.
	object types.UID
	// generation and models are what the last look was at.
	generation int64
	models     string
	// looked is when that was, next when the next one is due.
	looked, next time.Time
	// failed counts the syncs in a row that left something unreached or unresolved.
	failed int
	// said is what the log was told last.
	said string
}

// due is how long the next look has to wait; 0 or less: it is time.
func (m memory) due(generation int64, models string, now time.Time) time.Duration {
	next := m.next
	if models != m.models {
		next = earlier(next, m.looked.Add(settle))
	}
	if generation != m.generation {
		next = now
	}
	return next.Sub(now)
}

// counted is the number of failures in a row after a sync. What was changed gets all of its retries anew.
func (m memory) counted(generation int64, models string, failed bool) int {
	switch {
	case !failed:
		return 0
	case generation != m.generation || models != m.models:
		return 1
	}
	return m.failed + 1
}

// wait is the time from one sync to the next. After a failure the waits grow by the multiplier, maxRetries times; then
// the next one is that of the interval, and everything begins anew.
func wait(policy suokev1.SyncPolicy, failed int) time.Duration {
	interval := cmp.Or(policy.Interval.Duration, defaultInterval)
	retry := failed % (int(policy.RetryPolicy.MaxRetries) + 1)
	if retry == 0 {
		return interval
	}
	next := float64(firstRetry)
	for range retry - 1 {
		next *= cmp.Or(policy.RetryPolicy.BackoffMultiplier, defaultMultiplier)
	}
	if next >= float64(interval) {
		return interval
	}
	return time.Duration(next)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
