package rollout

import (
	"slices"
	"time"
)

const (
	// laggingAfter is how long a ready router may take to confirm a split before people are told which one does not.
	laggingAfter = 10 * time.Second
	// drainedAfter is the longest deadline of a request: so long after a split was confirmed, no request that an earlier one
	// sent is under way.
	drainedAfter = time.Minute
)

// hearRouters notes when the split was confirmed. Once is enough: a router that becomes ready later begins with it.
func (t *turn) hearRouters() {
	if t.State.Revision > 0 && t.State.ConfirmedAt.IsZero() && len(t.behind()) == 0 {
		t.State.ConfirmedAt = t.now
	}
}

// behind are the ready routers that do not serve the split.
func (t *turn) behind() []Router {
	return slices.DeleteFunc(slices.Clone(t.seen.Routers), func(r Router) bool {
		return !r.Ready || r.AppliedRevision == t.State.Revision
	})
}

// confirmed says whether every ready router serves the split. A split of this turn cannot be.
func (t *turn) confirmed() bool {
	return t.State.Revision == 0 || !t.State.ConfirmedAt.IsZero() && len(t.behind()) == 0
}

// lagging is the router that has been behind for too long, by name; else the time at which one will have been.
func (t *turn) lagging() (name string, otherwise time.Time) {
	for _, r := range t.behind() {
		since := t.State.SplitAt
		if r.Since.After(since) {
			since = r.Since
		}
		at := since.Add(laggingAfter)
		if !t.now.Before(at) {
			return r.Name, time.Time{}
		}
		if otherwise.IsZero() || at.Before(otherwise) {
			otherwise = at
		}
	}
	return "", otherwise
}

// inFlight are a version's requests under way, as far as routers tell.
func (t *turn) inFlight(id ID) int {
	sum := 0
	for _, r := range t.seen.Routers {
		sum += r.InFlight[id]
	}
	return sum
}

// retire lets versions go that lost their last weight: after their time, and once no request can reach them any more. One
// that is a candidate again is not looked at.
func (t *turn) retire() {
	for id, retiree := range t.State.Retiring {
		if r := t.State.Release; r != nil && r.Candidate == id {
			continue
		}
		confirmed := t.State.ConfirmedAt
		drained := !confirmed.IsZero() && (t.inFlight(id) == 0 || !t.now.Before(confirmed.Add(drainedAfter)))
		switch {
		case t.now.Before(retiree.Until):
			t.lookAgain(retiree.Until)
		case drained:
			delete(t.State.Retiring, id)
		case !confirmed.IsZero():
			t.lookAgain(confirmed.Add(drainedAfter))
		}
	}
}
