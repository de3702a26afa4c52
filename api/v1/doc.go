// Package v1 holds the custom resources of suoke.life/v1: AIModel, ModelVersion and ModelRegistry, with their
// condition types and reasons. It holds no logic beyond registering the types.
//
// +kubebuilder:object:generate=true
// +groupName=suoke.life
package v1
