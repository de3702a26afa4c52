package analysis

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// History is what stable's Pods did, second by second, in the last 24 hours. The zero value is an empty one. It is not safe
// for use by several goroutines at once.
type History struct {
	// since is the first second from which on nothing was missed, and whole says that no Pod had a request before it.
	since int64
	whole bool
	// missed says that seconds may have passed unheard since the last one, and loaded is the last second of what was read.
	missed bool
	loaded int64
	// last is the latest second that was added.
	last int64
	pods map[string]*pastPod
	// shelf takes finished hours; without one they are kept in memory.
	shelf Shelf
}

// pastPod is one Pod's past.
type pastPod struct {
	// first is the second of its first request, and recorded says that there was none before the history began.
	first    int64
	recorded bool
	start    start
	// heard is the latest second since the history was read.
	heard int64
	// open hours by their number still take seconds; finished ones are packed.
	open     map[int64]*hour
	finished map[int64]packed
}

const (
	hourSeconds   = 3600
	minuteSeconds = 60
	// historyHours are kept beside the current one.
	historyHours = 24
	// lateSeconds is how long after its end an hour is finished: routers report some seconds late.
	lateSeconds = minuteSeconds
	// maxPods bounds how many Pods are recorded at once; more would teach little.
	maxPods = 24
	// requestSeconds is how many seconds' requests are kept as one number.
	requestSeconds = 10
)

// hour is one Pod's hour: requests of ten seconds each, and the failures and slow requests of each second.
type hour struct {
	requests       [hourSeconds / requestSeconds]uint32
	failures, slow [hourSeconds]uint16
}

// Whole says, before anything is added, that the history begins with the model's first request: so the starts of its first
// Pods are recorded too.
func (h *History) Whole() { h.whole = h.whole || h.last == 0 }

// Missed says that seconds may have passed that were not added. A Pod that is heard soon after may have started in them.
func (h *History) Missed() { h.missed = true }

// Forget drops Pods that are to teach nothing, and says whether there were any.
func (h *History) Forget(pods func(name string) bool) bool {
	before := len(h.pods)
	maps.DeleteFunc(h.pods, func(name string, _ *pastPod) bool { return pods(name) })
	return len(h.pods) < before
}

// Empty says whether nothing was added.
func (h *History) Empty() bool { return len(h.pods) == 0 }

// Add counts what one of stable's Pods did in a second. It may be called several times for a second, and a second may come
// a minute late; but what was read is complete, and counts once.
func (h *History) Add(unix int64, pod string, c Counts) {
	if c = c.possible(); c.Requests == 0 || unix < 0 || !h.advance(unix) {
		return
	}
	open := h.hour(unix, pod)
	if open == nil {
		return
	}
	h.pods[pod].start.add(unix-h.pods[pod].first, c)
	at := unix % hourSeconds
	open.requests[at/requestSeconds] = narrow[uint32](int64(open.requests[at/requestSeconds])+c.Requests, math.MaxUint32)
	open.failures[at] = narrow[uint16](int64(open.failures[at])+c.Failures, math.MaxUint16)
	open.slow[at] = narrow[uint16](int64(open.slow[at])+c.Slow, math.MaxUint16)
}

// AddCandidate counts what a Pod of another version did in a second. Only its start is kept, which is its first request, also
// if that was mirrored; it teaches nothing unless the version gets stable.
func (h *History) AddCandidate(unix int64, pod string, c Counts) {
	if c = c.possible(); c.Requests == 0 && c.Mirrored == 0 || unix < 0 || !h.advance(unix) {
		return
	}
	p := h.pods[pod]
	if p == nil {
		if !h.makeRoom() {
			h.turnAway(unix)
			return
		}
		p = h.begin(unix, pod)
	}
	p.heard = max(p.heard, unix)
	p.start.add(unix-p.first, c)
}

// makeRoom for a Pod that is not stable's forgets the one that was heard longest ago, if there are many and it is gone.
func (h *History) makeRoom() bool {
	idle, eldest := 0, ""
	for name, p := range h.pods {
		if !p.idle() {
			continue
		}
		if idle++; eldest == "" || p.latest() < h.pods[eldest].latest() {
			eldest = name
		}
	}
	if idle < maxPods {
		return true
	}
	gone := h.last-h.pods[eldest].latest() > lateSeconds
	if gone {
		delete(h.pods, eldest)
	}
	return gone
}

// turnAway a Pod that there is no room for. If it is heard later, it did not start then.
func (h *History) turnAway(unix int64) { h.since, h.whole = max(h.since, unix), false }

