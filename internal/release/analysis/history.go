package analysis

import (
	"maps"
	"math"
	"slices"
)

// History is what stable's Pods did, second by second, in the last 24 hours. The zero value is an empty one. It is not safe
// for use by several goroutines at once.
type History struct {
	// last is the latest second that was added.
	last int64
	pods map[string]*pastPod
}

// pastPod is one Pod's past.
type pastPod struct {
	// first is the second of its first request.
	first int64
	// open hours by their number still take seconds; finished ones are packed.
	open     map[int64]*hour
	finished map[int64][]byte
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

// Add counts what one of stable's Pods did in a second. It may be called several times for a second, and a second may come
// a minute late.
func (h *History) Add(unix int64, pod string, c Counts) {
	if c = c.possible(); c.Requests == 0 || unix < 0 {
		return
	}
	if unix > h.last {
		minute := h.last / minuteSeconds
		h.last = unix
		if unix/minuteSeconds > minute { // hours are over, and too old, at full minutes only
			h.finish()
		}
	}
	open := h.hour(unix, pod)
	if open == nil {
		return
	}
	at := unix % hourSeconds
	open.requests[at/requestSeconds] = narrow[uint32](int64(open.requests[at/requestSeconds])+c.Requests, math.MaxUint32)
	open.failures[at] = narrow[uint16](int64(open.failures[at])+c.Failures, math.MaxUint16)
	open.slow[at] = narrow[uint16](int64(open.slow[at])+c.Slow, math.MaxUint16)
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
			return nil
		}
	}
	if p == nil {
		if h.pods == nil {
			h.pods = map[string]*pastPod{}
		}
		p = &pastPod{first: unix, open: map[int64]*hour{}, finished: map[int64][]byte{}}
		h.pods[pod] = p
	}
	p.first = min(p.first, unix)
	if p.open[number] == nil {
		p.open[number] = &hour{}
	}
	return p.open[number]
}

// over says whether an hour is finished at a second.
func over(number, unix int64) bool { return (number+1)*hourSeconds+lateSeconds <= unix }

// finish packs the hours that are over, and forgets those that are too old.
func (h *History) finish() {
	for name, p := range h.pods {
		for number, open := range p.open {
			if over(number, h.last) {
				p.finished[number] = open.pack()
				delete(p.open, number)
			}
		}
		maps.DeleteFunc(p.finished, func(number int64, _ []byte) bool { return number < h.last/hourSeconds-historyHours })
		if len(p.open)+len(p.finished) == 0 {
			delete(h.pods, name)
		}
	}
}

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
	for number, packed := range p.finished {
		if past, err := unpack(packed); err == nil { // UnmarshalBinary has read it once
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
