package server

import "sync/atomic"

// Gate lets a bounded number through at once. Its zero value is open.
type Gate struct{ inside atomic.Int64 }

// Enter says whether there is room; who entered must leave.
func (g *Gate) Enter(limit int64) bool {
	if g.inside.Add(1) > limit {
		g.inside.Add(-1)
		return false
	}
	return true
}

// Leave makes room for another.
func (g *Gate) Leave() { g.inside.Add(-1) }
