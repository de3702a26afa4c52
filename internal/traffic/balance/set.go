// Package balance sends requests to the Pods behind a Service: to the one with the fewest requests in flight, and past
// one that refuses. Every hop between our own processes uses it, because connections that are kept alive through a
// ClusterIP would leave new Pods idle. It promises that a Pod that is terminating or not ready gets nothing, that Pods
// with equally many requests in flight take turns, and that a request is sent again only where no Pod can have acted on
// it or the caller said that it may be repeated (Repeats). It counts what this process sends; it does not know of other senders.
//
// Set and Client know no Kubernetes; Directory fills Sets from EndpointSlices.
package balance

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// rest is how long an endpoint that refused a connection gets nothing while another is there: long enough to spare
// most requests the detour, short enough that a Pod which restarts is back at once.
const rest = time.Second

// Address is where a ready Pod listens.
type Address struct {
	// Pod's name.
	Pod string
	// Host is IP and port.
	Host string
}

// Endpoint is an Address and what this process knows of it.
type Endpoint struct {
	Address

	inFlight atomic.Int64
	// turn is the Set's count of picks at this endpoint's last one: the smallest has waited longest.
	turn atomic.Uint64
	// restsUntil in Unix nanoseconds.
	restsUntil atomic.Int64
}

// Release ends a request that Pick began.
func (e *Endpoint) Release() { e.inFlight.Add(-1) }

// Rest keeps requests from the endpoint for a moment, while others can take them.
func (e *Endpoint) Rest(now time.Time) { e.restsUntil.Store(now.Add(rest).UnixNano()) }

// InFlight requests at the endpoint.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Set is the ready endpoints of one Service. Its zero value has none. It is safe for use by many goroutines; Pick takes
// no lock.
type Set struct {
	update    sync.Mutex
	endpoints atomic.Pointer[[]*Endpoint]
	picks     atomic.Uint64
}

// Update replaces the endpoints. One that stays keeps its count of requests in flight.
func (s *Set) Update(addresses []Address) {
	s.update.Lock()
	defer s.update.Unlock()
	known := map[Address]*Endpoint{}
	for _, e := range s.list() {
		known[e.Address] = e
	}
	next := make([]*Endpoint, 0, len(addresses))
	listed := map[Address]bool{}
	for _, a := range addresses {
		if listed[a] {
			continue
		}
		listed[a] = true
		e, found := known[a]
		if !found {
			e = &Endpoint{Address: a}
			// It takes its turn like the others; a queue-jumper would get a burst after every change.
			e.turn.Store(s.picks.Load())
		}
		next = append(next, e)
	}
	// Many processes see the same order; shuffled, their first requests do not all go to the same Pod.
	//nolint:gosec // it spreads load; nobody gains by guessing it
	rand.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	s.endpoints.Store(&next)
}

// Ready is the number of endpoints.
func (s *Set) Ready() int { return len(s.list()) }

// others says whether there is an endpoint that was not tried.
func (s *Set) others(tried []*Endpoint) bool {
	return slices.ContainsFunc(s.list(), func(e *Endpoint) bool { return !slices.Contains(tried, e) })
}

// Pick returns the endpoint with the fewest requests in flight, of equals the one that waited longest, and counts a
// request in flight there until Release. Endpoints in tried are left out, resting ones taken only if no other is left.
// It returns nil if there is none.
func (s *Set) Pick(now time.Time, tried ...*Endpoint) *Endpoint {
	var best *Endpoint
	var bestRests bool
	var bestLoad int64
	var bestTurn uint64
	at := now.UnixNano()
	for _, e := range s.list() {
		if slices.Contains(tried, e) {
			continue
		}
		rests, load, turn := e.restsUntil.Load() > at, e.inFlight.Load(), e.turn.Load()
		if best == nil || before(rests, bestRests, load, bestLoad, turn, bestTurn) {
			best, bestRests, bestLoad, bestTurn = e, rests, load, turn
		}
	}
	if best == nil {
		return nil
	}
	best.inFlight.Add(1)
	best.turn.Store(s.picks.Add(1))
	return best
}

// before orders by resting, then load, then turn.
func before(rests, bestRests bool, load, bestLoad int64, turn, bestTurn uint64) bool {
	switch {
	case rests != bestRests:
		return bestRests
	case load != bestLoad:
		return load < bestLoad
	default:
		return turn < bestTurn
	}
}

func (s *Set) list() []*Endpoint {
	if p := s.endpoints.Load(); p != nil {
		return *p
	}
	return nil
}
