package v1

// Condition types. Each comment states the polarity and when the condition is present.
const (
	// ConditionAccepted is True when the object can be acted upon, False when a field or another object forbids it.
	// Always present once the object was seen; the message of False says what to write.
	ConditionAccepted = "Accepted"

	// ConditionValidated is True when the wanted version passed its evaluation for exactly its digests, False when it
	// failed, was switched off (ReasonDisabled) or could not run. Unknown while it is running.
	ConditionValidated = "Validated"

	// ConditionReady is True when a version serves all of the traffic it was given. Always present after the first reconcile.
	ConditionReady = "Ready"

	// ConditionProgressing is True while a release is under way, False when none is. Its reason names the step or what holds it.
	ConditionProgressing = "Progressing"

	// ConditionDegraded is True when the wanted version was refused or returned, or what spec asks for cannot be had, while a
	// version still serves.
	// Absent or False otherwise.
	ConditionDegraded = "Degraded"

	// ConditionConnected is True on a ModelRegistry whose endpoint answered the last sync.
	ConditionConnected = "Connected"
)

// Reasons. The same word stands in the condition, the event and the promotion history.
const (
	// ReasonAccepted says that every field can be honoured.
	ReasonAccepted = "Accepted"
	// ReasonInvalid says that a field, or two together, cannot be honoured; the message says what to write.
	ReasonInvalid = "Invalid"
	// ReasonUnknownAgent says that no profile knows spec.agentType; the message lists those known.
	ReasonUnknownAgent = "UnknownAgent"
	// ReasonUnknownRuntime says that no runtime serves the framework and model type.
	ReasonUnknownRuntime = "UnknownRuntime"
	// ReasonSourceNotSupported says that no importer reads spec.repository.url; the message lists those there are.
	ReasonSourceNotSupported = "SourceNotSupported"
	// ReasonDuplicate says that an older ModelVersion describes the same version of the same model.
	ReasonDuplicate = "Duplicate"
	// ReasonModelNotFound says that spec.modelRef names no AIModel.
	ReasonModelNotFound = "ModelNotFound"
	// ReasonSecretNotFound says that a Secret named by the object, or by its ModelRegistry, does not exist, lacks a key, or is
	// none that may be shown to a registry.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretUnreadable says that the API server did not let the operator read such a Secret; the message says why.
	ReasonSecretUnreadable = "SecretUnreadable"

	// ReasonConnected says that the endpoint of a ModelRegistry answers.
	ReasonConnected = "Connected"

	// ReasonResolving says that the reference of the artifact is being turned into a digest.
	ReasonResolving = "Resolving"
	// ReasonArtifactNotFound says that the registry does not hold the artifact.
	ReasonArtifactNotFound = "ArtifactNotFound"
	// ReasonRegistryUnreachable says that the registry did not answer; it is asked again.
	ReasonRegistryUnreachable = "RegistryUnreachable"
	// ReasonDigestMismatch says that the artifact is not the one that spec.repository.digest names.
	ReasonDigestMismatch = "DigestMismatch"
	// ReasonArtifactInvalid says that the artifact was found and cannot be served: truncated, or not a model.
	ReasonArtifactInvalid = "ArtifactInvalid"

	// ReasonTagMoved is an event's: the tag that a version was resolved from names another artifact now. It is not deployed.
	ReasonTagMoved = "TagMoved"

	// ReasonRevisionMissing says that the ControllerRevision and the Deployment of a version that serves were deleted: nothing tells how to make it again.
	ReasonRevisionMissing = "RevisionMissing"

	// ReasonFirstVersion says that there is no version to compare with: evaluated, brought to full capacity, given all traffic.
	ReasonFirstVersion = "FirstVersion"
	// ReasonStarting says that Pods of the candidate are coming up at weight 0.
	ReasonStarting = "Starting"
	// ReasonUnschedulable says that the scheduler finds no node for a Pod of the candidate.
	ReasonUnschedulable = "Unschedulable"
	// ReasonPodFailing says that a Pod of the candidate cannot fetch or serve the model, with the last line of its log.
	ReasonPodFailing = "PodFailing"
	// ReasonServing says that a version has all of its traffic and Pods that answer it.
	ReasonServing = "Serving"
	// ReasonNotServing says that no version does.
	ReasonNotServing = "NotServing"
	// ReasonEvaluating says that the evaluation Job runs against the candidate at weight 0.
	ReasonEvaluating = "Evaluating"
	// ReasonEvaluationPassed says that every threshold was met.
	ReasonEvaluationPassed = "EvaluationPassed"
	// ReasonEvaluationFailed says by how much which threshold was missed. No traffic was given.
	ReasonEvaluationFailed = "EvaluationFailed"
	// ReasonEvaluationError says that the evaluation could not be carried out: no data set, no such column, no answer.
	ReasonEvaluationError = "EvaluationError"
	// ReasonDisabled says that spec.validation.enabled is false, so nothing was evaluated; on a ModelRegistry that
	// spec.syncPolicy.enabled is false, so nothing was asked.
	ReasonDisabled = "Disabled"

	// ReasonStepHolding says that the release is at a weight and waits for the step's time and evidence.
	ReasonStepHolding = "StepHolding"
	// ReasonScalingUp says that the next weight waits for ready capacity.
	ReasonScalingUp = "ScalingUp"
	// ReasonRouterLagging says that a ready router did not confirm the wanted split within 10 seconds.
	ReasonRouterLagging = "RouterLagging"
	// ReasonAwaitingPromotion says that the canary has done its time and a person must promote it, as autoPromotion is off.
	ReasonAwaitingPromotion = "AwaitingPromotion"
	// ReasonAwaitingCriteria says which criterion of autoPromotion does not hold yet.
	ReasonAwaitingCriteria = "AwaitingCriteria"
	// ReasonInsufficientTraffic says that too few requests came to judge by.
	ReasonInsufficientTraffic = "InsufficientTraffic"
	// ReasonDraining says that the superseded version finishes its requests in flight.
	ReasonDraining = "Draining"
	// ReasonPromoted says that the version has all of the traffic.
	ReasonPromoted = "Promoted"
	// ReasonSuperseded says that another version became stable, or that a newer version is wanted.
	ReasonSuperseded = "Superseded"

	// ReasonRestored says that the version serves again, as the one after it was returned within the rollback window.
	ReasonRestored = "Restored"

	// ReasonErrorRate says that the candidate failed significantly more requests than stable; traffic was returned.
	ReasonErrorRate = "ErrorRate"
	// ReasonLatency says that the candidate was significantly slower than stable; traffic was returned.
	ReasonLatency = "Latency"
	// ReasonProgressDeadline says that the candidate did not become ready in time.
	ReasonProgressDeadline = "ProgressDeadline"
	// ReasonAborted says that the release was ended by a person: by action Abort, or by a change of the wanted version.
	ReasonAborted = "Aborted"
	// ReasonDisagreement says that the candidate's answers differ from stable's more often than its evaluation explains.
	ReasonDisagreement = "Disagreement"
	// ReasonRecordLost says that the record of a release could not be put into the registry.
	ReasonRecordLost = "RecordLost"
	// ReasonPaused says that spec.paused holds the release at its weight, or keeps it from beginning.
	ReasonPaused = "Paused"
	// ReasonRollbackDisabled says that the evidence calls for a rollback and spec.rollbackEnabled is false: it holds.
	ReasonRollbackDisabled = "RollbackDisabled"
)
