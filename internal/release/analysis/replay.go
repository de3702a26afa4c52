package analysis

import (
	"cmp"
	"math"
	"slices"
)

const (
	// replayPodHours and replayHours of history are needed to replay.
	replayPodHours = 60
	replayHours    = 6
	// earlyWindow is replayed from every earlyStride seconds on, wholeWindow from every wholeStride on; with more than
	// fivePods of them less often.
	earlyWindow, earlyStride = 60, 7
	wholeWindow, wholeStride = 1800, 120
	fivePods                 = 5
	// headroom is how far above what was replayed a threshold lies, as a part of it, for each Pod of a group: the more there are in
	// a group, the fewer groups a history has that are not the same in part.
	headroom = 0.2
)

// shares of α by phase and score; see Thresholds. What falls into the first phase by chance are 0.26 % of a Pod's windows where it
// is in spells of ten seconds for 0.2 % of its time: its share is above that.
func shares() Thresholds {
	return Thresholds{
		{uncapped: 0.35},
		{uncapped: 0.06, bySecond: 0.05},
		{uncapped: 0.08, bySecond: 0.06, byBlock: 0.06},
		{uncapped: 0.10, bySecond: 0.09, byBlock: 0.09},
	}
}

// lane is the seconds of Pods one after another, of one kind, from the first second of a history on.
type lane struct{ requests, bad []float32 }

// maxima are the greatest scores that a window reached in each phase.
type maxima Thresholds

// replays are stable's Pods as if each had been a candidate.
type replays struct {
	// alpha and margin of the kind.
	alpha, margin float64
	lanes         []lane
	early, whole  []maxima
	// largest group that was replayed.
	largest int
	// priors by block, as a logarithm is slow.
	priors [wholeWindow + 1]float64
}

func newReplays(alpha, margin float64, lanes []lane) *replays {
	r := &replays{alpha: alpha, margin: margin, lanes: lanes}
	for b := range r.priors {
		r.priors[b] = prior(int64(b))
	}
	return r
}

// step replays groups of as many Pods as the candidate will have, where there are enough; if the candidate will have a
// greater share of the requests than a group had, the group's count for as many more.
func (r *replays) step(s Step) {
	size := max(1, min(s.Pods, len(r.lanes)/2))
	r.largest = max(r.largest, size)
	total := 0.0
	for _, l := range r.lanes {
		total += l.total()
	}
	for first := range r.lanes {
		var group, rest []lane
		had := 0.0
		for i, l := range r.lanes {
			if (i-first+len(r.lanes))%len(r.lanes) < size {
				group, had = append(group, l), had+l.total()
			} else {
				rest = append(rest, l)
			}
		}
		if had > 0 {
			r.group(sum(group), sum(rest), max(1, s.Share*total/had))
		}
	}
}

func (l lane) total() (n float64) {
	for _, requests := range l.requests {
		n += float64(requests)
	}
	return n
}

func (l lane) at(t int) sample { return sample{float64(l.requests[t]), float64(l.bad[t])} }

func sum(lanes []lane) lane {
	all := lane{make([]float32, len(lanes[0].requests)), make([]float32, len(lanes[0].bad))}
	for _, l := range lanes {
		for t := range l.requests {
			all.requests[t] += l.requests[t]
			all.bad[t] += l.bad[t]
		}
	}
	return all
}

// group replays one group against the rest.
func (r *replays) group(group, rest lane, times float64) {
	x, said := make([][alternatives]float64, len(group.requests)), make([]bool, len(group.requests))
	past := Rate{}
	for t := range x {
		past = past.after(1)
		stable, candidate := rest.at(t), group.at(t)
		said[t] = stable.requests > 0 && candidate.requests > 0
		x[t] = worse(past.value(), r.margin, stable, sample{candidate.requests * times, candidate.bad * times})
		past = past.plus(stable)
	}
	crowd := max(1, len(r.lanes)/fivePods)
	r.early = append(r.early, r.windows(x, said, earlyWindow, earlyStride*crowd)...)
	r.whole = append(r.whole, r.windows(x, said, wholeWindow, wholeStride*crowd)...)
}

// windows that begin every stride seconds where both sides have requests.
func (r *replays) windows(x [][alternatives]float64, said []bool, length, stride int) (all []maxima) {
	for from := 0; from+length <= len(x); from += stride {
		if said[from] {
			all = append(all, r.window(x[from:from+length]))
		}
	}
	return all
}

// window scores seconds as a release that begins with them. It does what Evidence.add does, for consecutive seconds only.
func (r *replays) window(x [][alternatives]float64) (m maxima) {
	for i := range m {
		m[i] = [scores]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	}
	for i := range alternatives {
		free, second, ended, current := r.priors[1], r.priors[1], r.priors[1], 0.0
		for t := range x {
			if t > 0 {
				free, second = max(free, r.priors[t+1]), max(second, r.priors[t+1])
				if t%blockSeconds == 0 {
					ended, current = max(ended+min(current, blockCap), r.priors[t/blockSeconds+1]), 0
				}
			}
			free, second, current = free+x[t][i], second+min(x[t][i], secondCap), current+x[t][i]
			top := &m[phase(int64(t+1))]
			top[uncapped], top[bySecond] = max(top[uncapped], free), max(top[bySecond], second)
			top[byBlock] = max(top[byBlock], ended+min(current, blockCap))
		}
	}
	return m
}

// thresholds leave each phase and score its share of the replays that did not fire before; what is left over of a phase's
// shares goes to the uncapped score of the next.
func (r *replays) thresholds() (t Thresholds) {
	left := 0.0
	for now := range phases {
		all := r.early
		if now == phases-1 {
			all = r.whole
		}
		quiet := all
		for before := range now {
			for score := range scores {
				quiet = below(quiet, t, before, score)
			}
		}
		share := shares()[now]
		share[uncapped] += left
		left = 0
		for score, part := range share {
			if part == 0 {
				continue
			}
			one := r.alpha * float64(len(all)) // windows that α is
			t[now][score] = max(-math.Log(parts()[score]*r.alpha), (1+headroom*float64(r.largest))*quantile(quiet, now, score, part*one))
			still := below(quiet, t, now, score)
			left += part - float64(len(quiet)-len(still))/one
			quiet = still
		}
	}
	return t
}

// below are the windows that a threshold leaves.
func below(all []maxima, t Thresholds, phase, score int) []maxima {
	if t[phase][score] == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(m maxima) bool { return m[phase][score] >= t[phase][score] })
}

// quantile is what all but so many windows stay at or below.
func quantile(all []maxima, phase, score int, but float64) float64 {
	values := make([]float64, len(all))
	for i, m := range all {
		values[i] = m[phase][score]
	}
	slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
	if i := int(max(0, but)); i < len(values) {
		return values[i]
	}
	return math.Inf(-1)
}
