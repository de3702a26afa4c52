package operator

// rateWindow is over how many seconds requests are counted to say how many Pods they need.
const rateWindow = 60

// requestRate is how fast a model's versions were asked together over the last minute.
type requestRate struct {
	// requests by second, each at its place by rateWindow, and the first and last second that were counted.
	requests    [rateWindow]int64
	first, last int64
}

// add takes in the requests of a second. Seconds come in order; those that do not come had none.
func (r *requestRate) add(unix, requests int64) {
	switch {
	case r.last == 0:
		r.first, r.last = unix, unix
	case unix-r.last >= rateWindow:
		r.requests, r.last = [rateWindow]int64{}, unix
	}
	for ; r.last < unix; r.last++ {
		r.requests[(r.last+1)%rateWindow] = 0
	}
	if unix == r.last {
		r.requests[unix%rateWindow] += requests
	}
}

// perSecond is the rate in the minute before now, 0 if nothing was heard in it, or not the whole minute: one second of a burst is
// not what is asked.
func (r *requestRate) perSecond(now int64) float64 {
	if r.last == 0 || now-r.last >= rateWindow || r.last-r.first < rateWindow-1 {
		return 0
	}
	var sum int64
	for _, n := range r.requests {
		sum += n
	}
	return float64(sum) / rateWindow
}
