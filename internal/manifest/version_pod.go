package manifest

import (
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/suoke-life/suoke/internal/profile"
)

func (v Version) pod() corev1.PodTemplateSpec {
	annotations := map[string]string{AnnotationModel: v.Model}
	if v.Template.Metrics {
		maps.Copy(annotations, map[string]string{
			"prometheus.io/scrape":        "true",
			profile.AnnotationMetricsPort: strconv.Itoa(int(v.Template.Port)),
			"prometheus.io/path":          "/metrics",
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
	if v.Credentials != nil {
		spec.Volumes = append(spec.Volumes, v.Credentials.volume())
	}
	spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{LabelVersion: v.ID}},
	}}
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: v.Labels(), Annotations: annotations}, Spec: spec}
}

// fetch brings the artifact to the Pod; it tries until it is killed, so a registry that restarts loses nothing.
func (v Version) fetch() corev1.Container {
	args := []string{"model", "fetch", v.Reference, "--to=" + modelDir}
	mounts := []corev1.VolumeMount{{Name: "model", MountPath: modelDir}}
	if v.Credentials != nil {
		dir := credentialsDir + v.Credentials.Secret
		args = append(args, "--credentials-dir="+dir)
		mounts = append(mounts, corev1.VolumeMount{Name: credentialsVolume, MountPath: dir, ReadOnly: true})
	}
	return corev1.Container{
		Name: FetchContainer, Image: v.FetchImage, ImagePullPolicy: corev1.PullIfNotPresent,
		Args: args,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: *quantity("25m"), corev1.ResourceMemory: *quantity("32Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: *quantity("1"), corev1.ResourceMemory: *quantity("256Mi")},
		},
		VolumeMounts:             mounts,
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext:          restricted(),
	}
}

// credentialsVolume is its name in the Pod; runtimes have volumes of their own.
const credentialsVolume = "registry-credentials" //nolint:gosec // the name of a volume

// volume shows the Secret's keys to the Pod's user and nobody else. One that is not there, or lacks a key, keeps no
// container from starting: the container says what it misses, and goes on once the kubelet brings it.
func (c Credentials) volume() corev1.Volume {
	mode, optional := int32(0o440), true // by the Pod's fsGroup
	source := &corev1.SecretVolumeSource{SecretName: c.Secret, DefaultMode: &mode, Optional: &optional}
	for _, key := range c.Keys {
		source.Items = append(source.Items, corev1.KeyToPath{Key: key, Path: key})
	}
	return corev1.Volume{Name: credentialsVolume, VolumeSource: corev1.VolumeSource{Secret: source}}
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
		StartupProbe:   probe(t.HealthPath, 1, 600),
		ReadinessProbe: probe(t.ReadyPath, 1, 3),
		LivenessProbe:  probe(t.HealthPath, 10, 60),
		VolumeMounts: append([]corev1.VolumeMount{
			{Name: "model", MountPath: modelDir, ReadOnly: true},
			{Name: "tmp", MountPath: "/tmp"},
		}, t.VolumeMounts...),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext:          security,
	}
}

// probe asks every so many seconds and gives up after patience, in seconds too.
func probe(path string, period, patience int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString("http"), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds: period, TimeoutSeconds: 2, SuccessThreshold: 1,
		FailureThreshold: patience / period,
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
