package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ModelVersion says how one version of an AIModel is released, and tells how it went.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=modelversions,shortName=mv
// +kubebuilder:printcolumn:name="Model",type=string,JSONPath=`.spec.modelRef`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Weight",type=integer,JSONPath=`.status.weight`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ModelVersion struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ModelVersionSpec   `json:"spec"`
	Status ModelVersionStatus `json:"status,omitempty"`
}

// ModelVersionList is a list of ModelVersions.
//
// +kubebuilder:object:root=true
type ModelVersionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ModelVersion `json:"items"`
}

// ModelVersionSpec is how a version is released. Edits in mid-release apply from the next decision; a weight that was given stays for its step, and the strategy of the first weight for the release.
type ModelVersionSpec struct {
	// ModelRef names the AIModel, in the same namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ModelRef string `json:"modelRef"`

	// Version of that AIModel.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version"`

	// Description for people.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Description string `json:"description,omitempty"`

	// Changelog for people, an entry a change.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=1024
	Changelog []string `json:"changelog,omitempty"`

	// RollbackEnabled returns the traffic to stable when the evidence says so. False holds at the weight and reports.
	// +kubebuilder:default=true
	RollbackEnabled *bool `json:"rollbackEnabled,omitempty"`

	// AutoPromotion governs the last step of a canary.
	// +optional
	// +kubebuilder:default={}
	AutoPromotion AutoPromotion `json:"autoPromotion,omitempty"`

	// CanaryDeployment makes the release a canary.
	// +optional
	// +kubebuilder:default={}
	CanaryDeployment CanaryDeployment `json:"canaryDeployment,omitempty"`

	// BlueGreen tunes a blue-green release.
	// +optional
	// +kubebuilder:default={}
	BlueGreen BlueGreen `json:"blueGreen,omitempty"`

	// Analysis says how the version is judged while it has traffic.
	// +optional
	// +kubebuilder:default={}
	Analysis Analysis `json:"analysis,omitempty"`

	// Action is what a person asks of one attempt to release the version.
	// +optional
	Action *Action `json:"action,omitempty"`
}

// Analysis is what a judgement may be wrong about, and what it looks for. In mid-release falseRollbackRate and
// maxErrorRateIncrease stay as they were at the first weight; an edit of the others applies from the next step, unless
// that has all of the traffic.
type Analysis struct {
	// FalseRollbackRate is α: the chance of ever returning a version that is no worse than stable is to stay below it.
	// +kubebuilder:default=0.01
	// +kubebuilder:validation:XValidation:rule="self >= 0.0001 && self <= 0.2",message="analysis.falseRollbackRate: write a chance from 0.0001 to 0.2, such as 0.01"
	FalseRollbackRate float64 `json:"falseRollbackRate,omitempty"`
	// MaxErrorRateIncrease is the increase in the share of failed requests that a Pass excludes.
	// +kubebuilder:default=0.005
	// +kubebuilder:validation:XValidation:rule="self >= 0.0001 && self <= 0.5",message="analysis.maxErrorRateIncrease: write a share from 0.0001 to 0.5, such as 0.005"
	MaxErrorRateIncrease float64 `json:"maxErrorRateIncrease,omitempty"`
	// LatencyQuantile of stable's answer times, at the start of a step, is what slow is measured by.
	// +kubebuilder:default=0.95
	// +kubebuilder:validation:XValidation:rule="self >= 0.5 && self <= 0.999",message="analysis.latencyQuantile: write a quantile from 0.5 to 0.999, such as 0.95"
	LatencyQuantile float64 `json:"latencyQuantile,omitempty"`
	// MaxLatencyIncrease is by how much an answer may exceed that time before it counts as slow: 0.2 is a fifth.
	// +kubebuilder:default=0.2
	// +kubebuilder:validation:XValidation:rule="self >= 0.01 && self <= 10.0",message="analysis.maxLatencyIncrease: write a share from 0.01 to 10, such as 0.2"
	MaxLatencyIncrease float64 `json:"maxLatencyIncrease,omitempty"`
}

// ActionType is what a person can ask for.
// +kubebuilder:validation:Enum=Promote;Abort;Retry
type ActionType string

// The actions.
const (
	// ActionPromote gives the version all of the traffic as soon as its evaluation passed and its Pods are ready.
	ActionPromote ActionType = "Promote"
	// ActionAbort returns all traffic to stable.
	ActionAbort ActionType = "Abort"
	// ActionRetry releases a version once more that was refused or returned.
	ActionRetry ActionType = "Retry"
)

// Action acts once, on the attempt that it names: a file that is applied again does nothing.
type Action struct {
	Type ActionType `json:"type"`
	// Attempt is status.attempt of this ModelVersion when the action was asked for.
	// +kubebuilder:validation:Minimum=0
	Attempt int32 `json:"attempt"`
}

