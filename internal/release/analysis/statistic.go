package analysis

import "math"

// Statistic is all that is needed to judge a release, and to go on judging it after a restart. The zero value is the start
// of a release. It goes through JSON unchanged.
type Statistic struct {
	// Config is chosen at the start of a release.
	Config Config `json:"config,omitzero"`
	// First is the second of the candidate's first request, from which time is counted; Last is the last second that was
	// added. Both are 0 until there is one.
	First int64 `json:"first,omitempty"`
	Last  int64 `json:"last,omitempty"`
	// Past is stable's failure rate up to and including Last.
	Past Rate `json:"past"`
	// Stable and Candidate are the totals since First.
	Stable    Counts `json:"stable"`
	Candidate Counts `json:"candidate"`
	// Uncapped and Capped are the evidence that the candidate is worse.
	Uncapped Scores `json:"uncapped"`
	Capped   Scores `json:"capped"`
	// NoWorse is the evidence that it is not: nats of the blocks that ended, each capped, and of the current block.
	NoWorse        float64 `json:"noWorse"`
	NoWorseCurrent float64 `json:"noWorseCurrent"`
	// Failed says that the verdict is Fail. Nothing is added after it.
	Failed bool `json:"failed,omitempty"`
}

// Add takes seconds in rising order. One that is not later than the last is ignored; one that is missing says nothing.
func (s Statistic) Add(seconds ...Second) Statistic {
	for _, second := range seconds {
		if second.Unix > s.Last && !s.Failed {
			s.add(second.Unix, second.Stable.possible(), second.Candidate.possible())
		}
	}
	return s
}

func (s *Statistic) add(unix int64, stable, candidate Counts) {
	s.Past = s.Past.after(unix - s.Last)
	p := s.Past.value() // of past seconds only
	s.Past = s.Past.plus(stable)
	before := s.elapsed()
	s.Last = unix
	if s.First == 0 {
		if candidate.Requests == 0 {
			return
		}
		s.First = unix
	}
	s.Stable, s.Candidate = s.Stable.plus(stable), s.Candidate.plus(candidate)
	s.advance(before, s.elapsed())
	x := worse(p, stable, candidate)
	s.Uncapped.add(x)
	s.Capped.add(x)
	s.NoWorseCurrent += noWorse(p, s.Config.allowed(), stable, candidate)
	score, threshold := s.score()
	s.Failed = score >= threshold
}

// elapsed is the number of the last second since the candidate's first request, which is 1.
func (s *Statistic) elapsed() int64 {
	if s.First == 0 {
		return 0
	}
	return s.Last - s.First + 1
}

// advance goes from one elapsed second to another.
func (s *Statistic) advance(from, to int64) {
	s.Uncapped.advance(from, to, 1, math.Inf(1))
	s.Capped.advance(from, to, blockSeconds, worseCap)
	if block(from, blockSeconds) != block(to, blockSeconds) {
		s.NoWorse, s.NoWorseCurrent = s.noWorse(), 0
	}
}

// score is the evidence that the candidate is worse, and what it takes at this time, in nats.
func (s *Statistic) score() (score, threshold float64) {
	if s.elapsed() <= earlySeconds {
		return s.Uncapped.value(math.Inf(1)), earlyThreshold
	}
	return s.Capped.value(worseCap), s.Config.lateThreshold()
}

// noWorse is the evidence that the candidate is not worse by more than is allowed, in nats.
func (s *Statistic) noWorse() float64 { return s.NoWorse + min(s.NoWorseCurrent, noWorseCap) }
