package analysis

import (
	"fmt"
	"strings"
)

// The kinds, which are the reasons of a Fail.
const (
	// ErrorRate: the candidate fails more often than stable.
	ErrorRate = "ErrorRate"
	// Latency: the candidate is slow more often than stable.
	Latency = "Latency"
	// Disagreement: the candidate answers mirrored requests differently more often than is allowed.
	Disagreement = "Disagreement"
)

// The rules.
const (
	// Replay is the rule where there is enough history of stable's Pods to replay.
	Replay = "replay"
	// Young is the rule for releases with little history of stable's Pods.
	Young = "young"
	// Historical is the rule where stable has no traffic any more, and its past is compared with.
	Historical = "historical"
)

// Judgement is the verdict with what it stands on.
type Judgement struct {
	Verdict Verdict `json:"verdict"`
	// Reason is the kind that failed when the verdict is Fail.
	Reason string `json:"reason,omitempty"`
	// Message is the verdict in a sentence.
	Message string `json:"message"`
	// Rule of the decision.
	Rule string `json:"rule"`
	// FalseRollbackRate is α, the bound on the chance of returning a candidate that is no worse.
	FalseRollbackRate float64 `json:"falseRollbackRate"`
	// Score and Threshold are in nats, of the kind and score that are nearest to a Fail, or made it; at or above the
	// threshold the candidate is returned.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
	// NoWorse is the evidence that the increase in failures is below what is allowed, and NoWorseThreshold what a Pass takes.
	NoWorse          float64 `json:"noWorse"`
	NoWorseThreshold float64 `json:"noWorseThreshold"`
	// Kinds are the kinds that are judged, failures first.
	Kinds []KindJudgement `json:"kinds,omitempty"`
}

// KindJudgement is what one kind shows.
type KindJudgement struct {
	// Kind is ErrorRate, Latency or Disagreement.
	Kind string `json:"kind"`
	// Rule is what this kind is judged by.
	Rule string `json:"rule"`
	// FalseRollbackRate is the kind's share of α.
	FalseRollbackRate float64 `json:"falseRollbackRate"`
	// Margin is how many times as often as stable the candidate may be bad for being other Pods; 1 is no margin.
	Margin float64 `json:"margin"`
	// Of what was counted of stable and the candidate since its first request: requests, and those that were bad.
	StableRequests    int64 `json:"stableRequests,omitempty"`
	StableBad         int64 `json:"stableBad,omitempty"`
	CandidateRequests int64 `json:"candidateRequests"`
	CandidateBad      int64 `json:"candidateBad"`
	// Score and Threshold, in nats, of the score that is nearest to a Fail.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
}

// Judgement says what the seconds so far show. A Fail stays; a Pass holds as long as the evidence does.
func (s Statistic) Judgement() Judgement {
	all, n := s.kinds()
	kinds := all[:n]
	j := Judgement{FalseRollbackRate: s.Config.alpha(), Rule: kinds[0].rule.name, NoWorse: s.Failures.noWorse(), NoWorseThreshold: s.Config.passThreshold()}
	nearest := 0
	for i, k := range kinds {
		j.Kinds = append(j.Kinds, k.judgement(s.Last))
		if says := k.evidence.says(); says && (!kinds[nearest].evidence.says() || j.Kinds[i].gap() < j.Kinds[nearest].gap()) {
			nearest = i
		}
	}
	j.Score, j.Threshold = j.Kinds[nearest].Score, j.Kinds[nearest].Threshold
	j.Verdict, j.Reason = s.Verdict(), s.Failed
	j.Message = s.words(j, kinds, nearest)
	return j
}

