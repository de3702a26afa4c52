package analysis

import "math"

// Tally is a number of requests, and of those of them that were bad.
type Tally struct {
	Requests int64 `json:"n,omitempty"`
	Bad      int64 `json:"bad,omitempty"`
}

func (t Tally) plus(u Tally) Tally { return Tally{t.Requests + u.Requests, t.Bad + u.Bad} }

func (t Tally) sample() sample { return sample{float64(t.Requests), float64(t.Bad)} }

// Evidence is what was found of one kind.
type Evidence struct {
	// First is the second of the candidate's first request, from which time is counted; 0 until there is one.
	First int64 `json:"first,omitempty"`
	// Past is stable's rate up to and including the last second, and Recent its counts of five minutes each, the current ones
	// first.
	Past   Rate            `json:"past,omitzero"`
	Recent [quarters]Tally `json:"recent,omitzero"`
	// Before is what stable did in the quarter of an hour before it had no traffic any more.
	Before *Tally `json:"before,omitempty"`
	// Stable and Candidate are the totals since First.
	Stable    Tally `json:"stable,omitzero"`
	Candidate Tally `json:"candidate,omitzero"`
	// Scores that the candidate is worse: uncapped, capped by second, and capped by block of ten seconds.
	Scores [scores]Scores `json:"scores"`
	// Doubt is the last of them against the doubt that the candidate's Pods are only other Pods: where little is known of
	// how Pods differ, it must not be below 0 either.
	Doubt Scores `json:"doubt,omitzero"`
	// Fresh is the evidence against the doubt that the candidate's Pods only start, where little is known of starts.
	Fresh Fresh `json:"fresh,omitzero"`
	// NoWorse is the evidence that the candidate does not fail more often: nats of the blocks that ended, each capped, and of
	// the current block.
	NoWorse        float64 `json:"noWorse,omitzero"`
	NoWorseCurrent float64 `json:"noWorseCurrent,omitzero"`
	// Warming is what the candidate's Pods show while they warm up, which counts for nothing else.
	Warming Warming `json:"warming,omitzero"`
}

const (
	quarters       = 4
	quarterSeconds = 300
)

// elapsed is the number of a second since the candidate's first request, which is 1.
func (e *Evidence) elapsed(unix int64) int64 {
	if e.First == 0 {
		return 0
	}
	return unix - e.First + 1
}

// says whether anything was heard of the candidate that counts.
func (e *Evidence) says() bool { return e.First != 0 || e.Warming.collapsed() }

// pass lets time pass, from one second to another, and returns stable's rate of the seconds before.
func (e *Evidence) pass(from, to int64, stable Tally) float64 {
	e.Past = e.Past.after(to - from)
	p := e.Past.value()
	e.Past = e.Past.plus(stable.sample())
	for q := from / quarterSeconds; q < to/quarterSeconds; q++ {
		copy(e.Recent[1:], e.Recent[:])
		e.Recent[0] = Tally{}
		if q-from/quarterSeconds == quarters {
			break
		}
	}
	e.Recent[0] = e.Recent[0].plus(stable)
	return p
}

// score is the one that is nearest to what it takes, at an elapsed second.
func (e *Evidence) score(elapsed int64, r rule) (score, threshold float64) {
	now, by := phase(elapsed), cappings()
	score = math.Inf(-1)
	for i, needed := range r.thresholds[now] {
		if needed == 0 {
			continue
		}
		shows := e.Scores[i].value(by[i])
		if r.doubt > 0 && i == byBlock {
			shows = min(shows, needed+e.Doubt.value(by[i]))
		}
		if r.fresh > 0 {
			shows = min(shows, needed+e.Fresh.value()-r.fresh)
		}
		if threshold == 0 || shows-needed > score-threshold {
			score, threshold = shows, needed
		}
	}
	return score, threshold
}

// add counts what a second says: for each alternative against its null, for each against the doubt, and that the candidate
// is no worse.
func (e *Evidence) add(from, to int64, worse, doubt [alternatives]float64, noWorse float64) {
	by := cappings()
	for i := range e.Scores {
		e.Scores[i].advance(from, to, by[i])
		e.Scores[i].add(worse)
	}
	e.Doubt.advance(from, to, by[byBlock])
	e.Doubt.add(doubt)
	if block(from, blockSeconds) != block(to, blockSeconds) {
		e.NoWorse, e.NoWorseCurrent = e.noWorse(), 0
	}
	e.NoWorseCurrent += noWorse
}

// noWorse is the evidence that the candidate is not worse by more than is allowed, in nats.
func (e *Evidence) noWorse() float64 { return e.NoWorse + min(e.NoWorseCurrent, noWorseCap) }

// historical is the evidence from when stable has no traffic any more.
func (e *Evidence) historical() Evidence {
	before := Tally{}
	for _, t := range e.Recent {
		before = before.plus(t)
	}
	return Evidence{Past: e.Past, Before: &before}
}

// kind is what is judged, by what rule.
type kind struct {
	name     string
	evidence *Evidence
	rule     rule
	of       func(Counts) Tally
	// allowed is the rate that the candidate is held against; 0 compares it with stable.
	allowed float64
	// increase is what a Pass excludes; 0 asks for none.
	increase float64
	// startCap is how many nats a second can prove against a start: one pause makes all answers slow.
	startCap float64
	// warmUp is how many seconds a Pod of the candidate's warms up, and excess by how much the share of bad requests may be
	// larger in them.
	warmUp int64
	excess float64
}

