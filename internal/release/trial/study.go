package trial

import (
	"sync"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

const (
	// historySeconds of stable's Pods are there to learn from when a release begins, or recentSeconds since their start.
	historySeconds = 24 * 3600
	recentSeconds  = 3600
	// leadSeconds before the candidate's first request are heard by every rule, so that it knows stable's rate.
	leadSeconds = 300
	// releaseSeconds is how long a release lasts, or a bad candidate is waited for.
	releaseSeconds = 1800
)

// study is a number of releases of one quality of candidate in one world, heard by some rules.
type study struct {
	world     World
	candidate Candidate
	rules     []Rule
	runs      int
	// ends[r][i] is how rule r ended release i.
	ends [][]end
	// write adds what was found to the report.
	write func(*Report, *study)
}

// end of a release by one rule.
type end struct {
	// second since the candidate's first request, from 1; 0 if it did not end.
	second int64
	// bad are the failed (or slow) requests to the candidate from when it turned bad until then.
	bad int64
}

func newStudy(w World, c Candidate, rules []Rule, runs int, write func(*Report, *study)) *study {
	s := &study{world: w, candidate: c, rules: rules, runs: runs, write: write, ends: make([][]end, len(rules))}
	for r := range s.ends {
		s.ends[r] = make([]end, runs)
	}
	return s
}

// play plays one release.
func (s *study) play(seed uint64, block, run int, past Past) {
	random := newRandom(seed, [2]int{block, run}, s.world.Name, "release")
	own := s.world.ownRates(newRandom(seed, [2]int{block, 0}, s.world.Name, "pods"))
	t := newRelease(s.world, s.candidate, leadSeconds, own, random)
	judges := make([]Judge, len(s.rules))
	for r, rule := range s.rules {
		judges[r] = rule.Begin(past)
	}
	last := int64(releaseSeconds) + max(0, s.candidate.From-1)
	bad := int64(0)
	for open := len(judges); open > 0 && t.second < last; {
		second := t.next()
		if t.second >= max(1, s.candidate.From) {
			bad += s.candidate.bad(second)
		}
		for r, judge := range judges {
			if judge != nil && judge(second) {
				s.ends[r][run] = end{second: t.second, bad: bad}
				judges[r] = nil
				open--
			}
		}
	}
}

// bad counts what is wrong with a candidate's answers.
func (c Candidate) bad(s *Second) int64 {
	if c.Slower > 0 {
		return s.Candidate.Slow
	}
	return s.Candidate.Failures
}

// lessons are what the histories teach, each learned once: releases of one block in one world share one.
type lessons struct {
	seed  uint64
	mu    sync.Mutex
	known map[lesson]func() analysis.Config
}

type lesson struct {
	world   string
	block   int
	seconds int64
}

// of returns what so many seconds of a block's history teach, when it is called.
func (l *lessons) of(w World, block int, seconds int64) func() analysis.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := lesson{w.Name, block, seconds}
	learn, known := l.known[key]
	if !known {
		learn = sync.OnceValue(func() analysis.Config { return w.learn(l.seed, block, seconds) })
		l.known[key] = learn
	}
	return learn
}

// learn plays stable alone: a day, or an hour from its Pods' first requests on.
func (w World) learn(seed uint64, block int, seconds int64) analysis.Config {
	recent := seconds == recentSeconds
	if recent && w.StartUp.Unseen {
		return w.config()
	}
	own := w.ownRates(newRandom(seed, [2]int{block, 0}, w.Name, "pods"))
	t := newHistory(w, seconds, own, newRandom(seed, [2]int{block, 0}, w.Name, "history"))
	var h analysis.History
	if recent {
		t.start()
		h.Whole()
	}
	for range seconds {
		second := t.next()
		for _, p := range second.Pods {
			h.Add(second.Unix, p.Pod, p.Counts)
		}
	}
	return h.Learn(w.config(), w.steps()...)
}

// config is what a person chose.
func (w World) config() analysis.Config {
	return analysis.Config{FalseRollbackRate: falseRollbackRate, AllowedIncrease: allowedIncrease, Slow: w.SlowAlways > 0}
}

// allowedIncrease in the share of failed requests, which a Pass is to exclude.
const allowedIncrease = 0.005

func (w World) steps() []analysis.Step {
	steps := make([]analysis.Step, len(w.Plan))
	for i, s := range w.Plan {
		steps[i] = analysis.Step{Pods: s.Pods, Share: s.Weight}
	}
	return steps
}
