package analysis

import (
	"maps"
	"math"
	"slices"
)

// Learn returns the configuration with the limits that the history teaches for a release of these steps.
func (h *History) Learn(c Config, steps ...Step) Config {
	c.Limits = Limits{}
	past := h.read()
	if past == nil {
		return c
	}
	if len(steps) == 0 {
		steps = []Step{{Pods: 1}}
	}
	c.Limits.PodHours = h.PodHours()
	failing := past.starts(failed, func(b startBin) uint32 { return b.failures })
	slowing := past.starts(slow, func(b startBin) uint32 { return b.slow })
	c.Limits.Failures = past.limit(c, failed, failing, failing.warmUp(), steps)
	c.Limits.Failures.StartsKnown = h.StartsKnown() && failing.agree()
	if c.Slow {
		warmUp := max(c.Limits.Failures.WarmUp, slowing.warmUp())
		c.Limits.Slow = past.limit(c, slow, slowing, warmUp, steps)
	}
	return c
}

// limit of one kind, of whose starts so many seconds are left out.
func (p *past) limit(c Config, of func(*hour) []uint16, begun starts, warmUp int64, steps []Step) Limit {
	fewest := slices.MinFunc(steps, func(a, b Step) int { return a.Pods - b.Pods }).Pods
	l := Limit{WarmUp: warmUp, StartExcess: begun.excess(warmUp), Margin: p.margin(of, max(1, fewest), c.share())}
	if c.Limits.PodHours < replayPodHours || p.seconds() < replayHours*hourSeconds {
		return l
	}
	r := newReplays(c.share(), max(1, l.Margin), p.lanes(of, warmUp))
	for _, s := range telling(steps) {
		r.step(s)
	}
	if len(r.whole) > 0 {
		l.Thresholds = r.thresholds()
	}
	return l
}

// telling steps are the first and the last of those in which both versions have traffic.
func telling(steps []Step) []Step {
	both := slices.DeleteFunc(slices.Clone(steps), func(s Step) bool { return s.Share >= 1 })
	if len(both) <= 2 {
		return both
	}
	return []Step{both[0], both[len(both)-1]}
}

func failed(h *hour) []uint16 { return h.failures[:] }

func slow(h *hour) []uint16 { return h.slow[:] }

// past is a history that was read.
type past struct {
	// first and last hour.
	first, last int64
	pods        []readPod
}

type readPod struct {
	first    int64
	recorded bool
	start    start
	hours    map[int64]*hour
}

// read returns nil where there is nothing.
func (h *History) read() *past {
	p := &past{first: math.MaxInt64}
	for _, name := range slices.Sorted(maps.Keys(h.pods)) {
		kept := h.pods[name]
		if kept.idle() {
			continue
		}
		pod := readPod{first: kept.first, recorded: kept.recorded, start: kept.start, hours: kept.hours()}
		for number := range pod.hours {
			p.first, p.last = min(p.first, number), max(p.last, number)
		}
		p.pods = append(p.pods, pod)
	}
	if len(p.pods) == 0 {
		return nil
	}
	return p
}

func (p *past) seconds() int64 { return (p.last - p.first + 1) * hourSeconds }

// lanes put Pods one after another where they did not live in the same hour, and leave their warm-up out.
func (p *past) lanes(of func(*hour) []uint16, warmUp int64) (all []lane) {
	var taken []map[int64]bool
	for _, pod := range p.pods {
		free := slices.IndexFunc(taken, func(hours map[int64]bool) bool {
			for number := range pod.hours {
				if hours[number] {
					return false
				}
			}
			return true
		})
		if free < 0 {
			free = len(taken)
			taken = append(taken, map[int64]bool{})
			all = append(all, lane{make([]float32, p.seconds()), make([]float32, p.seconds())})
		}
		for number, h := range pod.hours {
			taken[free][number] = true
			at := (number - p.first) * hourSeconds
			h.seconds(of, func(second int, s sample) {
				if number*hourSeconds+int64(second) >= pod.first+warmUp {
					all[free].requests[at+int64(second)] = float32(s.requests)
					all[free].bad[at+int64(second)] = float32(s.bad)
				}
			})
		}
	}
	return all
}

// seconds of an hour; requests are spread evenly over their ten seconds, but are not fewer than those that are bad.
func (h *hour) seconds(of func(*hour) []uint16, visit func(second int, s sample)) {
	for second, bad := range of(h) {
		requests := float64(h.requests[second/requestSeconds]) / requestSeconds
		visit(second, sample{max(requests, float64(bad)), float64(bad)})
	}
}

func (s sample) plus(t sample) sample { return sample{s.requests + t.requests, s.bad + t.bad} }

func (s sample) less(t sample) sample { return sample{s.requests - t.requests, s.bad - t.bad} }
