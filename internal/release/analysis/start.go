package analysis

import "slices"

const (
	// warmUpSeconds after a Pod's first request are looked at, warmUpBin at a time.
	warmUpSeconds = 120
	warmUpBin     = 5
	// recordedAfter is how long after the history's beginning a Pod's first request is taken for its start.
	recordedAfter = 600
	// warmUpNats of evidence are needed that the starts were bad in a bin: ln(24/0.01), for 24 bins.
	warmUpNats = 7.8
	// startRequests are needed for one start's bin to be looked at by itself.
	startRequests = 20
)

// starts are what Pods that were seen to start did, by age, and what Pods do otherwise.
type starts struct {
	bins [warmUpSeconds / warmUpBin]sample
	// worst is the largest share that was bad in one start's bin.
	worst [warmUpSeconds / warmUpBin]float64
	usual float64
}

func (p *past) starts(of func(*hour) []uint16) (all starts) {
	var usual sample
	for _, pod := range p.pods {
		recorded := pod.first >= p.first*hourSeconds+recordedAfter
		var mine [warmUpSeconds / warmUpBin]sample
		for number, h := range pod.hours {
			h.seconds(of, func(second int, s sample) {
				unix := number*hourSeconds + int64(second)
				switch age := unix - pod.first; {
				case age >= warmUpSeconds || age >= 0 && !recorded:
					usual = usual.plus(s)
				case age >= 0:
					mine[age/warmUpBin] = mine[age/warmUpBin].plus(s.since(unix, pod.first))
				}
			})
		}
		all.add(mine)
	}
	all.usual = Rate{usual.requests, usual.bad}.value()
	return all
}

// since gives back what the seconds before a Pod's first request were given of the requests of its first ten seconds.
func (s sample) since(unix, first int64) sample {
	if begin := unix - unix%requestSeconds; begin < first {
		s.requests *= requestSeconds / float64(begin+requestSeconds-first)
	}
	return s
}

// add takes one start in.
func (s *starts) add(mine [warmUpSeconds / warmUpBin]sample) {
	for i, bin := range mine {
		s.bins[i] = s.bins[i].plus(bin)
		if bin.requests >= startRequests {
			s.worst[i] = max(s.worst[i], bin.share())
		}
	}
}

func (s sample) share() float64 {
	if s.requests == 0 {
		return 0
	}
	return s.bad / s.requests
}

// warmUp is how long after their first request Pods that were seen to start were bad more often than Pods are.
func (s *starts) warmUp() int64 {
	for i, bin := range slices.Backward(s.bins[:]) {
		if bad := bin.share(); bad > s.usual && ratio(bin, min(rateCap, bad), s.usual) >= warmUpNats {
			return int64(i+1) * warmUpBin
		}
	}
	return 0
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
