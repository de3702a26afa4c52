package router

// maxSessions that failed are remembered of one version; beyond them the one that failed first is forgotten.
const maxSessions = 1 << 16

// FNV-1a, 64 bits: its offset and prime.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// sessionHash of a session and of what else its place depends on. Every router gives the same.
func sessionHash(session, other string) uint64 {
	h := uint64(fnvOffset)
	for _, text := range [...]string{session, "\x00", other} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * fnvPrime
		}
	}
	// Steele, Lea & Flood's finaliser (SplitMix64): FNV alone leaves sessions that differ in their last byte close together.
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// percentile is a session's place in [0, 100) before a candidate. A weight above it sends the session to the candidate,
// so that a higher weight moves sessions to it and none away.
func percentile(session, candidate string) int {
	return int(sessionHash(session, candidate) % 100)
}

// sessions is a bounded set of sessions, by their hash.
type sessions struct {
	known map[uint64]bool
	// order is a ring; next is its oldest once it is full.
	order []uint64
	next  int
}

func (s *sessions) add(session uint64) {
	if s.known[session] {
		return
	}
	if s.known == nil {
		s.known = map[uint64]bool{}
	}
	if len(s.order) < maxSessions {
		s.order = append(s.order, session)
	} else {
		delete(s.known, s.order[s.next])
		s.order[s.next] = session
		s.next = (s.next + 1) % maxSessions
	}
	s.known[session] = true
}