// AutoPromotion gives a canary all of the traffic without a person, once every criterion holds at one instant.
type AutoPromotion struct {
	// +kubebuilder:default=false
	Enabled bool `json:"enabled,omitempty"`
	// +optional
	Criteria PromotionCriteria `json:"criteria,omitempty"`
}

// PromotionCriteria are what must hold; those absent are not asked for.
type PromotionCriteria struct {
	// MinAccuracy is the least accuracy in the version's evaluation.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	MinAccuracy *float64 `json:"minAccuracy,omitempty"`
	// MinUptime is the least time since the version's first weight without interruption.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')",message="minUptime: write a duration such as 24h or 90m, at most 8760h"
	MinUptime *metav1.Duration `json:"minUptime,omitempty"`
	// MaxErrorRate is the greatest share of failed requests since the version's first weight.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	MaxErrorRate *float64 `json:"maxErrorRate,omitempty"`
}

// CanaryDeployment is a canary's share and time.
type CanaryDeployment struct {
	// +kubebuilder:default=false
	Enabled bool `json:"enabled,omitempty"`
	// TrafficPercentage is the canary's share of the requests.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	TrafficPercentage int32 `json:"trafficPercentage,omitempty"`
	// Duration is how long the canary holds that share.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')",message="duration: write a duration such as 2h or 90m, at most 8760h"
	Duration metav1.Duration `json:"duration,omitempty"`
	// Steps replace trafficPercentage and duration by several shares in rising order.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.map(s, s.weight).isSorted()",message="steps: write weights in rising order, such as 5, 20, 50"
	// +listType=atomic
	Steps []CanaryStep `json:"steps,omitempty"`
	// ShadowPercentage of stable's requests are also asked of the canary while it has a share: the answers are compared and
	// never returned.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	ShadowPercentage int32 `json:"shadowPercentage,omitempty"`
}

// CanaryStep is a share held for a time.
type CanaryStep struct {
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')",message="duration: write a duration such as 10m, at most 8760h"
	Duration metav1.Duration `json:"duration"`
}

// BlueGreen tunes a blue-green release.
type BlueGreen struct {
	// ScaleDownDelay keeps the old version warm after the switch.
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')",message="scaleDownDelay: write a duration such as 10m, at most 8760h"
	ScaleDownDelay metav1.Duration `json:"scaleDownDelay,omitempty"`
}

// VersionPhase is where a version is on its way.
// +kubebuilder:validation:Enum=Draft;Testing;Canary;Production;Deprecated;Rollback
type VersionPhase string

// The phases of a ModelVersion.
const (
	// VersionDraft is not wanted and was never served.
	VersionDraft VersionPhase = "Draft"
	// VersionTesting is being evaluated, or at weight 0.
	VersionTesting VersionPhase = "Testing"
	// VersionCanary has a part of the traffic.
	VersionCanary VersionPhase = "Canary"
	// VersionProduction is the stable version.
	VersionProduction VersionPhase = "Production"
	// VersionDeprecated was stable and is superseded.
	VersionDeprecated VersionPhase = "Deprecated"
	// VersionRollback was refused, or its traffic was returned.
	VersionRollback VersionPhase = "Rollback"
)