// advance lets time pass, and says whether a second is to be added.
func (h *History) advance(unix int64) bool {
	if unix <= h.loaded {
		h.missed = false // it goes on where it was written
		return false
	}
	if unix <= h.last {
		return true
	}
	if h.last == 0 || h.missed && unix-h.last > 1 { // what Pods did before nobody knows
		h.since, h.whole = unix, h.whole && h.last == 0
	}
	minute := h.last / minuteSeconds
	h.last, h.missed = unix, false
	if unix/minuteSeconds > minute { // hours are over, and too old, at full minutes only
		h.finish()
	}
	return true
}

// begin is a Pod's first request that the history hears of.
func (h *History) begin(unix int64, pod string) *pastPod {
	if h.pods == nil {
		h.pods = map[string]*pastPod{}
	}
	p := &pastPod{
		first: unix, recorded: h.whole || unix >= h.since+recordedAfter,
		open: map[int64]*hour{}, finished: map[int64]packed{},
	}
	h.pods[pod] = p
	return p
}

// narrow stores a count, or the most that the type holds.
func narrow[T uint16 | uint32](n, most int64) T {
	return T(max(0, min(n, most)))
}

// hour of a Pod that a second falls into; nil if it is finished, or there are too many Pods.
func (h *History) hour(unix int64, pod string) *hour {
	number := unix / hourSeconds
	if over(number, h.last) {
		return nil
	}
	p := h.pods[pod]
	if p == nil || p.open[number] == nil {
		recorded := 0
		for _, other := range h.pods {
			if other.open[number] != nil {
				recorded++
			}
		}
		if recorded >= maxPods {
			h.turnAway(unix)
			return nil
		}
	}
	if p == nil {
		p = h.begin(unix, pod)
	}
	p.first, p.heard = min(p.first, unix), max(p.heard, unix)
	if p.open[number] == nil {
		p.open[number] = &hour{}
	}
	return p.open[number]
}

// over says whether an hour is finished at a second.
func over(number, unix int64) bool { return (number+1)*hourSeconds+lateSeconds <= unix }

// finish packs the hours that are over, and forgets those that are too old.
func (h *History) finish() {
	for _, p := range h.pods {
		for number, open := range p.open {
			if over(number, h.last) {
				p.finished[number] = h.putAway(open.pack())
				delete(p.open, number)
			}
		}
		maps.DeleteFunc(p.finished, func(number int64, _ packed) bool { return number < h.last/hourSeconds-historyHours })
	}
	h.forgetLongGone()
}

// forgetLongGone forgets Pods that have no hours any more, but for so many that were heard last: one that comes back must not be
// taken for one that starts.
func (h *History) forgetLongGone() {
	gone := slices.DeleteFunc(slices.Collect(maps.Keys(h.pods)), func(name string) bool {
		return !h.pods[name].idle() || h.last-h.pods[name].latest() <= historyHours*hourSeconds
	})
	slices.SortFunc(gone, func(a, b string) int { return cmp.Compare(h.pods[b].latest(), h.pods[a].latest()) })
	for _, name := range gone[min(maxPods, len(gone)):] {
		delete(h.pods, name)
	}
}

// StartsKnown says that enough starts are recorded for nothing to be allowed for that they did not show.
func (h *History) StartsKnown() bool {
	known := 0
	for _, p := range h.pods {
		if p.recorded && !p.idle() && p.start.tells() {
			known++
		}
	}
	return known >= enoughStarts
}

// latest is when a Pod was heard last, as far as is known.
func (p *pastPod) latest() int64 { return max(p.first, p.heard) }

// idle Pods have no hour as stable's.
func (p *pastPod) idle() bool { return len(p.open)+len(p.finished) == 0 }

// PodHours is how long Pods have had requests, taken together.
func (h *History) PodHours() float64 {
	minutes := 0
	for _, p := range h.pods {
		for _, past := range p.hours() {
			minutes += past.minutes()
		}
	}
	return float64(minutes) / 60
}

// hours of a Pod, open and finished.
func (p *pastPod) hours() map[int64]*hour {
	all := maps.Clone(p.open)
	for number, finished := range p.finished {
		text, err := finished.read()
		if err != nil {
			continue // what a shelf has lost is not known any more
		}
		if past, err := unpack(text); err == nil { // UnmarshalBinary has read it once
			all[number] = past
		}
	}
	return all
}

// minutes in which there was a request.
func (h *hour) minutes() (n int) {
	for minute := range slices.Chunk(h.requests[:], minuteSeconds/requestSeconds) {
		if slices.Max(minute) > 0 {
			n++
		}
	}
	return n
}
