package analysis

import "fmt"

// ErrorRate is the reason of a Fail: the candidate fails more often than stable.
const ErrorRate = "ErrorRate"

// Young is the rule for releases with little history of stable's Pods.
const Young = "young"

// Judgement is the verdict with what it stands on.
type Judgement struct {
	Verdict Verdict `json:"verdict"`
	// Reason is ErrorRate when the verdict is Fail.
	Reason string `json:"reason,omitempty"`
	// Message is the verdict in a sentence.
	Message string `json:"message"`
	// Rule of the decision.
	Rule string `json:"rule"`
	// FalseRollbackRate is α, the bound on the chance of returning a candidate that is no worse.
	FalseRollbackRate float64 `json:"falseRollbackRate"`
	// Score and Threshold are in nats; at or above the threshold the candidate is returned.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
}

// Judgement says what the seconds so far show. A Fail stays; a Pass holds as long as the evidence does.
func (s Statistic) Judgement() Judgement {
	j := Judgement{Rule: Young, FalseRollbackRate: s.Config.alpha()}
	j.Score, j.Threshold = s.score()
	pass, needed, allowed := s.noWorse(), s.Config.passThreshold(), points(s.Config.allowed())
	switch {
	case s.First == 0:
		j.Verdict, j.Message = NoData, "no request to the candidate has ended yet"
	case s.Failed:
		j.Verdict, j.Reason = Fail, ErrorRate
		j.Message = fmt.Sprintf("%s: %.1f nats of evidence that it is worse, and %.1f were needed", s.counts(), j.Score, j.Threshold)
	case s.Stable.Requests == 0:
		j.Verdict, j.Message = Inconclusive, s.counts()
	case pass >= needed:
		j.Verdict = Pass
		j.Message = fmt.Sprintf("%s: %.1f nats of evidence that the increase is below %s, and %.1f were needed", s.counts(), pass, allowed, needed)
	default:
		j.Verdict = Inconclusive
		j.Message = fmt.Sprintf("%s: %.1f of the %.1f nats of evidence needed that it is worse, %.1f of %.1f that the increase is below %s",
			s.counts(), max(0, j.Score), j.Threshold, max(0, pass), needed, allowed)
	}
	return j
}

// counts are the totals in words.
func (s *Statistic) counts() string {
	of := func(c Counts) string { return fmt.Sprintf("%d of %d", c.Failures, c.Requests) }
	rate := func(c Counts) string { return percent(float64(c.Failures) / float64(c.Requests)) }
	if s.Stable.Requests == 0 {
		return of(s.Candidate) + " answers failed (" + rate(s.Candidate) + "), and stable had none to compare with"
	}
	return of(s.Candidate) + " answers failed against " + of(s.Stable) + " of stable (" + rate(s.Candidate) + " against " + rate(s.Stable) + ")"
}

func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

func points(share float64) string { return fmt.Sprintf("%.3g percentage points", 100*share) }
