package analysis

// Limits are what stable's history has taught: they are fixed at the start of a release, and with them a verdict can be
// recomputed from the seconds.
type Limits struct {
	// PodHours of history that they were learned from.
	PodHours float64 `json:"podHours,omitzero"`
	// Failures and Slow are the limits of each kind.
	Failures Limit `json:"failures,omitzero"`
	Slow     Limit `json:"slow,omitzero"`
}

// warmUp is the longest of any kind.
func (l Limits) warmUp() int64 { return max(l.Failures.WarmUp, l.Slow.WarmUp) }

// Limit is what was learned of one kind.
type Limit struct {
	// WarmUp is how many seconds after its first request a Pod may be bad more often than it will; in them only a collapse
	// counts. That of slow requests is at least that of failures: how long a failure takes says nothing.
	WarmUp int64 `json:"warmUp,omitzero"`
	// Margin is how many times as often as stable a Pod may fail for being another Pod; 0 is that it is not known.
	Margin float64 `json:"margin,omitzero"`
	// Thresholds in nats by phase and score; none is that there was too little to replay.
	Thresholds Thresholds `json:"thresholds,omitzero"`
	// StartExcess is how much larger the share of bad requests was in the worst five seconds of a recorded start.
	StartExcess float64 `json:"startExcess,omitzero"`
	// StartsKnown says that enough starts were recorded, alike enough, for nothing to be allowed for that they did not show. It is
	// not said of slow requests: what is slow is not known while the first version starts.
	StartsKnown bool `json:"startsKnown,omitzero"`
}

// Thresholds are what it takes to return a candidate, in nats, by phase of the release and score; 0 is that the score does
// not count in the phase.
type Thresholds [phases][scores]float64

// Step is a part of a release to come: how many Pods the candidate has, and its share of the requests, in (0, 1).
type Step struct {
	Pods  int
	Share float64
}