// ModelVersionStatus is how the release went so far.
type ModelVersionStatus struct {
	// +optional
	Phase VersionPhase `json:"phase,omitempty"`
	// PromotionHistory is every change of phase, oldest first, the last 50.
	// +optional
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	PromotionHistory []Transition `json:"promotionHistory,omitempty"`
	// +optional
	Metrics *VersionMetrics `json:"metrics,omitempty"`
	// Attempt counts the releases of this version that were begun.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// StepIndex is the step of the plan, from 0.
	// +optional
	StepIndex int32 `json:"stepIndex,omitempty"`
	// Weight in percent, as wanted.
	// +optional
	Weight int32 `json:"weight"`
	// Evidence is what the judgement stands on.
	// +optional
	Evidence *Evidence `json:"evidence,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// Transition is one change of phase.
type Transition struct {
	// +optional
	FromPhase VersionPhase `json:"fromPhase,omitempty"`
	ToPhase   VersionPhase `json:"toPhase"`
	Timestamp metav1.Time  `json:"timestamp"`
	// Reason is the condition's reason and, after a colon, its message.
	Reason string `json:"reason"`
}

// VersionMetrics are what was measured of a version.
type VersionMetrics struct {
	// Accuracy in the evaluation.
	// +optional
	Accuracy *float64 `json:"accuracy,omitempty"`
	// Latency is the mean of the last minute's answers, in milliseconds.
	// +optional
	Latency *float64 `json:"latency,omitempty"`
	// Throughput of the last minute, in requests per second.
	// +optional
	Throughput *float64 `json:"throughput,omitempty"`
	// ErrorRate is the share of failed requests since the first weight.
	// +optional
	ErrorRate *float64 `json:"errorRate,omitempty"`
	// Uptime since the first weight without interruption.
	// +optional
	Uptime *metav1.Duration `json:"uptime,omitempty"`
}

// Evidence is what a judgement stands on. The statistic with the seconds added gives the same verdict: anyone can do the sum.
type Evidence struct {
	// Verdict is Pass, Fail, Inconclusive or NoData.
	Verdict string `json:"verdict"`
	// Reason is the kind that failed when the verdict is Fail: ErrorRate, Latency or Disagreement.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message is the verdict in a sentence.
	Message string `json:"message"`
	// Rule names the decision rule: replay, young or historical.
	Rule string `json:"rule"`
	// FalseRollbackRate is α, the bound on the chance of rolling back a version that is no worse.
	FalseRollbackRate float64 `json:"falseRollbackRate"`
	// Score and Threshold are in nats, of the kind that is nearest to a Fail; at or above the threshold the candidate is returned.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
	// NoWorse and NoWorseThreshold are in nats; at or above the threshold the candidate passes.
	NoWorse          float64 `json:"noWorse"`
	NoWorseThreshold float64 `json:"noWorseThreshold"`
	// Kinds that are judged, failures first.
	// +optional
	// +listType=atomic
	Kinds []KindEvidence `json:"kinds,omitempty"`
	// Requests and failures since the candidate's first weight.
	StableRequests    int64 `json:"stableRequests"`
	StableFailures    int64 `json:"stableFailures"`
	CandidateRequests int64 `json:"candidateRequests"`
	CandidateFailures int64 `json:"candidateFailures"`
	// Mirrored requests were answered by both, and Disagreed of them differently.
	// +optional
	Mirrored int64 `json:"mirrored,omitempty"`
	// +optional
	Disagreed int64 `json:"disagreed,omitempty"`
	// FirstFailure is the second of the candidate's first failed answer.
	// +optional
	FirstFailure *metav1.Time `json:"firstFailure,omitempty"`
	// SlowAfter is the time beyond which an answer counts as slow, fixed at the start of the step.
	// +optional
	SlowAfter *metav1.Duration `json:"slowAfter,omitempty"`
	// Attempt that was judged.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// StableVersion was compared with.
	// +optional
	StableVersion string `json:"stableVersion,omitempty"`
	// +optional
	StableDigest string `json:"stableDigest,omitempty"`
	// +optional
	CandidateDigest string `json:"candidateDigest,omitempty"`
	// Statistic is all that was known before the first of the seconds, with the parameters, as `suoke rollout replay` reads it.
	// The seconds have left out already what Pods answered in their warm-up, so it knows of none.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Statistic *runtime.RawExtension `json:"statistic,omitempty"`
	// Seconds are the last 120 that were judged.
	// +optional
	// +kubebuilder:validation:MaxItems=121
	// +listType=atomic
	Seconds []EvidenceSecond `json:"seconds,omitempty"`
}

// KindEvidence is what one kind shows: failures, slow answers, or answers that disagree.
type KindEvidence struct {
	// Kind is ErrorRate, Latency or Disagreement.
	Kind string `json:"kind"`
	// Rule that it is judged by.
	Rule string `json:"rule"`
	// FalseRollbackRate is the kind's share of α.
	FalseRollbackRate float64 `json:"falseRollbackRate"`
	// Margin is how many times as often as stable the candidate may be bad for having other Pods; 1 is no margin.
	Margin float64 `json:"margin"`
	// Requests that were counted since the candidate's first, and those that were bad. Where stable has no traffic any more,
	// its own are those of the quarter of an hour before.
	// +optional
	StableRequests int64 `json:"stableRequests,omitempty"`
	// +optional
	StableBad         int64 `json:"stableBad,omitempty"`
	CandidateRequests int64 `json:"candidateRequests"`
	CandidateBad      int64 `json:"candidateBad"`
	// Score and Threshold in nats.
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
}

// EvidenceSecond is what ended in one second.
type EvidenceSecond struct {
	// Second is in Unix time.
	Second int64 `json:"second"`
	// Stable counts requests, failures, slow ones, mirrored ones and those that disagreed, in this order, up to the last that
	// is not 0.
	// +optional
	// +kubebuilder:validation:MaxItems=5
	// +listType=atomic
	Stable []int64 `json:"stable,omitempty"`
	// Candidate counts the same, less what Pods answered in their warm-up, and then the requests that count for failures
	// but not for slow ones, as their Pod was warming up.
	// +optional
	// +kubebuilder:validation:MaxItems=6
	// +listType=atomic
	Candidate []int64 `json:"candidate,omitempty"`
}
