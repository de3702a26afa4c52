package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ModelRegistry is a place that models come from.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=modelregistries,shortName=mr
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name="Connected",type=boolean,JSONPath=`.status.connected`
// +kubebuilder:printcolumn:name="Models",type=integer,JSONPath=`.status.modelCount`
// +kubebuilder:printcolumn:name="Last Sync",type=date,JSONPath=`.status.lastSync`
type ModelRegistry struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ModelRegistrySpec   `json:"spec"`
	Status ModelRegistryStatus `json:"status,omitempty"`
}

// ModelRegistryList is a list of ModelRegistries.
//
// +kubebuilder:object:root=true
type ModelRegistryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ModelRegistry `json:"items"`
}

// ModelRegistrySpec says where and how.
type ModelRegistrySpec struct {
	// Name of the registry, for people.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Endpoint is the registry's URL; its path is the prefix of its repositories.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://.+')",message="endpoint: write a URL that begins with https:// (or http:// inside the cluster)"
	Endpoint string `json:"endpoint"`

	// +optional
	// +kubebuilder:default={}
	Authentication Authentication `json:"authentication,omitempty"`

	// Storage is where the blobs imported through this registry are kept.
	// +optional
	// +kubebuilder:default={}
	Storage Storage `json:"storage,omitempty"`

	// +optional
	// +kubebuilder:default={}
	SyncPolicy SyncPolicy `json:"syncPolicy,omitempty"`
}

// AuthenticationType is how we prove who we are to the endpoint.
// +kubebuilder:validation:Enum=none;basic;token;oauth2
type AuthenticationType string

// The authentication types.
const (
	AuthenticationNone   AuthenticationType = "none"
	AuthenticationBasic  AuthenticationType = "basic"
	AuthenticationToken  AuthenticationType = "token"
	AuthenticationOAuth2 AuthenticationType = "oauth2"
)

// Authentication towards the endpoint. The Secret's keys: basic username and password; token token;
// oauth2 clientId, clientSecret and tokenUrl.
//
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type == 'none' || has(self.secretRef)",message="authentication: write secretRef with the Secret's name, or type: none"
type Authentication struct {
	// +kubebuilder:default=none
	Type AuthenticationType `json:"type,omitempty"`
	// +optional
	SecretRef *SecretRef `json:"secretRef,omitempty"`
}

// SecretRef names a Secret in the object's own namespace.
type SecretRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="secretRef.name: write the name of a Secret, in lower case, such as models-access"
	Name string `json:"name"`
	// Namespace, if written, must be the object's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// StorageType is where blobs are kept.
// +kubebuilder:validation:Enum=s3;gcs;azure;local;nfs
type StorageType string

// The storage types.
const (
	StorageS3    StorageType = "s3"
	StorageGCS   StorageType = "gcs"
	StorageAzure StorageType = "azure"
	StorageLocal StorageType = "local"
	StorageNFS   StorageType = "nfs"
)

// Storage of imported blobs.
type Storage struct {
	// +kubebuilder:default=local
	Type StorageType `json:"type,omitempty"`
	// Config of the storage; its keys depend on the type.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Config map[string]string `json:"config,omitempty"`
}

// SyncPolicy is how often the references of the AIModels are checked.
type SyncPolicy struct {
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(s|m|h))+$') && duration(self) >= duration('10s') && duration(self) <= duration('8760h')",message="interval: write a duration of at least 10s, such as 30m, and at most 8760h"
	Interval metav1.Duration `json:"interval,omitempty"`
	// +optional
	// +kubebuilder:default={}
	RetryPolicy RetryPolicy `json:"retryPolicy,omitempty"`
}

// RetryPolicy is how a failed sync is tried again before the next interval.
type RetryPolicy struct {
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxRetries int32 `json:"maxRetries"`
	// BackoffMultiplier lengthens each wait; the first is 5 seconds.
	// +kubebuilder:default=2.0
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	BackoffMultiplier float64 `json:"backoffMultiplier,omitempty"`
}

// ModelRegistryStatus is the outcome of the last sync.
type ModelRegistryStatus struct {
	// Connected says whether the endpoint answered.
	// +optional
	Connected bool `json:"connected"`
	// +optional
	LastSync *metav1.Time `json:"lastSync,omitempty"`
	// ModelCount counts the AIModels whose reference was resolved through this registry.
	// +optional
	ModelCount int32 `json:"modelCount"`
	// Errors are what could not be reached or resolved, and why.
	// +optional
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	Errors []string `json:"errors,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
