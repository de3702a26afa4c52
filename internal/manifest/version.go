package manifest

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/suoke-life/suoke/internal/profile"
)

const (
	// LabelVersion is on every object of a version; its value is the version's ID.
	LabelVersion = "suoke.life/version"
	// LabelEvaluates is on the Pod of an evaluation, with the ID of the version that it asks: LabelVersion selects those that serve.
	LabelEvaluates = "suoke.life/evaluates"
	// LabelModel is on every object of a version; its value is the AIModel's name, shortened where it is too long.
	LabelModel = "suoke.life/model"
	// AnnotationModel holds the AIModel's name, which may be longer than a label's value.
	AnnotationModel = "suoke.life/model"

	// ServerContainer is the container of a version's Pods that serves, and their component.
	ServerContainer = "model-server"
	// FetchContainer is their init container.
	FetchContainer = "fetch"
	// EvaluateContainer is the container of an evaluation's Pod.
	EvaluateContainer = "evaluate"

	// unprivileged is the user and group that every process runs as.
	unprivileged = 65532
	// modelDir is where a version's Pods hold the artifact.
	modelDir = "/model"
	// credentialsDir is where the container that fetches it finds the Secret of its registry, by the Secret's name.
	credentialsDir = "/credentials/"
	// keepOldDeployments of a version: a version is frozen, so there is nothing to return to.
	keepOldDeployments = 1
)

// Version is everything that one version's objects are built from. It is frozen when the version is first seen and
// stored as JSON, so its field names are a format.
type Version struct {
	// ID names the objects.
	ID string `json:"id"`
	// Model is the AIModel's name, ModelLabel the same as a label's value, Agent its agentType.
	Model      string `json:"model"`
	ModelLabel string `json:"modelLabel"`
	Agent      string `json:"agent"`
	// Version as people write it.
	Version string `json:"version"`
	// Reference of the artifact with its digest: registry/repository@sha256:...
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	SizeBytes int64  `json:"sizeBytes,omitempty"`
	// FetchImage has the suoke command, which fetches and evaluates.
	FetchImage string `json:"fetchImage"`
	// Credentials are what the registry is asked with, nil if it asks for none. They may change: what is served does not.
	Credentials *Credentials `json:"credentials,omitempty"`
	// Template is the part that makes it another version when it changes.
	Template Template `json:"template"`
}

// Credentials are a Secret by its name, and the keys of it that the Pods see. Its contents stand nowhere else.
type Credentials struct {
	Secret string   `json:"secret"`
	Keys   []string `json:"keys"`
}

// Template is what a version's Pods are like.
type Template struct {
	Image      string   `json:"image"`
	Args       []string `json:"args,omitempty"`
	Port       int32    `json:"port"`
	HealthPath string   `json:"healthPath"`
	ReadyPath  string   `json:"readyPath"`
	Metrics    bool     `json:"metrics"`
	MayReask   bool     `json:"mayReask"`
	// Protocol that a version is evaluated over. It is empty for the Open Inference Protocol, the only one there once was: a
	// template of that time must stay the same.
	Protocol profile.Protocol `json:"protocol,omitempty"`

	Resources                     corev1.ResourceRequirements `json:"resources,omitzero"`
	TerminationGracePeriodSeconds int64                       `json:"terminationGracePeriodSeconds"`
	SecurityContext               *corev1.SecurityContext     `json:"securityContext,omitempty"`
	Volumes                       []corev1.Volume             `json:"volumes,omitempty"`
	VolumeMounts                  []corev1.VolumeMount        `json:"volumeMounts,omitempty"`
}

// NewTemplate is the template of a runtime filled for one version.
func NewTemplate(rt profile.Runtime, f profile.Filling) Template {
	image, args := rt.Fill(f)
	t := Template{
		Image: image, Args: args,
		Port: f.Port, HealthPath: f.HealthPath, ReadyPath: rt.ReadyPath, Metrics: f.Metrics, MayReask: rt.MayReask,
		TerminationGracePeriodSeconds: rt.TerminationGracePeriodSeconds,
		SecurityContext:               rt.SecurityContext, Volumes: rt.Volumes, VolumeMounts: rt.VolumeMounts,
	}
	if rt.Protocol != profile.ProtocolOIP {
		t.Protocol = rt.Protocol
	}
	return t
}

// VersionOf is the ID of the version that an object belongs to, or that the Pod of an evaluation asks; empty if neither.
func VersionOf(labels map[string]string) string {
	return cmp.Or(labels[LabelVersion], labels[LabelEvaluates])
}

// Labels are on every object of the version.
func (v Version) Labels() map[string]string { return v.labels(ServerContainer) }

func (v Version) labels(component string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":      v.ModelLabel,
		"app.kubernetes.io/part-of":   "suoke",
		"app.kubernetes.io/component": component,
		LabelVersion:                  v.ID,
		LabelModel:                    v.ModelLabel,
	}
}

func (v Version) meta(namespace, name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: name, Namespace: namespace, Labels: labels,
		Annotations: map[string]string{AnnotationModel: v.Model},
	}
}

// Deployment serves the version with that many Pods, or with nil with as many as whoever scales it says.
func (v Version) Deployment(namespace string, replicas *int32) *appsv1.Deployment {
	history := int32(keepOldDeployments)
	surge, unavailable := intstr.FromInt32(1), intstr.FromInt32(0)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: v.meta(namespace, v.ID, v.Labels()),
		Spec: appsv1.DeploymentSpec{
			Replicas:             replicas,
			RevisionHistoryLimit: &history,
			Selector:             &metav1.LabelSelector{MatchLabels: map[string]string{LabelVersion: v.ID}},
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable},
			},
			Template: v.pod(),
		},
	}
}

// Service makes the version's ready Pods known as EndpointSlices; nothing is balanced through it.
func (v Version) Service(namespace string) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: v.meta(namespace, v.ID, v.Labels()),
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  map[string]string{LabelVersion: v.ID, "app.kubernetes.io/component": ServerContainer},
			Ports:     []corev1.ServicePort{{Name: "http", Port: v.Template.Port, TargetPort: intstr.FromString("http"), Protocol: corev1.ProtocolTCP}},
		},
	}
}
