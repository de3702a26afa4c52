package analysis

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Statistic is all that is needed to judge a release, and to go on judging it after a restart. The zero value is the start
// of a release. It goes through JSON unchanged.
type Statistic struct {
	// Config is chosen at the start of a release.
	Config Config `json:"config,omitzero"`
	// Last is the last second that was added.
	Last int64 `json:"last,omitempty"`
	// Started is when each of the candidate's Pods had its first request, where there is a warm-up.
	Started map[string]int64 `json:"started,omitempty"`
	// Failures, Slow and Disagreement are the evidence of each kind.
	Failures     Evidence `json:"failures,omitzero"`
	Slow         Evidence `json:"slow,omitzero"`
	Disagreement Evidence `json:"disagreement,omitzero"`
	// Failed is the kind of a Fail. Nothing is added after it.
	Failed string `json:"failed,omitempty"`
}

// maxStarted is how many Pods' starts are remembered.
const maxStarted = 100

// Add takes seconds in rising order. One that is not later than the last is ignored; one that is missing says nothing.
func (s Statistic) Add(seconds ...Second) Statistic {
	kinds, n := s.kinds()
	for _, second := range seconds {
		if second.Unix > s.Last && s.Failed == "" {
			s.add(second, kinds[:n])
		}
	}
	return s
}

// Verdict is that of Judgement, without its words.
func (s Statistic) Verdict() Verdict {
	switch e := &s.Failures; {
	case s.Failed != "":
		return Fail
	case e.First == 0 && s.Slow.First == 0 && s.Disagreement.First == 0:
		return NoData
	case e.First != 0 && (e.Stable.Requests > 0 || e.Before != nil) && e.noWorse() >= s.Config.passThreshold():
		return Pass
	default:
		return Inconclusive
	}
}

// Collapsed says whether the candidate failed for what Pods did while they warmed up.
func (s Statistic) Collapsed() bool {
	return s.Failures.Warming.collapsed() || s.Slow.Warming.collapsed()
}

// Historical is the statistic from when stable has no traffic any more. The candidate is judged against what stable did in
// the quarter of an hour before: by the rule for little history, as one sample, against the margin times the upper bound
// of stable's rate then. Time is counted anew; no α is claimed where rates drift. Doing it twice changes nothing.
func (s Statistic) Historical() Statistic {
	if s.Failed != "" || s.Failures.Before != nil {
		return s
	}
	s.Failures, s.Slow, s.Disagreement = s.Failures.historical(), s.Slow.historical(), Evidence{}
	return s
}

func (s *Statistic) add(second Second, kinds []kind) {
	var all [maxKinds]heard
	for _, pod := range second.Pods {
		pod.Counts = pod.possible()
		age := s.age(pod, second.Unix)
		for i := range kinds {
			all[i].add(pod.Candidate, age < kinds[i].warmUp, kinds[i].of(pod.Counts))
		}
	}
	last := s.Last
	s.Last = second.Unix
	for i := range kinds {
		if kinds[i].add(last, second.Unix, all[i]) {
			s.Failed = s.kindOf(kinds[i].evidence)
			return
		}
	}
}

// kindOf evidence is its name. What kinds say of it would do, but keeping it would cost each second an allocation.
func (s *Statistic) kindOf(e *Evidence) string {
	switch e {
	case &s.Failures:
		return ErrorRate
	case &s.Slow:
		return Latency
	default:
		return Disagreement
	}
}

// age of one of the candidate's Pods is how many seconds ago it had its first request, which is remembered here; where there is
// no warm-up none matters.
func (s *Statistic) age(pod PodSecond, unix int64) int64 {
	if !pod.Candidate || s.Config.Limits.warmUp() == 0 || pod.Requests == 0 && pod.Mirrored == 0 {
		return math.MaxInt64
	}
	started, known := s.Started[pod.Pod]
	if !known {
		started = unix
		s.Started = maps.Clone(s.Started) // what this was copied from keeps its own
		if s.Started == nil {
			s.Started = map[string]int64{}
		}
		if len(s.Started) == maxStarted {
			delete(s.Started, s.eldest())
		}
		s.Started[pod.Pod] = unix
	}
	return unix - started
}

// eldest of the candidate's Pods.
func (s *Statistic) eldest() string {
	return slices.MinFunc(slices.Sorted(maps.Keys(s.Started)), func(a, b string) int { return cmp.Compare(s.Started[a], s.Started[b]) })
}
