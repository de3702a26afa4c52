package trial

import "math/rand/v2"

// sessions are clients that keep to a version. Each sends requests at the same rate.
type sessions struct {
	of    Clients
	ends  *poisson
	slots []session
}

type session struct {
	// place decides the version: the candidate's if it is below the weight.
	place  float64
	broken bool
	// failed at stable, and at the candidate: what comes after does not count there.
	failed [2]bool
}

func newSessions(of Clients, random *rand.Rand) *sessions {
	s := &sessions{of: of, ends: newPoisson(float64(of.Sessions) / of.Life), slots: make([]session, of.Sessions)}
	for i := range s.slots {
		s.slots[i] = s.begin(random)
	}
	return s
}

func (s *sessions) begin(random *rand.Rand) session {
	return session{place: random.Float64(), broken: random.Float64() < s.of.Broken}
}

// count plays a second of all sessions into the Pods' counts.
func (s *sessions) count(t *traffic) {
	for range s.ends.draw(t.random) {
		s.slots[t.random.IntN(len(s.slots))] = s.begin(t.random)
	}
	stable := len(t.pods) - t.step.Pods
	for range s.requests(t) {
		one := &s.slots[t.random.IntN(len(s.slots))]
		version, first, pods := 0, 0, stable
		if one.place < t.step.Weight {
			version, first, pods = 1, stable, t.step.Pods
		}
		if one.failed[version] {
			continue
		}
		pod := first + t.random.IntN(pods)
		counts := &t.now.Pods[pod].Counts
		counts.Requests++
		if one.broken || t.pods[pod].failures.among(t.random, 1, t.pods[pod].chance) > 0 {
			counts.Failures++
			one.failed[version] = true
		}
	}
}

// requests that all sessions send in this second: as many as the Pods together get in a world without sessions.
func (s *sessions) requests(t *traffic) (n int64) {
	for i := range t.pods {
		load := t.loads[0]
		if t.pods[i].candidate {
			load = t.loads[1]
		}
		n += load.draw(t.random)
	}
	return n
}