// words are the verdict in a sentence.
func (s *Statistic) words(j Judgement, kinds []kind, nearest int) string {
	allowed := points(s.Config.allowed())
	switch e := &s.Failures; {
	case j.Verdict == NoData && s.Config.Limits.Failures.WarmUp > 0 && len(s.Started) > 0:
		return fmt.Sprintf("the candidate's Pods are warming up: in their first %d seconds only a collapse counts", s.Config.Limits.Failures.WarmUp)
	case j.Verdict == NoData:
		return "no request to the candidate has ended yet"
	case j.Verdict == Fail && s.Collapsed():
		return fmt.Sprintf("while it warmed up %s: %.1f nats of evidence that it is worse than Pods that start, and %.1f were needed", kinds[nearest].counts(), j.Score, j.Threshold)
	case j.Verdict == Fail:
		return fmt.Sprintf("%s: %.1f nats of evidence that it is worse, and %.1f were needed", kinds[nearest].counts(), j.Score, j.Threshold)
	case j.Verdict == Pass:
		return fmt.Sprintf("%s: %.1f nats of evidence that the increase is below %s, and %.1f were needed", counts(kinds), j.NoWorse, allowed, j.NoWorseThreshold)
	case e.First == 0 || e.Stable.Requests == 0 && e.Before == nil:
		return counts(kinds)
	default:
		return fmt.Sprintf("%s: %.1f of the %.1f nats of evidence needed that it is worse, %.1f of %.1f that the increase is below %s",
			counts(kinds), max(0, j.Score), j.Threshold, max(0, j.NoWorse), j.NoWorseThreshold, allowed)
	}
}

// gap is what is still needed for a Fail, in nats.
func (j KindJudgement) gap() float64 { return j.Threshold - j.Score }

func (k *kind) judgement(last int64) KindJudgement {
	e := k.evidence
	stable, candidate := e.totals()
	j := KindJudgement{
		Kind: k.name, Rule: k.rule.name, FalseRollbackRate: k.rule.alpha, Margin: max(k.rule.margin, k.rule.doubt),
		StableRequests: stable.Requests, StableBad: stable.Bad, CandidateRequests: candidate.Requests, CandidateBad: candidate.Bad,
	}
	j.Score, j.Threshold = e.score(e.elapsed(last), k.rule)
	if e.Warming.collapsed() {
		j.Score, j.Threshold = e.Warming.score(), collapseNats
	}
	return j
}

// totals are what the verdict stands on.
func (e *Evidence) totals() (stable, candidate Tally) {
	stable, candidate = e.Stable, e.Candidate
	if e.Warming.collapsed() {
		stable, candidate = e.Warming.Stable, e.Warming.Candidate
	}
	if e.Before != nil {
		stable = *e.Before
	}
	return stable, candidate
}

// counts are the totals of all kinds in words.
func counts(kinds []kind) string {
	var all []string
	for _, k := range kinds {
		if k.evidence.First != 0 {
			all = append(all, k.counts())
		}
	}
	return strings.Join(all, ", ")
}

// counts are the totals of a kind in words.
func (k *kind) counts() string {
	what := map[string]string{ErrorRate: "answers failed", Latency: "answers were slow", Disagreement: "mirrored answers disagreed"}[k.name]
	of := func(t Tally) string { return fmt.Sprintf("%d of %d", t.Bad, t.Requests) }
	rate := func(t Tally) string { return percent(float64(t.Bad) / float64(t.Requests)) }
	stable, candidate := k.evidence.totals()
	words := of(candidate) + " " + what
	switch {
	case k.name == Disagreement:
		return fmt.Sprintf("%s (%s, and %s is allowed)", words, rate(candidate), percent(k.allowed))
	case k.evidence.Before != nil && stable.Requests > 0:
		return fmt.Sprintf("%s against %s of stable in the quarter of an hour before (%s against %s)", words, of(stable), rate(candidate), rate(stable))
	case stable.Requests > 0:
		return fmt.Sprintf("%s against %s of stable (%s against %s)", words, of(stable), rate(candidate), rate(stable))
	default:
		return fmt.Sprintf("%s (%s), and stable had none to compare with", words, rate(candidate))
	}
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

func points(share float64) string { return fmt.Sprintf("%.3g percentage points", 100*share) }