// heard is what a second counted of one kind; what the candidate's Pods did while they warmed up is by itself.
type heard struct{ stable, candidate, warming Tally }

func (h *heard) add(candidate, warming bool, t Tally) {
	switch {
	case !candidate:
		h.stable = h.stable.plus(t)
	case warming:
		h.warming = h.warming.plus(t)
	default:
		h.candidate = h.candidate.plus(t)
	}
}

// maxKinds that can be judged.
const maxKinds = 3

// kinds that are judged, failures first, and how many there are.
func (s *Statistic) kinds() (all [maxKinds]kind, n int) {
	all[0] = kind{
		name: ErrorRate, evidence: &s.Failures, rule: s.Config.rule(s.Config.Limits.Failures), increase: s.Config.allowed(),
		startCap: math.Inf(1), warmUp: s.Config.Limits.Failures.WarmUp, excess: s.Config.Limits.Failures.StartExcess,
		of: func(c Counts) Tally { return Tally{c.Requests, c.Failures} },
	}
	n = 1
	if s.Config.Slow {
		all[n] = kind{
			name: Latency, evidence: &s.Slow, rule: s.Config.rule(s.Config.Limits.Slow),
			startCap: secondCap, warmUp: s.Config.Limits.Slow.WarmUp, excess: s.Config.Limits.Slow.StartExcess,
			of: func(c Counts) Tally { return Tally{c.Requests - c.Untimed, c.Slow} },
		}
		n++
	}
	for i := range n {
		all[i].historical()
	}
	if s.Config.AllowedDisagreement > 0 {
		all[n] = kind{
			name: Disagreement, evidence: &s.Disagreement, rule: young(s.Config.share(), 0), allowed: s.Config.AllowedDisagreement,
			warmUp: s.Config.Limits.Failures.WarmUp,
			of:     func(c Counts) Tally { return Tally{c.Mirrored, c.Disagreed} },
		}
		n++
	}
	return all, n
}

// historical holds the candidate against what stable did before, where it has no traffic any more.
func (k *kind) historical() {
	before := k.evidence.Before
	if before == nil {
		return
	}
	margin := max(k.rule.margin, k.rule.doubt)
	k.rule = young(k.rule.alpha, 0)
	k.rule.name, k.rule.margin = Historical, margin
	k.allowed = min(rateCap, margin*upper(before.sample(), k.rule.alpha))
}

// upper is the largest rate at which so few bad ones are seen with a chance of at most α (Chernoff's bound). Where nothing
// was seen the prior stands in for it: a version that fails every second request is not kept because the past was lost.
func upper(s sample, alpha float64) float64 {
	if s.requests == 0 {
		s = sample{requests: priorRequests, bad: priorBad}
	}
	p := s.bad / s.requests
	low, high := p, 1.0
	for {
		q := low + (high-low)/2
		if q <= low || q >= high {
			return q
		}
		if distance := s.requests * (entropy(p, q) + entropy(1-p, 1-q)); distance < math.Log(1/alpha) {
			low = q
		} else {
			high = q
		}
	}
}

func entropy(p, q float64) float64 {
	if p == 0 {
		return 0
	}
	return p * math.Log(p/q)
}

// add counts a second and says whether the candidate is to be returned for it.
func (k *kind) add(from, to int64, h heard) bool {
	e, s, c := k.evidence, h.stable, h.candidate
	p := e.pass(from, to, s)
	if k.warm(p, s, h.warming); e.Warming.collapsed() {
		return true
	}
	before := e.elapsed(from)
	if e.First == 0 {
		if c.Requests == 0 {
			return false
		}
		e.First, before = to, 0
	}
	e.Stable, e.Candidate = e.Stable.plus(s), e.Candidate.plus(c)
	says := k.worse(p, k.rule.margin, s.sample(), c.sample())
	if k.rule.fresh > 0 {
		e.Fresh.add(before, e.elapsed(to), says, min(k.startCap, collapse(p, s.sample(), c.sample())))
	}
	e.add(before, e.elapsed(to), says, k.doubt(p, s.sample(), c.sample()), k.noWorse(p, s.sample(), c.sample()))
	score, threshold := e.score(e.elapsed(to), k.rule)
	return score >= threshold
}

func (k *kind) worse(p, margin float64, stable, candidate sample) [alternatives]float64 {
	if k.allowed > 0 {
		return beyond(k.allowed, candidate)
	}
	return worse(p, margin, stable, candidate)
}

func (k *kind) doubt(p float64, stable, candidate sample) (x [alternatives]float64) {
	if k.rule.doubt == 0 {
		return x
	}
	return k.worse(p, k.rule.doubt, stable, candidate)
}

// noWorse compares with what stable did before where it has no traffic any more.
func (k *kind) noWorse(p float64, stable, candidate sample) float64 {
	switch before := k.evidence.Before; {
	case k.increase == 0:
		return 0
	case before != nil:
		p = Rate{float64(before.Requests), float64(before.Bad)}.value()
		return ratio(candidate, p, min(rateCap, p+k.increase))
	default:
		return noWorse(p, k.increase, stable, candidate)
	}
}
