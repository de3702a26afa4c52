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
	// Requests that ended; of them Failures, Slow and Reasked of stable. A request that was asked again counts once
	// here as the candidate's failure and once as stable's request.
	Requests int64 `json:"n"`
	Failures int64 `json:"f,omitempty"`
	Slow     int64 `json:"s,omitempty"`
	Reasked  int64 `json:"r,omitempty"`
	// LatencySum of the answers, in microseconds.
	LatencySum int64 `json:"us,omitempty"`
}
