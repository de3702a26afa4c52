package view

import (
	"cmp"
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

// before is what the stable version can be taken back to.
func (r Release) before() string { return cmp.Or(r.Previous(), "the version before") }

// WindowEnds is when the stable version's rollback window ends: until then it can be aborted although it was promoted.
// It is zero if there is no window at that time.
func (r Release) WindowEnds(now time.Time) time.Time {
	if ends := r.seen.Model.Status.RollbackUntil; ends != nil && ends.After(now) {
		return ends.Time
	}
	return time.Time{}
}
