package rollout

import (
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// ID names one frozen version: the name of its Deployment, Service and ControllerRevision.
type ID string

// Strategy is how a version gets to all of the traffic.
type Strategy string

// The strategies; FirstVersion is what every strategy becomes when nothing is stable yet.
const (
	RollingUpdate Strategy = "RollingUpdate"
	BlueGreen     Strategy = "BlueGreen"
	Canary        Strategy = "Canary"
	FirstVersion  Strategy = "FirstVersion"
)

// Policy is what the AIModel and the ModelVersion say about the candidate's release. It may change in mid-release and
// then applies from the next decision.
type Policy struct {
	// Model is the name that sentences about what to type give.
	Model    string
	Strategy Strategy
	// Replicas of a version that has all of the traffic; where an autoscaler has the say, the least.
	Replicas int
	// MaxReplicas that an autoscaler may give a version; 0 means that there is none.
	MaxReplicas int
	// Steps of a canary before the last one, which is 100.
	Steps []Step
	// Shadow is the share of stable's requests, in percent, that a canary is also asked while it has a weight.
	Shadow int
	// ScaleDownDelay keeps the old version warm after a canary or a switch, so that going back to it is one write. A
	// rolling update has given its capacity away.
	ScaleDownDelay time.Duration
	// ProgressDeadline bounds the time from the start of the release until the candidate's evaluation runs, and the time from
	// the end of that until its Pods can take the first weight. An evaluation that runs is bounded by itself.
	ProgressDeadline time.Duration
	// RollbackEnabled returns traffic on a Fail verdict.
	RollbackEnabled bool
	// AutoPromotion completes a canary without a person once every criterion holds at one instant.
	AutoPromotion bool
	// MinAccuracy, MaxErrorRate: nil is not asked for. MinUptime extends the canary's hold.
	MinAccuracy  *float64
	MaxErrorRate *float64
	MinUptime    time.Duration
	// Paused begins no release and raises no candidate's weight. Judgement, rollback and what a person ends go on.
	Paused bool
	// Action that a person asks for.
	Action Action
}

// ActionType is what a person can ask for; the words are those of ModelVersion.spec.action.type.
type ActionType string

// The actions.
const (
	// Promote gives the candidate all of the traffic without waiting for holds and criteria; what else guards a weight does,
	// and a pause too. It is remembered: to take it back is to Abort.
	Promote ActionType = "Promote"
	// Abort ends the release and returns everything, also within the rollback window after it. It is held against the version.
	Abort ActionType = "Abort"
	// Retry begins a refused version once more.
	Retry ActionType = "Retry"
)

// Action acts once: on the attempt at the version that it names.
type Action struct {
	Type    ActionType
	Version string
	Attempt int
}

// Step is a weight in percent and how long it is held.
type Step struct {
	Weight int
	Hold   time.Duration
}

// State is the engine's whole memory. It is stored with the route in one object, so that a transition is one write; every
// status is a projection of it.
type State struct {
	// Revision of the route; Decide adds one when the split changes. SplitAt is when it did, ConfirmedAt when every ready
	// router had confirmed it, zero until then.
	Revision    int64     `json:"revision"`
	SplitAt     time.Time `json:"splitAt,omitzero"`
	ConfirmedAt time.Time `json:"confirmedAt,omitzero"`
	// Stable is the version that serves and takes everything back; empty before the first.
	Stable ID `json:"stable,omitempty"`
	// Release under way, if any.
	Release *Release `json:"release,omitempty"`
	// Watch is the rollback window after the last one, if it lasts.
	Watch *Watch `json:"watch,omitempty"`
	// Weights in percent by version: none, or summing to 100.
	Weights map[ID]int `json:"weights,omitempty"`
	// Retiring versions lost their last weight.
	Retiring map[ID]Retiree `json:"retiring,omitempty"`
	// Refused versions are not tried again until what is wanted changes.
	Refused map[ID]Refusal `json:"refused,omitempty"`
	// Size is the most Pods that all of the traffic needed since the release began, up to the end of its rollback window. It
	// is kept where an autoscaler has the say.
	Size int `json:"size,omitempty"`
	// Attempts counts the releases begun, by version as people write it.
	Attempts map[string]int `json:"attempts,omitempty"`
	// History of phases, oldest first: the latest, and the last one of versions before.
	History []Transition `json:"history,omitempty"`
}

// Retiree is a version that lost its last weight: kept as large as it was until the time given, then until drained.
type Retiree struct {
	Until    time.Time `json:"until"`
	Replicas int       `json:"replicas"`
}

// Release is one attempt to bring a candidate to all of the traffic.
type Release struct {
	Candidate ID     `json:"candidate"`
	Version   string `json:"version"`
	// Attempt is how many releases of this version were begun, this one included.
	Attempt   int       `json:"attempt"`
	StartedAt time.Time `json:"startedAt"`
	// Strategy that the release goes by since its first weight; empty before, when the policy's still applies.
	Strategy Strategy `json:"strategy,omitempty"`
	// Step is the index into the plan of the step that is being brought about or held.
	Step int `json:"step"`
	// StepStartedAt is when the routers were given the step's weight, zero until then; RequestsBefore are the candidate's
	// requests up to then.
	StepStartedAt  time.Time `json:"stepStartedAt,omitzero"`
	RequestsBefore int64     `json:"requestsBefore,omitempty"`
	// Evaluating says that the candidate's evaluation was seen to run; EvaluatedAt is when it last ceased to, before any weight.
	Evaluating  bool      `json:"evaluating,omitempty"`
	EvaluatedAt time.Time `json:"evaluatedAt,omitzero"`
	// FirstWeightAt is when the candidate first had a weight; UpSince since when it has had one and a ready Pod without
	// interruption, zero while it has not.
	FirstWeightAt time.Time `json:"firstWeightAt,omitzero"`
	UpSince       time.Time `json:"upSince,omitzero"`
	// Returning is why the traffic goes back to stable, if it does and does not have all of it yet.
	Returning *Refusal `json:"returning,omitempty"`
	// Hastened says that a person asked for its promotion.
	Hastened bool `json:"hastened,omitempty"`
	// Anew says that only an evaluation of this attempt counts: the one before is what a Retry was asked for.
	Anew bool `json:"anew,omitempty"`
	// Shadow is the share of stable's requests that the candidate is also asked, in percent, since the step's weight.
	Shadow int `json:"shadow,omitempty"`
	// PromotedAt is when the candidate had been promoted, if it is taken back after that.
	PromotedAt time.Time `json:"promotedAt,omitzero"`
}

// Watch is the time after a promotion in which the version before can still take everything back: the new stable version
// goes on being judged, against what the one before did. It ends early when a release begins.
type Watch struct {
	// Candidate was promoted, Previous was stable before.
	Candidate ID     `json:"candidate"`
	Previous  ID     `json:"previous"`
	Version   string `json:"version"`
	Attempt   int    `json:"attempt"`
	// Strategy of the release, with its FirstWeightAt and UpSince.
	Strategy      Strategy  `json:"strategy"`
	FirstWeightAt time.Time `json:"firstWeightAt"`
	UpSince       time.Time `json:"upSince,omitzero"`
	// Since the promotion, Until the end of the window.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// Refusal is why a version was refused or returned.
type Refusal struct {
	Version string    `json:"version"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	At      time.Time `json:"at"`
}

// Phase of a version; the words are those of ModelVersion.status.phase.
type Phase string

// The phases.
const (
	Draft      Phase = "Draft"
	Testing    Phase = "Testing"
	InCanary   Phase = "Canary"
	Production Phase = "Production"
	Deprecated Phase = "Deprecated"
	Rollback   Phase = "Rollback"
)

// Transition is a change of a version's phase.
type Transition struct {
	ID      ID        `json:"id"`
	Version string    `json:"version"`
	From    Phase     `json:"from,omitempty"`
	To      Phase     `json:"to"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
}

// Observation is what was gathered for one decision.
type Observation struct {
	// Wanted is the frozen version that the spec asks for; its ID is empty while it is not accepted or not resolved.
	Wanted Wanted
	// Versions that exist, by ID.
	Versions map[ID]Version
	// Routers that exist. None means that there are none, not that they are not known yet.
	Routers []Router
	// Needed are the Pods that an autoscaler would give to all requests together, 0 where that is not known.
	Needed int
	// Judgement of the candidate since its first weight, also while it is watched after its promotion; the zero value before.
	Judgement Judgement
}

// Wanted is the version that the spec asks for.
type Wanted struct {
	ID      ID
	Version string
}

// Version is what was seen of one version's Pods.
type Version struct {
	Version string
	// Pods that it is to have, and those that are ready.
	Pods, Ready int
	// Evaluation of exactly this version.
	Evaluation Evaluation
	// StuckReason and StuckMessage are why Pods cannot come up (unschedulable, fetch failed), empty if none is stuck.
	StuckReason, StuckMessage string
}

// Outcome of an evaluation.
type Outcome string

// The outcomes of an evaluation. It is Running while somebody asks the version, and ends by itself; one that is asked for and
// has not begun is Pending.
const (
	EvaluationPending  Outcome = ""
	EvaluationRunning  Outcome = "Running"
	EvaluationPassed   Outcome = "Passed"
	EvaluationFailed   Outcome = "Failed"
	EvaluationError    Outcome = "Error"
	EvaluationDisabled Outcome = "Disabled"
)

// Evaluation is the gate before any traffic.
type Evaluation struct {
	Outcome  Outcome
	Message  string
	Accuracy *float64
	// Attempt of the release that asked for it, if it has an outcome.
	Attempt int
}

// Router is one router's confirmation.
type Router struct {
	Name  string
	Ready bool
	// Since is when it was first seen ready.
	Since           time.Time
	AppliedRevision int64
	InFlight        map[ID]int
}

// Judgement is the verdict with what the criteria need.
type Judgement struct {
	Verdict analysis.Verdict
	// Reason is ErrorRate, Latency or Disagreement when the verdict is Fail.
	Reason  string
	Message string
	// CandidateRequests and CandidateFailures since the first weight.
	CandidateRequests, CandidateFailures int64
}

// Decision is what to do now. Applying it twice is harmless.
type Decision struct {
	// State to store if it differs from the one given.
	State State
	// Replicas wanted by version, the least of them where an autoscaler has the say; a version that is absent may be deleted.
	Replicas map[ID]int
	// Size is how many Pods all of the traffic needs.
	Size int
	// Evaluate names the version whose evaluation should run now, if any.
	Evaluate ID
	// Progress is where the release is, with the reason that conditions and events carry.
	Progress Progress
	// After is when to decide again even if nothing changes.
	After time.Duration
}

// Progress is a release in one word and one sentence.
type Progress struct {
	// UnderWay is true while a release is.
	UnderWay bool
	Reason   string
	Message  string
}
