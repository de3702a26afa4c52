package rollout

import (
	"slices"
	"time"
)

// lostRevisions is by how much revisions go on after a loss of memory: more than may have been written since the routers
// last told what they applied.
const lostRevisions = 1000

// Remains are what is still known of a model whose State is gone.
type Remains struct {
	// Stable version, by what people were last shown; empty if none ever served.
	Stable ID
	// Running Pods by version, as they are wanted.
	Running map[ID]int
	// Revision is the greatest that a router applied.
	Revision int64
	// Refused, Attempts and History as far as they are known.
	Refused  map[ID]Refusal
	Attempts map[string]int
	History  []Transition
}

// Recover makes a State of what remains: stable has all of the traffic, a release that was under way has ended, and what
// else runs drains.
func Recover(r Remains, now time.Time) State {
	now = now.Round(0).UTC()
	s := State{Attempts: cloned(r.Attempts), Retiring: map[ID]Retiree{}, Refused: cloned(r.Refused), History: slices.Clone(r.History)}
	for id, last := range latest(r.History) {
		if id != r.Stable && (last.To == Testing || last.To == InCanary) {
			s.History = append(s.History, Transition{
				ID: id, Version: last.Version, From: last.To, To: Rollback, At: now, Reason: ReasonAborted,
				Message: "what was known of the release of " + last.Version + " was lost",
			})
		}
	}
	s.History = bounded(s.History)
	if r.Stable == "" {
		return s
	}
	s.Stable, s.Weights = r.Stable, map[ID]int{r.Stable: all}
	s.Revision, s.SplitAt = r.Revision+lostRevisions, now
	for id, n := range r.Running {
		if id != r.Stable {
			s.Retiring[id] = Retiree{Until: now, Replicas: n}
		}
	}
	return s
}

// latest transition of each version.
func latest(history []Transition) map[ID]Transition {
	last := map[ID]Transition{}
	for _, h := range history {
		last[h.ID] = h
	}
	return last
}
