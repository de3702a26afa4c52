package analysis

import "math"

// DropOldest forgets the oldest hour of all Pods, for a history that must get smaller, and says whether there was one beside
// the latest.
func (h *History) DropOldest() bool {
	oldest, latest := int64(math.MaxInt64), int64(-1)
	for _, p := range h.pods {
		for number := range p.open {
			oldest, latest = min(oldest, number), max(latest, number)
		}
		for number := range p.finished {
			oldest, latest = min(oldest, number), max(latest, number)
		}
	}
	if oldest >= latest {
		return false
	}
	for _, p := range h.pods {
		delete(p.open, oldest)
		delete(p.finished, oldest)
	}
	return true
}
