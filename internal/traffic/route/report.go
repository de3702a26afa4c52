package route

// ReportPath is where a router serves its Report, as JSON, on its admin port. Query parameters: model (repeatable;
// none means all) and since (Unix second; only later seconds are returned).
const ReportPath = "/report"

// Report is what one router process applied and saw.
type Report struct {
	// Router is the Pod's name; Process changes when the process restarts, so that counters are never joined across it.
	Router  string `json:"router"`
	Process string `json:"process"`
	// Now is the router's clock, as a Unix second. Seconds before Now are complete.
	Now int64 `json:"now"`
	// Models by name.
	Models map[string]ModelReport `json:"models"`
}

// ModelReport is one model's part of a Report.
type ModelReport struct {
	// AppliedRevision is the Route that requests are split by.
	AppliedRevision int64 `json:"appliedRevision"`
	// InFlight requests by version ID.
	InFlight map[string]int `json:"inFlight,omitempty"`
	// Seconds are complete, in rising order, at most the last 120.
	Seconds []Second `json:"seconds,omitempty"`
}

// Second is what happened to the requests that ended within one second at one Pod of one version.
type Second struct {
	// Unix second.
	Unix int64 `json:"t"`
	// ID of the version, and name of its Pod.
	ID  string `json:"id"`
	Pod string `json:"pod"`
	// Requests that ended; of them Failures, and those Reasked of stable. A request that was asked again counts once
	// here as the candidate's failure and once as stable's request.
	Requests int64 `json:"n"`
	Failures int64 `json:"f,omitempty"`
	Reasked  int64 `json:"r,omitempty"`
	// RepeatRequests and RepeatFailures are those of the above that came from a session which had failed at this version
	// before, since the Route last named another candidate: one client that always fails says the same thing again.
	RepeatRequests int64 `json:"rn,omitempty"`
	RepeatFailures int64 `json:"rf,omitempty"`
	// Mirrored answers were compared with stable's, and Disagreed differed. They are not among the requests above.
	Mirrored  int64 `json:"m,omitempty"`
	Disagreed int64 `json:"d,omitempty"`
	// LatencySum of the answers, in microseconds.
	LatencySum int64 `json:"us,omitempty"`
	// Latencies counts the answers by time: see Bucket.
	Latencies map[int]int64 `json:"h,omitempty"`
}
