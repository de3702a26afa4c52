package analysis

// Second is what the routers counted in one second, Pod by Pod, summed over routers.
type Second struct {
	// Unix second.
	Unix int64       `json:"unix"`
	Pods []PodSecond `json:"pods,omitempty"`
}

// PodSecond is one Pod's part of a second.
type PodSecond struct {
	Pod string `json:"pod"`
	// Candidate says that the Pod is the candidate's; else it is stable's.
	Candidate bool `json:"candidate,omitempty"`
	Counts
}

// Counts of requests that ended. A client that sticks to a version and always fails there is one failure and not many: the
// caller leaves out what a session asks again of a version at which it has failed before.
type Counts struct {
	Requests int64 `json:"requests,omitempty"`
	Failures int64 `json:"failures,omitempty"`
	// Slow requests took longer than a time that was fixed before the second.
	Slow int64 `json:"slow,omitempty"`
	// Untimed of the requests say nothing of slowness, and none of them is slow: their Pod was warming up.
	Untimed int64 `json:"untimed,omitempty"`
	// Mirrored requests were answered by both versions, and Disagreed of them differently.
	Mirrored  int64 `json:"mirrored,omitempty"`
	Disagreed int64 `json:"disagreed,omitempty"`
}

// possible returns the counts, less those that cannot be: more failures than requests say nothing that can be relied on.
func (c Counts) possible() Counts {
	if c.Failures < 0 || c.Failures > c.Requests || c.Slow < 0 || c.Untimed < 0 || c.Slow > c.Requests-c.Untimed {
		c.Requests, c.Failures, c.Slow, c.Untimed = 0, 0, 0, 0
	}
	if c.Disagreed < 0 || c.Disagreed > c.Mirrored {
		c.Mirrored, c.Disagreed = 0, 0
	}
	return c
}

// Plus adds counts up.
func (c Counts) Plus(d Counts) Counts {
	return Counts{
		Requests: c.Requests + d.Requests, Failures: c.Failures + d.Failures, Slow: c.Slow + d.Slow, Untimed: c.Untimed + d.Untimed,
		Mirrored: c.Mirrored + d.Mirrored, Disagreed: c.Disagreed + d.Disagreed,
	}
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
