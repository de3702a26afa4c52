package analysis

import (
	"encoding/binary"
	"math"
)

const (
	// warmUpSeconds after a Pod's first request are looked at, warmUpBin at a time.
	warmUpSeconds = 120
	warmUpBin     = 5
	warmUpBins    = warmUpSeconds / warmUpBin
	// recordedAfter is how long after the history's beginning a Pod's first request is taken for its start.
	recordedAfter = 600
	// warmUpNats of evidence are needed that the starts were bad in a bin: ln(24/0.01), for 24 bins.
	warmUpNats = 7.8
	// startRequests are needed for one start's bin to be looked at by itself, and for a start to be known as good or bad.
	startRequests = 20
	// enoughStarts are recorded for nothing to be allowed for that they did not show.
	enoughStarts = 2
)

// start is what a Pod did in the bins after its first request.
type start [warmUpBins]startBin

type startBin struct{ requests, failures, slow uint32 }

// add counts a second by its age.
func (s *start) add(age int64, c Counts) {
	if age < 0 || age >= warmUpSeconds {
		return
	}
	bin := &s[age/warmUpBin]
	bin.requests = narrow[uint32](int64(bin.requests)+c.Requests, math.MaxUint32)
	bin.failures = narrow[uint32](int64(bin.failures)+c.Failures, math.MaxUint32)
	bin.slow = narrow[uint32](int64(bin.slow)+c.Slow, math.MaxUint32)
}

// tells says that there were enough requests in the time that a start may take.
func (s *start) tells() bool {
	early := 0.0
	for _, bin := range s[:startSeconds/warmUpBin] {
		early += float64(bin.requests)
	}
	return early >= startRequests
}

func (s *start) append(data []byte) []byte {
	for _, bin := range s {
		for _, n := range []uint32{bin.requests, bin.failures, bin.slow} {
			data = binary.AppendVarint(data, int64(n))
		}
	}
	return data
}

func (r *reader) start() (s start) {
	number := func() uint32 { return narrow[uint32](r.number(math.MaxUint32), math.MaxUint32) }
	for i := range s {
		s[i] = startBin{number(), number(), number()}
	}
	return s
}

// starts are what Pods that were seen to start did, by age, and what Pods do otherwise.
type starts struct {
	bins [warmUpBins]sample
	// worst is the largest share that was bad in one start's bin, and most the start with the most bad ones.
	worst [warmUpBins]float64
	most  [warmUpBins]sample
	// known is how many tell.
	known int
	usual float64
}

func (p *past) starts(of func(*hour) []uint16, ofStart func(startBin) uint32) (all starts) {
	var usual sample
	for _, pod := range p.pods {
		for number, h := range pod.hours {
			h.seconds(of, func(second int, s sample) {
				if age := number*hourSeconds + int64(second) - pod.first; age >= warmUpSeconds || age >= 0 && !pod.recorded {
					usual = usual.plus(s)
				}
			})
		}
		if pod.recorded {
			all.add(pod.start, ofStart)
		}
	}
	all.usual = Rate{usual.requests, usual.bad}.value()
	return all
}

// add takes one start in.
func (s *starts) add(of start, bad func(startBin) uint32) {
	for i, counted := range of {
		bin := sample{float64(counted.requests), float64(bad(counted))}
		s.bins[i] = s.bins[i].plus(bin)
		if bin.requests >= startRequests {
			s.worst[i] = max(s.worst[i], bin.share())
		}
		if bin.bad > s.most[i].bad {
			s.most[i] = bin
		}
	}
	if of.tells() {
		s.known++
	}
}

func (s sample) share() float64 {
	if s.requests == 0 {
		return 0
	}
	return s.bad / s.requests
}

// warmUp is how long after their first request Pods that were seen to start were bad more often than Pods are: where there
// were several, also without the worst of them, as that may have been in a spell.
func (s *starts) warmUp() int64 {
	if s.known > 1 {
		return s.lasting(s.most)
	}
	return s.lasting([warmUpBins]sample{})
}

// agree says whether the worst of the starts were as the others.
func (s *starts) agree() bool {
	return s.warmUp() == s.lasting([warmUpBins]sample{})
}

// lasting is until when starts were worse than usual, all in all and still, without some of what they did.
func (s *starts) lasting(without [warmUpBins]sample) (seconds int64) {
	var until sample
	for i, bin := range s.bins {
		bin = bin.less(without[i])
		if until = until.plus(bin); s.worse(bin) && s.worse(until) {
			seconds = int64(i+1) * warmUpBin
		}
	}
	return seconds
}

// worse says that there is enough evidence that starts were worse than usual.
func (s *starts) worse(of sample) bool {
	bad := of.share()
	return bad > s.usual && ratio(of, min(rateCap, bad), s.usual) >= warmUpNats
}

// excess is how much larger than usual the share of bad requests was in the worst bin of a warm-up: of one start, or, where
// each had few requests, of all together.
func (s *starts) excess(warmUp int64) float64 {
	most := s.usual
	for i := range warmUp / warmUpBin {
		most = max(most, s.worst[i], s.bins[i].share())
	}
	return most - s.usual
}
