package registry

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

func policyOf(interval time.Duration, retries int32, multiplier float64) suokev1.SyncPolicy {
	return suokev1.SyncPolicy{
		Interval:    metav1.Duration{Duration: interval},
		RetryPolicy: suokev1.RetryPolicy{MaxRetries: retries, BackoffMultiplier: multiplier},
	}
}

func TestASyncThatFailsIsTriedAgainBeforeTheNextInterval(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		policy suokev1.SyncPolicy
		want   []time.Duration // after 0, 1, 2 … failures in a row
	}{
		"the user's policy":                   {policyOf(30*time.Minute, 5, 1.5), []time.Duration{30 * time.Minute, 5 * time.Second, 7500 * ms, 11250 * ms, 16875 * ms, 25312500 * time.Microsecond, 30 * time.Minute, 5 * time.Second}},
		"the defaults":                        {policyOf(time.Hour, 3, 2), []time.Duration{time.Hour, 5 * time.Second, 10 * time.Second, 20 * time.Second, time.Hour, 5 * time.Second}},
		"no retries":                          {policyOf(time.Minute, 0, 2), []time.Duration{time.Minute, time.Minute, time.Minute}},
		"retries longer than the interval":    {policyOf(12*time.Second, 3, 10), []time.Duration{12 * time.Second, 5 * time.Second, 12 * time.Second, 12 * time.Second}},
		"stored before there were defaults":   {policyOf(0, 2, 0), []time.Duration{time.Hour, 5 * time.Second, 10 * time.Second, time.Hour}},
		"a wait that no number of bits holds": {policyOf(time.Hour, 100, 10), append([]time.Duration{time.Hour, 5 * time.Second, 50 * time.Second, 500 * time.Second}, repeat(time.Hour, 97)...)},
	} {
		t.Run(name, func(t *testing.T) {
			for failed, want := range c.want {
				if got := wait(c.policy, failed); got != want {
					t.Errorf("after %d failures the next sync is in %v, want %v", failed, got, want)
				}
			}
		})
	}
}

func repeat(d time.Duration, n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = d
	}
	return all
}

func TestAWaitIsNeverLongerThanTheIntervalNorShorterThanTheFirstRetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(10*time.Second), int64(1000*time.Hour)).Draw(t, "interval"))
		policy := policyOf(interval, rapid.Int32Range(0, 100).Draw(t, "maxRetries"), rapid.Float64Range(1, 10).Draw(t, "multiplier"))
		failed := rapid.IntRange(0, 100_000).Draw(t, "failed")
		if got := wait(policy, failed); got > interval || got < firstRetry {
			t.Fatalf("%v", got)
		}
	})
}

func TestALookIsDueAtItsTimeOrWhenSomethingChanged(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	known := memory{generation: 2, models: "a", looked: start, next: start.Add(time.Hour)}
	for name, c := range map[string]struct {
		known      memory
		generation int64
		models     string
		after      time.Duration
		want       time.Duration
	}{
		"never looked at":                          {memory{}, 1, "", 0, 0},
		"nothing changed":                          {known, 2, "a", time.Minute, 59 * time.Minute},
		"the interval is over":                     {known, 2, "a", time.Hour, 0},
		"the object changed":                       {known, 3, "a", time.Second, 0},
		"a model came at once":                     {known, 2, "ab", time.Second, settle - time.Second},
		"a model came later":                       {known, 2, "ab", time.Minute, 0},
		"a model came shortly before the next":     {known, 2, "ab", time.Hour - time.Second, 0},
		"a model came and the next is even sooner": {memory{generation: 2, models: "a", looked: start, next: start.Add(2 * time.Second)}, 2, "ab", time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if got := max(0, c.known.due(c.generation, c.models, start.Add(c.after))); got != c.want {
				t.Errorf("due in %v, want %v", got, c.want)
			}
		})
	}
}

func TestWhatChangedGetsAllOfItsRetries(t *testing.T) {
	known := memory{generation: 1, models: "a", failed: 3}
	for name, c := range map[string]struct {
		generation int64
		models     string
		failed     bool
		want       int
	}{
		"failed again":                {1, "a", true, 4},
		"succeeded":                   {1, "a", false, 0},
		"failed for a new model":      {1, "ab", true, 1},
		"failed at a new endpoint":    {2, "a", true, 1},
		"succeeded at a new endpoint": {2, "a", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := known.counted(c.generation, c.models, c.failed); got != c.want {
				t.Errorf("%d failures in a row, want %d", got, c.want)
			}
		})
	}
}
