package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
//
//nolint:gochecknoglobals // the name that every Kubernetes API package gives it
var GroupVersion = schema.GroupVersion{Group: "suoke.life", Version: "v1"}

// AddToScheme registers the kinds of this package in a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&AIModel{}, &AIModelList{},
		&ModelVersion{}, &ModelVersionList{},
		&ModelRegistry{}, &ModelRegistryList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
