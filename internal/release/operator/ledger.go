package operator

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// ledger is what all routers counted of each model, by second. It is as large as what was not read out of it yet.
type ledger map[string]*account

// account is the ledger of one model.
type account struct {
	// seconds have their Pods in no order; few as they are, a list takes a quarter of a map's memory.
	seconds map[int64][]heardPod
	// told is the last second that was passed on, dropped the last that is gone.
	told, dropped int64
}

// origin is a Pod of a version.
type origin struct {
	id  rollout.ID
	pod string
}

// counted is what happened to the requests that ended at a Pod within a second. What sessions said again is taken out.
type counted struct {
	requests, failures, mirrored, disagreed int64
	// ended are all requests, and latencySum how long they took together, in microseconds.
	ended, latencySum int64
	times             times
}

// heardSecond is one second with all of its Pods, in the order of their names.
type heardSecond struct {
	unix int64
	pods []heardPod
}

// requests of all Pods in it.
func (s heardSecond) requests() int64 {
	var n int64
	for _, pod := range s.pods {
		n += pod.ended
	}
	return n
}

type heardPod struct {
	origin
	counted
}

func (l ledger) of(model string) *account {
	if l[model] == nil {
		l[model] = &account{seconds: map[int64][]heardPod{}}
	}
	return l[model]
}

// add counts what one router saw. It returns how many requests came too late to count.
func (l ledger) add(model string, unix int64, s *route.Second) (late int64) {
	a := l.of(model)
	requests := max(0, s.Requests-s.RepeatRequests)
	if unix <= a.dropped {
		return requests
	}
	c := a.at(unix, origin{rollout.ID(s.ID), s.Pod})
	c.requests += requests
	c.failures += min(requests, max(0, s.Failures-s.RepeatFailures))
	c.mirrored += s.Mirrored
	c.disagreed += s.Disagreed
	c.ended += s.Requests
	c.latencySum += s.LatencySum
	c.times = c.times.plus(s.Latencies)
	if unix <= a.told {
		return requests // the seconds up to there have been judged
	}
	return 0
}

// at is where a Pod's second is counted.
func (a *account) at(unix int64, from origin) *counted {
	pods := a.seconds[unix]
	i := slices.IndexFunc(pods, func(p heardPod) bool { return p.origin == from })
	if i < 0 {
		i, pods = len(pods), append(pods, heardPod{origin: from})
		a.seconds[unix] = pods
	}
	return &pods[i].counted
}

// between are the seconds after one up to another.
func (l ledger) between(model string, after, last int64) []heardSecond {
	var all []heardSecond
	for unix, pods := range l.of(model).seconds {
		if unix <= after || unix > last {
			continue
		}
		heard := heardSecond{unix: unix, pods: slices.Clone(pods)}
		slices.SortFunc(heard.pods, func(a, b heardPod) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.pod, b.pod)) })
		all = append(all, heard)
	}
	slices.SortFunc(all, func(a, b heardSecond) int { return cmp.Compare(a.unix, b.unix) })
	return all
}

// told are the seconds up to the one given that were not told yet.
func (l ledger) told(model string, complete int64) []heardSecond {
	a := l.of(model)
	if complete <= a.told {
		return nil
	}
	seconds := l.between(model, a.told, complete)
	a.told = complete
	return seconds
}

func (l ledger) dropBefore(model string, unix int64) {
	a := l.of(model)
	if unix <= a.dropped {
		return
	}
	a.dropped = unix - 1
	maps.DeleteFunc(a.seconds, func(at int64, _ []heardPod) bool { return at < unix })
}

// times counts answers by the bucket of their time, in rising order.
type times []timed

type timed struct {
	bucket int16
	n      uint32
}

func lastBucket() int { return route.Bucket(math.MaxInt64) }

// plus adds what a router counted. It leaves t as it was.
func (t times) plus(counts map[int]int64) times {
	if len(counts) == 0 {
		return t
	}
	sum := map[int]int64{}
	for _, c := range t {
		sum[int(c.bucket)] += int64(c.n)
	}
	for bucket, n := range counts {
		sum[min(max(bucket, 0), lastBucket())] += max(n, 0)
	}
	all := make(times, 0, len(sum))
	for _, bucket := range slices.Sorted(maps.Keys(sum)) {
		all = append(all, timed{int16(bucket), uint32(min(sum[bucket], math.MaxUint32))}) //nolint:gosec // both are bounded here
	}
	return all
}

// slower counts the answers that took longer than a time. Within the bucket of that time none is called slow.
func (t times) slower(than time.Duration) int64 {
	if than <= 0 {
		return 0
	}
	sum, most := int64(0), route.Bucket(than)
	for _, c := range t {
		if int(c.bucket) > most {
			sum += int64(c.n)
		}
	}
	return sum
}

const (
	// paceMemory of stable's answer times, in seconds: they weigh exp(-age/paceMemory).
	paceMemory = 300
	// enoughTimes to tell a quantile from; less is no ground to call an answer slow.
	enoughTimes = 100
)

// pace is how long stable took to answer, of late.
type pace struct {
	// weights of answers by bucket, as of a second.
	weights []float64
	unix    int64
}

// add takes a second's answers in.
func (p *pace) add(unix int64, t times) {
	if unix > p.unix {
		keep := math.Exp(-float64(unix-p.unix) / paceMemory)
		for i := range p.weights {
			p.weights[i] *= keep
		}
		p.unix = unix
	}
	for _, c := range t {
		if n := int(c.bucket) + 1; n > len(p.weights) {
			p.weights = append(p.weights, make([]float64, n-len(p.weights))...)
		}
		p.weights[c.bucket] += float64(c.n)
	}
}

// slowAfter is the time beyond which an answer is slow: the quantile, and a share of it more; 0 where too few answers
// were seen to say.
func (p *pace) slowAfter(quantile, increase float64) time.Duration {
	all := 0.0
	for _, w := range p.weights {
		all += w
	}
	if all < enoughTimes {
		return 0
	}
	below := 0.0
	for bucket, w := range p.weights {
		if below += w; below >= quantile*all {
			return time.Duration(float64(route.BucketBound(bucket)) * (1 + increase))
		}
	}
	return 0
}
