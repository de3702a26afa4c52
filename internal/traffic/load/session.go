package load

import (
	"maps"
	"strconv"
	"sync"
	"time"
)

// headerSession names the session of a request to the router.
const headerSession = "X-Session-ID"

// sessions notes which version answered each session last, and how sessions moved.
type sessions struct {
	mu    sync.Mutex
	last  []sessionAnswer
	moves map[string]int64
}

type sessionAnswer struct {
	due     time.Time
	version string
}

func newSessions(n int) *sessions {
	return &sessions{last: make([]sessionAnswer, n)}
}

// of is the session that request n belongs to, and its name; none if the load has no sessions.
func (s *sessions) of(n int) (session int, name string) {
	if len(s.last) == 0 {
		return 0, ""
	}
	session = n % len(s.last)
	return session, "session-" + strconv.Itoa(session)
}

// answered notes an answer. Of two that cross, the one that was due later tells where the session is.
func (s *sessions) answered(session int, due time.Time, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) == 0 || due.Before(s.last[session].due) {
		return
	}
	if before := s.last[session].version; before != "" && before != version {
		if s.moves == nil {
			s.moves = map[string]int64{}
		}
		s.moves[before+" -> "+version]++
	}
	s.last[session] = sessionAnswer{due, version}
}

// snapshot is how often a session moved from one version to another so far.
func (s *sessions) snapshot() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.moves)
}
