package router

import (
	"sync/atomic"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// plan is one revision of a Route, ready to be served. It never changes; a new revision is a new plan.
type plan struct {
	revision int64
	versions []*version
	// stable is the version that failures are re-asked of, and that serves if no version with a weight can; or nil.
	stable *version
	// candidate is the version that a release tries, or nil.
	candidate *version
	// split is nil while no version has a weight.
	split *blocks
}

// version is one version of a plan.
type version struct {
	route.Version
	pods *balance.Set
	// inFlight outlives the plan: the requests of an earlier revision are still under way.
	inFlight *atomic.Int64
}

// newPlan makes a plan of a Route that passes Validate.
func newPlan(r route.Route, pods func(route.Version) *balance.Set, inFlight func(id string) *atomic.Int64) *plan {
	p := &plan{revision: r.Revision}
	weights := make([]int, len(r.Versions))
	for i, v := range r.Versions {
		weights[i] = v.Weight
		p.versions = append(p.versions, &version{Version: v, pods: pods(v), inFlight: inFlight(v.ID)})
		if v.ID == r.Stable {
			p.stable = p.versions[i]
		}
		if v.ID == r.Candidate {
			p.candidate = p.versions[i]
		}
	}
	p.split = newBlocks(weights)
	return p
}

// choose returns the version for the next request of a session, or of none if it is "", or nil if none can serve. A
// version with no ready Pod gets nothing, whatever its weight; one without weight gets nothing unless it is stable and all
// others are down.
func (p *plan) choose(session string) *version {
	if session != "" {
		if v := p.home(session); v != nil && v.ready() {
			return v
		}
	}
	if p.split != nil {
		if i, found := p.split.deal(func(i int) bool { return p.versions[i].ready() }); found {
			return p.versions[i]
		}
	}
	if p.stable != nil && p.stable.ready() {
		return p.stable
	}
	return nil
}

// home returns the version that a session belongs to while there are weights: the candidate if its percentile is below
// the candidate's weight, else one of the others, whose weights follow.
func (p *plan) home(session string) *version {
	at := percentile(session, p.candidate.id())
	if p.candidate != nil {
		if at < p.candidate.Weight {
			return p.candidate
		}
		at -= p.candidate.Weight
	}
	for _, v := range p.versions {
		if v == p.candidate {
			continue
		}
		if at < v.Weight {
			return v
		}
		at -= v.Weight
	}
	return nil
}

// named returns the version that people call so, or nil.
func (p *plan) named(name string) *version {
	for _, v := range p.versions {
		if v.Version.Version == name {
			return v
		}
	}
	return nil
}

// understudy returns the version that a failure of v is re-asked of, or nil if it must not or cannot be.
func (p *plan) understudy(v *version) *version {
	if v == p.stable || p.stable == nil || !v.MayReask || !p.stable.ready() {
		return nil
	}
	return p.stable
}

func (v *version) ready() bool { return v.pods.Ready() > 0 }

// id of the version, or "" of none.
func (v *version) id() string {
	if v == nil {
		return ""
	}
	return v.ID
}
