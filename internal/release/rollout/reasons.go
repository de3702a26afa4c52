package rollout

// Reasons of a Progress and a Transition, beside those that a Judgement and a stuck Version bring along. They are those of
// api/v1, where each is explained; a test of package operator holds the two equal.
const (
	ReasonFirstVersion        = "FirstVersion"
	ReasonResolving           = "Resolving"
	ReasonStarting            = "Starting"
	ReasonEvaluating          = "Evaluating"
	ReasonEvaluationFailed    = "EvaluationFailed"
	ReasonEvaluationError     = "EvaluationError"
	ReasonStepHolding         = "StepHolding"
	ReasonScalingUp           = "ScalingUp"
	ReasonRouterLagging       = "RouterLagging"
	ReasonAwaitingPromotion   = "AwaitingPromotion"
	ReasonAwaitingCriteria    = "AwaitingCriteria"
	ReasonInsufficientTraffic = "InsufficientTraffic"
	ReasonDraining            = "Draining"
	ReasonPromoted            = "Promoted"
	ReasonSuperseded          = "Superseded"
	ReasonProgressDeadline    = "ProgressDeadline"
	ReasonAborted             = "Aborted"
	ReasonRollbackDisabled    = "RollbackDisabled"
	ReasonPaused              = "Paused"
	ReasonRestored            = "Restored"
)
