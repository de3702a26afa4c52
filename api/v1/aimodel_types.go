package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AIModel is the life of a model: which version is wanted, where it comes from, what it must prove and how it runs.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=aimodels,shortName=aim
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentType`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.modelType`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Serving",type=string,JSONPath=`.status.stableVersion`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 247",message="metadata.name: write a name of at most 247 characters"
type AIModel struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AIModelSpec   `json:"spec"`
	Status AIModelStatus `json:"status,omitempty"`
}

// AIModelList is a list of AIModels.
//
// +kubebuilder:object:root=true
type AIModelList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AIModel `json:"items"`
}

// AIModelSpec is what is wanted. A change of version starts a release.
type AIModelSpec struct {
	// ModelName is the model's own name, as its makers call it. A repository.url that names a registry only, such as
	// oci://model-registry.suoke-life.svc:5000, means the repository models/<modelName> there.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ModelName string `json:"modelName"`

	// Version is the wanted version; changing it starts a release.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_][A-Za-z0-9._-]*$')",message="version: write letters, digits, '.', '_' and '-' only, such as v2.1.0"
	Version string `json:"version"`

	// AgentType is the agent that the model works for: xiaoai, xiaoke, laoke, soer, or another that the profile knows.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="agentType: write the name of an agent in lower case, such as xiaoai"
	AgentType string `json:"agentType"`

	// ModelType is the kind of task; it decides the runtime and the metrics that can be asked for.
	ModelType ModelType `json:"modelType"`

	// Framework is the format of the weights; with modelType it decides the runtime.
	// +kubebuilder:default=onnx
	Framework Framework `json:"framework,omitempty"`

	// Repository is where the version comes from.
	Repository Repository `json:"repository"`

	// RegistryRef names the ModelRegistry, in the same namespace, through which the repository is read: it is at the URL's host,
	// and its credentials are used.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RegistryRef string `json:"registryRef,omitempty"`

	// Runtime overrides the runtime that framework and modelType select.
	// +optional
	Runtime *Runtime `json:"runtime,omitempty"`

	// Deployment is the size of the version and the strategy that brings it to its traffic.
	// +optional
	// +kubebuilder:default={}
	Deployment Deployment `json:"deployment,omitempty"`

	// Validation is what a version must prove before it gets any traffic.
	// +optional
	// +kubebuilder:default={}
	Validation Validation `json:"validation,omitempty"`

	// Monitoring is where the model server answers.
	// +optional
	// +kubebuilder:default={}
	Monitoring Monitoring `json:"monitoring,omitempty"`

	// Paused holds the release under way at its weight, and begins none. What serves goes on, and is still judged and returned.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// ModelType is the kind of task a model does.
// +kubebuilder:validation:Enum=llm;embedding;classification;regression;tcm-diagnosis
type ModelType string

// The model types.
const (
	ModelTypeLLM            ModelType = "llm"
	ModelTypeEmbedding      ModelType = "embedding"
	ModelTypeClassification ModelType = "classification"
	ModelTypeRegression     ModelType = "regression"
	ModelTypeTCMDiagnosis   ModelType = "tcm-diagnosis"
)

// Framework is the format of a model's weights.
// +kubebuilder:validation:Enum=pytorch;tensorflow;onnx;huggingface
type Framework string

// The frameworks.
const (
	FrameworkPyTorch     Framework = "pytorch"
	FrameworkTensorFlow  Framework = "tensorflow"
	FrameworkONNX        Framework = "onnx"
	FrameworkHuggingFace Framework = "huggingface"
)

// Repository names a model's source.
type Repository struct {
	// URL names the source: oci://registry/repository[:tag]. Without a tag the version is the tag.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z][a-z0-9+.-]*://.+')",message="repository.url: write a URL with a scheme, such as oci://model-registry:5000/xiaoai-digits"
	URL string `json:"url"`

	// Branch is a branch of a git source.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Branch string `json:"branch,omitempty"`

	// Commit is any ref of a git source; it wins over branch.
	// +optional
	// +kubebuilder:validation:MaxLength=255
	Commit string `json:"commit,omitempty"`

	// Digest is the artifact that must be found there: sha256: and 64 hex digits.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="repository.digest: write sha256: and 64 lower-case hex digits"
	Digest string `json:"digest,omitempty"`

	// SecretRef names the Secret that the registry is asked with, both for the digest and by the Pods that fetch the model:
	// one with username and password, or with token, which counts if it has both. It wins over the Secret of registryRef.
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`
}

// Runtime overrides parts of the runtime table's choice.
type Runtime struct {
	// Name selects a runtime of the table by name.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// Image replaces the runtime's image.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Image string `json:"image,omitempty"`

	// Args are added to the runtime's arguments.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=1024
	Args []string `json:"args,omitempty"`
}

// Strategy is how a version gets to all of the traffic.
// +kubebuilder:validation:Enum=RollingUpdate;BlueGreen;Canary
type Strategy string

// The strategies.
const (
	// StrategyRollingUpdate moves the traffic step by step as replicas of the new version come ready.
	StrategyRollingUpdate Strategy = "RollingUpdate"
	// StrategyBlueGreen brings the new version to full capacity and switches at once.
	StrategyBlueGreen Strategy = "BlueGreen"
	// StrategyCanary gives the new version a small share, judges it, and then gives it all.
	StrategyCanary Strategy = "Canary"
)

// Deployment is the size of a version and its strategy.
//
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || !has(self.replicas) || self.autoscaling.maxReplicas >= self.replicas",message="deployment.autoscaling.maxReplicas: write at least deployment.replicas, which is the least that a version has"
type Deployment struct {
	// Replicas is the number of model server Pods of a version that has all of the traffic; with autoscaling the least of
	// them, of which a candidate has what its weight needs.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Replicas int32 `json:"replicas,omitempty"`

	// Autoscaling lets a HorizontalPodAutoscaler own each version's replicas. Without it the operator writes them: where it is taken
	// away, a version has replicas again at once, or when the release that is under way is over.
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// Resources of the model server's container.
	// +optional
	Resources Resources `json:"resources,omitempty"`

	// Strategy brings a version to its traffic.
	// +kubebuilder:default=RollingUpdate
	Strategy Strategy `json:"strategy,omitempty"`
}

// Autoscaling is how far a version grows, and by what. In a release each version keeps what the release needs of it: stable what
// takes all of the traffic, the candidate its weight.
type Autoscaling struct {
	// MaxReplicas is the greatest number of Pods of one version.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxReplicas int32 `json:"maxReplicas"`

	// TargetRequestsPerSecond is how many requests a second one Pod is to have.
	// +kubebuilder:validation:Minimum=0.001
	// +kubebuilder:validation:Maximum=1000000
	TargetRequestsPerSecond float64 `json:"targetRequestsPerSecond"`
}

// Resources are the requests and limits of the model server: cpu, memory and nvidia.com/gpu.
//
// +kubebuilder:validation:XValidation:rule="(!has(self.requests) || self.requests.all(k, k in ['cpu','memory','nvidia.com/gpu'])) && (!has(self.limits) || self.limits.all(k, k in ['cpu','memory','nvidia.com/gpu']))",message="resources: write cpu, memory and nvidia.com/gpu only"
// +kubebuilder:validation:XValidation:rule="(!has(self.requests) || !('nvidia.com/gpu' in self.requests) || quantity(string(self.requests['nvidia.com/gpu'])).isInteger()) && (!has(self.limits) || !('nvidia.com/gpu' in self.limits) || quantity(string(self.limits['nvidia.com/gpu'])).isInteger())",message="GPUs are whole, request = limit: write nvidia.com/gpu: 1 (or 2, 3, ...) in both requests and limits"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !('nvidia.com/gpu' in self.requests) || (has(self.limits) && 'nvidia.com/gpu' in self.limits && string(self.limits['nvidia.com/gpu']) == string(self.requests['nvidia.com/gpu']))",message="GPUs are whole, request = limit: write the same nvidia.com/gpu in requests and limits"
type Resources struct {
	// Requests are what the scheduler sets aside.
	// +optional
	Requests ResourceAmounts `json:"requests,omitempty"`

	// Limits are what the container may use.
	// +optional
	Limits ResourceAmounts `json:"limits,omitempty"`
}

// ResourceAmounts are quantities by resource name. What Kubernetes would read and not write back, such as 1e99999999, is
// refused here: one such object would keep every list of AIModels from being read.
//
// +kubebuilder:validation:MaxProperties=3
// +kubebuilder:validation:XValidation:rule="self.all(k, size(string(self[k])) <= 24 && string(self[k]).matches(r'^\\d+([.]\\d+)?([MGT]i?|m|k|Ki)?$'))",message="resources: write a number, with one of m, k, M, G, T, Ki, Mi, Gi and Ti after it where needed, such as 500m or 8Gi"
type ResourceAmounts map[corev1.ResourceName]resource.Quantity

// Validation is the gate before any traffic.
type Validation struct {
	// Enabled runs the evaluation. False lets a version through unproved; its history says so.
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`

	// TestDataset is the data set's artifact: a name in the registry, or oci://registry/repository[:tag].
	// A name without a scheme may begin with '/', which is ignored.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	TestDataset string `json:"testDataset,omitempty"`

	// Metrics are the thresholds. Accuracy, precision, recall, f1Score and r2 are least values; rmse, mae and bitsPerByte are
	// greatest. The first four may be asked of a regression whose data set names bands, and of an llm with labelled prompts.
	// +optional
	Metrics Thresholds `json:"metrics,omitempty"`
}

// Thresholds are limits on measured quality; those absent are not asked for.
type Thresholds struct {
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	Accuracy *float64 `json:"accuracy,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	Precision *float64 `json:"precision,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	Recall *float64 `json:"recall,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1
	F1Score *float64 `json:"f1Score,omitempty"`
	// RMSE is the greatest root mean squared error, in the label's unit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RMSE *float64 `json:"rmse,omitempty"`
	// MAE is the greatest mean absolute error, in the label's unit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MAE *float64 `json:"mae,omitempty"`
	// R2 is the least coefficient of determination.
	// +optional
	// +kubebuilder:validation:Maximum=1
	R2 *float64 `json:"r2,omitempty"`
	// BitsPerByte is the greatest number of bits that an llm may need for a byte of text that it has not learnt from.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BitsPerByte *float64 `json:"bitsPerByte,omitempty"`
}

// Monitoring is where the model server answers probes, requests and scrapes.
type Monitoring struct {
	// Enabled exports the model server's metrics on metricsPort at /metrics.
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`

	// MetricsPort is the model server's port.
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	MetricsPort int32 `json:"metricsPort,omitempty"`

	// HealthCheckPath answers 200 while the server lives.
	// +kubebuilder:default="/health"
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/')",message="monitoring.healthCheckPath: write a path that begins with '/'"
	HealthCheckPath string `json:"healthCheckPath,omitempty"`
}

// ModelPhase is where the wanted version is; while it was refused, whether another version serves.
// +kubebuilder:validation:Enum=Pending;Downloading;Validating;Deploying;Ready;Failed
type ModelPhase string

// The phases of an AIModel.
const (
	// ModelPending is accepted, or refused before anything was started.
	ModelPending ModelPhase = "Pending"
	// ModelDownloading has Pods that fetch the artifact.
	ModelDownloading ModelPhase = "Downloading"
	// ModelValidating has an evaluation under way.
	ModelValidating ModelPhase = "Validating"
	// ModelDeploying is being given traffic.
	ModelDeploying ModelPhase = "Deploying"
	// ModelReady has a version that serves. With Degraded=True it is not the wanted one.
	ModelReady ModelPhase = "Ready"
	// ModelFailed has no version that serves, and the wanted one was refused.
	ModelFailed ModelPhase = "Failed"
)

// AIModelStatus is what was seen.
type AIModelStatus struct {
	// +optional
	Phase ModelPhase `json:"phase,omitempty"`
	// Message says in a sentence what is going on, or what is wrong and what to do.
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	LastUpdated *metav1.Time `json:"lastUpdated,omitempty"`
	// DeploymentStatus sums the Pods of the versions that carry weight.
	// +optional
	DeploymentStatus *DeploymentStatus `json:"deploymentStatus,omitempty"`
	// ValidationResults are those of the wanted version.
	// +optional
	ValidationResults *ValidationResults `json:"validationResults,omitempty"`
	// Artifact is what the wanted version was resolved to.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`
	// Traffic is the split as the routers applied it.
	// +optional
	// +listType=map
	// +listMapKey=version
	Traffic []TrafficShare `json:"traffic,omitempty"`
	// StableVersion serves, and takes all traffic back if the candidate fails.
	// +optional
	StableVersion string `json:"stableVersion,omitempty"`
	// CandidateVersion is on its way.
	// +optional
	CandidateVersion string `json:"candidateVersion,omitempty"`
	// RollbackUntil is when the rollback window of the stable version ends: until then it is still judged, and can be
	// aborted although it was promoted. There is none where there is nothing to go back to.
	// +optional
	RollbackUntil *metav1.Time `json:"rollbackUntil,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// DeploymentStatus sums Pods.
type DeploymentStatus struct {
	ReadyReplicas int32 `json:"readyReplicas"`
	TotalReplicas int32 `json:"totalReplicas"`
	// RequiredReplicas are the Pods that all of the traffic needs: deployment.replicas, or with autoscaling what a release counts on.
	// +optional
	RequiredReplicas int32 `json:"requiredReplicas,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ValidationResults are the outcome of an evaluation, bound to what was evaluated.
type ValidationResults struct {
	Passed bool `json:"passed"`
	// +optional
	Metrics Measurements `json:"metrics,omitempty"`
	// +optional
	Timestamp *metav1.Time `json:"timestamp,omitempty"`
	// Version that was evaluated.
	// +optional
	Version string `json:"version,omitempty"`
	// Rows of the data set that were asked.
	// +optional
	Rows int32 `json:"rows,omitempty"`
	// Texts are how many of them are texts, of a language model: bitsPerByte stands on these, and the measures of classes on
	// the others, which are labelled prompts.
	// +optional
	Texts int32 `json:"texts,omitempty"`
	// ModelDigest, DatasetDigest and Runtime are what the result is bound to.
	// +optional
	ModelDigest string `json:"modelDigest,omitempty"`
	// +optional
	DatasetDigest string `json:"datasetDigest,omitempty"`
	// +optional
	Runtime string `json:"runtime,omitempty"`
	// Intervals are 95 % confidence intervals by metric.
	// +optional
	Intervals map[string]Interval `json:"intervals,omitempty"`
	// Comparison is with the stable version on the same rows.
	// +optional
	Comparison *Comparison `json:"comparison,omitempty"`
}

// Measurements are measured qualities, in the units of Thresholds.
type Measurements struct {
	// +optional
	Accuracy *float64 `json:"accuracy,omitempty"`
	// +optional
	Precision *float64 `json:"precision,omitempty"`
	// +optional
	Recall *float64 `json:"recall,omitempty"`
	// +optional
	F1Score *float64 `json:"f1Score,omitempty"`
	// +optional
	RMSE *float64 `json:"rmse,omitempty"`
	// +optional
	MAE *float64 `json:"mae,omitempty"`
	// +optional
	R2 *float64 `json:"r2,omitempty"`
	// +optional
	BitsPerByte *float64 `json:"bitsPerByte,omitempty"`
}

// Interval is a closed range.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Comparison is a paired comparison of two versions on the same rows.
type Comparison struct {
	// Version compared with.
	Version string `json:"version"`
	// CandidateOnly and StableOnly count the rows that one alone got right (for a regression: came closer on; for
	// text: needed fewer bits for).
	CandidateOnly int32 `json:"candidateOnly"`
	StableOnly    int32 `json:"stableOnly"`
	// Differ counts the rows that the two answered differently, right or wrong.
	// +optional
	Differ *int32 `json:"differ,omitempty"`
	// PValue is the exact two-sided probability of a split at least as uneven if both were alike (McNemar).
	PValue float64 `json:"pValue"`
	// Texts says that it is of the texts, where the rows are labelled prompts too: it is of the kind on which the candidate
	// did worse.
	// +optional
	Texts bool `json:"texts,omitempty"`
}

// Artifact is a resolved model.
type Artifact struct {
	// Reference with its digest: registry/repository@sha256:...
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	// +optional
	SizeBytes int64 `json:"sizeBytes,omitempty"`
}

// TrafficShare is a version's share of the requests.
type TrafficShare struct {
	Version string `json:"version"`
	// Weight in percent.
	Weight int32 `json:"weight"`
}
