package manifest

import (
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/suoke-life/suoke/internal/profile"
)

const (
	// LabelVersion and LabelModel are on every object of a version.
	LabelVersion = "suoke.life/version"
	LabelModel   = "suoke.life/model"
	// AnnotationModel holds the AIModel's name, which may be longer than a label's value.
	AnnotationModel = "suoke.life/model"

	// ServerContainer and FetchContainer are the containers of a version's Pods, EvaluateContainer that of its Job's.
	ServerContainer   = "model-server"
	FetchContainer    = "fetch"
	EvaluateContainer = "evaluate"

	// unprivileged is the user and group that every process runs as.
	unprivileged = 65532
	// modelDir is where a version's Pods hold the artifact.
	modelDir = "/model"
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
	// Template is the part that makes it another version when it changes.
	Template Template `json:"template"`
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

	Resources                     corev1.ResourceRequirements `json:"resources,omitzero"`
	TerminationGracePeriodSeconds int64                       `json:"terminationGracePeriodSeconds"`
	SecurityContext               *corev1.SecurityContext     `json:"securityContext,omitempty"`
	Volumes                       []corev1.Volume             `json:"volumes,omitempty"`
	VolumeMounts                  []corev1.VolumeMount        `json:"volumeMounts,omitempty"`
}

// NewTemplate is the template of a runtime filled for one version.
func NewTemplate(rt profile.Runtime, f profile.Filling) Template {
	image, args := rt.Fill(f)
	return Template{
		Image: image, Args: args,
		Port: f.Port, HealthPath: f.HealthPath, ReadyPath: rt.ReadyPath, Metrics: f.Metrics, MayReask: rt.MayReask,
		TerminationGracePeriodSeconds: rt.TerminationGracePeriodSeconds,
		SecurityContext:               rt.SecurityContext, Volumes: rt.Volumes, VolumeMounts: rt.VolumeMounts,
	}
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

// Deployment serves the version with that many Pods.
func (v Version) Deployment(namespace string, replicas int32) *appsv1.Deployment {
	history := int32(keepOldDeployments)
	surge, unavailable := intstr.FromInt32(1), intstr.FromInt32(0)
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: v.meta(namespace, v.ID, v.Labels()),
		Spec: appsv1.DeploymentSpec{
			Replicas:             &replicas,
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

func (v Version) pod() corev1.PodTemplateSpec {
	annotations := map[string]string{AnnotationModel: v.Model}
	if v.Template.Metrics {
		maps.Copy(annotations, map[string]string{
			"prometheus.io/scrape": "true",
			"prometheus.io/port":   intstr.FromInt32(v.Template.Port).String(),
			"prometheus.io/path":   "/metrics",
		})
	}
	spec := restrictedPod()
	grace := v.Template.TerminationGracePeriodSeconds
	spec.TerminationGracePeriodSeconds = &grace
	spec.InitContainers = []corev1.Container{v.fetch()}
	spec.Containers = []corev1.Container{v.server()}
	spec.Volumes = append([]corev1.Volume{
		{Name: "model", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: quantity("64Mi")}}},
	}, v.Template.Volumes...)
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelVersion: v.ID}},
	}}
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: v.Labels(), Annotations: annotations}, Spec: spec}
}

// fetch brings the artifact to the Pod; it tries until it is killed, so a registry that restarts loses nothing.
func (v Version) fetch() corev1.Container {
	return corev1.Container{
		Name: FetchContainer, Image: v.FetchImage, ImagePullPolicy: corev1.PullIfNotPresent,
		Args: []string{"model", "fetch", v.Reference, "--to=" + modelDir, "--plain-http"},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: *quantity("25m"), corev1.ResourceMemory: *quantity("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: *quantity("1"), corev1.ResourceMemory: *quantity("256Mi")},
		},
		VolumeMounts:             []corev1.VolumeMount{{Name: "model", MountPath: modelDir}},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext:          restricted(),
	}
}

func (v Version) server() corev1.Container {
	t := v.Template
	security := t.SecurityContext
	if security == nil {
		security = restricted()
	}
	return corev1.Container{
		Name: ServerContainer, Image: t.Image, ImagePullPolicy: corev1.PullIfNotPresent, Args: t.Args,
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: t.Port, Protocol: corev1.ProtocolTCP}},
		Resources:      t.Resources,
		StartupProbe:   probe(t.HealthPath, 1, 600*time.Second),
		ReadinessProbe: probe(t.ReadyPath, 1, 3*time.Second),
		LivenessProbe:  probe(t.HealthPath, 10, 60*time.Second),
		VolumeMounts: append([]corev1.VolumeMount{
			{Name: "model", MountPath: modelDir, ReadOnly: true},
			{Name: "tmp", MountPath: "/tmp"},
		}, t.VolumeMounts...),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext:          security,
	}
}

// probe asks every so many seconds and gives up after the time given.
func probe(path string, period int32, patience time.Duration) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds: period, TimeoutSeconds: 2, SuccessThreshold: 1,
		FailureThreshold: int32(patience/time.Second) / period,
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

// Evaluation is one run of the evaluation of a version.
type Evaluation struct {
	// Name of the Job.
	Name string
	// Endpoint asks one Pod of the version, StableEndpoint one of the version it is compared with, if any.
	Endpoint, StableEndpoint string
	// Dataset is its reference with its digest.
	Dataset string
	// Task is classification or regression.
	Task string
}

// Job runs an evaluation once; whether to run it again is the operator's to say.
func (v Version) Job(namespace string, e Evaluation) *batchv1.Job {
	none, once, deadline, keep := int32(0), int32(1), int64(1800), int32(3600)
	args := []string{
		"evaluate", "--endpoint=" + e.Endpoint, "--name=" + v.Model, "--dataset=" + e.Dataset, "--task=" + e.Task,
		"--model-digest=" + v.Digest, "--runtime=" + v.Template.Image, "--plain-http",
	}
	if e.StableEndpoint != "" {
		args = append(args, "--stable-endpoint="+e.StableEndpoint)
	}
	spec := restrictedPod()
	spec.RestartPolicy = corev1.RestartPolicyNever
	spec.Containers = []corev1.Container{{
		Name: EvaluateContainer, Image: v.FetchImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: *quantity("25m"), corev1.ResourceMemory: *quantity("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: *quantity("1"), corev1.ResourceMemory: *quantity("256Mi")},
		},
		VolumeMounts:             []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext:          restricted(),
	}}
	spec.Volumes = []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: quantity("256Mi")}}}}
	labels := v.labels("evaluation")
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: v.meta(namespace, e.Name, labels),
		Spec: batchv1.JobSpec{
			BackoffLimit: &none, Parallelism: &once, Completions: &once,
			ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: &keep,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{AnnotationModel: v.Model}},
				Spec:       spec,
			},
		},
	}
}

// restrictedPod passes the restricted Pod Security level.
func restrictedPod() corev1.PodSpec {
	yes, no, user := true, false, int64(unprivileged)
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no,
		EnableServiceLinks:           &no,
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user, FSGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
}

func restricted() *corev1.SecurityContext {
	yes, no := true, false
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no,
		ReadOnlyRootFilesystem:   &yes,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// quantity is for the constants above.
func quantity(s string) *resource.Quantity {
	q := resource.MustParse(s)
	return &q
}
