package analysis

// Second is what the routers counted in one second, summed over routers: stable's and the candidate's totals.
type Second struct {
	// Unix second.
	Unix int64
	// Stable and Candidate are the totals; a side with no request says nothing.
	Stable, Candidate Counts
}

// Counts of requests that ended.
type Counts struct {
	Requests, Failures, Slow int64
}

// possible returns the counts, or none if they cannot be: more failures than requests say nothing that can be relied on.
func (c Counts) possible() Counts {
	if c.Failures < 0 || c.Failures > c.Requests {
		return Counts{}
	}
	return c
}

func (c Counts) plus(d Counts) Counts {
	return Counts{Requests: c.Requests + d.Requests, Failures: c.Failures + d.Failures, Slow: c.Slow + d.Slow}
}

// Verdict is what the evidence so far says.
type Verdict string

// The verdicts.
const (
	// Pass: the increase in failures is below what is allowed.
	Pass Verdict = "Pass"
	// Fail: the candidate is worse.
	Fail Verdict = "Fail"
	// Inconclusive: neither is shown yet.
	Inconclusive Verdict = "Inconclusive"
	// NoData: nothing to judge by.
	NoData Verdict = "NoData"
)
