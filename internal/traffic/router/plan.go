package router

import (
	"sync/atomic"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// plan is one revision of a Route, ready to be served. It never changes; a new revision is a new plan.
type plan struct {
	revision int64
	versions []*version
	// stable is the version that failures are re-asked of, and that serves if no version with a weight can; or nil.
	stable *version
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
	}
	p.split = newBlocks(weights)
	return p
}

// choose returns the version for the next request, or nil if none can serve. A version with no ready Pod gets nothing,
// whatever its weight; one without weight gets nothing unless it is stable and all others are down.
func (p *plan) choose() *version {
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

// slow says whether an answer took longer than the release engine allows without counting it.
func (v *version) slow(took time.Duration) bool { return v.SlowAfter > 0 && took > v.SlowAfter }
