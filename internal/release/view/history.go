package view

import (
	"slices"
	"strings"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// Event is a change of the phase of one version.
type Event struct {
	At      time.Time            `json:"at"`
	Version string               `json:"version"`
	From    suokev1.VersionPhase `json:"from,omitempty"`
	To      suokev1.VersionPhase `json:"to"`
	Reason  string               `json:"reason"`
	Message string               `json:"message,omitempty"`
}

// History is what became of all versions of the model, oldest first.
func (r Release) History() []Event {
	all := []Event{}
	for i := range r.seen.Versions {
		v := &r.seen.Versions[i]
		if Describing(r.seen.Versions, r.Model, v.Spec.Version) != v {
			continue
		}
		for _, t := range v.Status.PromotionHistory {
			reason, message, _ := strings.Cut(t.Reason, ": ")
			all = append(all, Event{At: t.Timestamp.Time, Version: v.Spec.Version, From: t.FromPhase, To: t.ToPhase, Reason: reason, Message: message})
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.At.Compare(b.At) })
	return all
}

// Table shows events, with how long ago they were.
func Table(events []Event, now time.Time) string {
	rows := [][]string{{"TIME", "", "VERSION", "PHASE", "REASON", "MESSAGE"}}
	for _, e := range events {
		change := string(e.To)
		if e.From != "" {
			change = string(e.From) + " → " + change
		}
		rows = append(rows, []string{e.At.UTC().Format(time.RFC3339), when(e.At, now), e.Version, change, e.Reason, e.Message})
	}
	return strings.Join(columns(rows), "\n") + "\n"
}

// last is when a version last changed to a phase, and why; the zero value if it never did.
func (r Release) last(version string, to suokev1.VersionPhase) Event {
	for _, e := range slices.Backward(r.History()) {
		if e.Version == version && e.To == to {
			return e
		}
	}
	return Event{}
}

// Previous is the version that served before the stable one; empty if none is known.
func (r Release) Previous() string {
	for _, e := range slices.Backward(r.History()) {
		if e.To == suokev1.VersionDeprecated && e.Version != r.Stable {
			return e.Version
		}
	}
	return ""
}

// WindowEnds is when the stable version's rollback window ends: until then it can be aborted although it was promoted.
// It is zero if there is no window at that time: one ends when a release begins, and going back to a version that was still
// warm opens none.
func (r Release) WindowEnds(now time.Time) time.Time {
	promoted := r.last(r.Stable, suokev1.VersionProduction)
	ends := promoted.At.Add(r.scaleDownDelay(r.Stable))
	switch {
	case r.Candidate != "", promoted.Reason != suokev1.ReasonPromoted, r.Previous() == "", !ends.After(now):
		return time.Time{}
	case r.begunSince(promoted.At), r.warm(promoted):
		return time.Time{}
	default:
		return ends
	}
}

// begunSince says whether a release of any version began after that.
func (r Release) begunSince(at time.Time) bool {
	return slices.ContainsFunc(r.History(), func(e Event) bool { return e.To == suokev1.VersionTesting && e.At.After(at) })
}

// warm says whether a version that was promoted had been stable until a moment before and kept what it had.
func (r Release) warm(promoted Event) bool {
	var left, by Event
	for _, e := range r.History() {
		if e.Version == promoted.Version && e.To == suokev1.VersionDeprecated && e.At.Before(promoted.At) {
			left = e
		}
	}
	for _, e := range r.History() {
		if e.Version != promoted.Version && e.To == suokev1.VersionProduction && e.At.Equal(left.At) {
			by = e
		}
	}
	if left.At.IsZero() || !left.At.Add(r.scaleDownDelay(by.Version)).After(promoted.At) {
		return false
	}
	// A rolling update gives away what the version before had.
	return r.strategy(by.Version) != suokev1.StrategyRollingUpdate || r.warm(by)
}
