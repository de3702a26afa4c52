package manifest

import (
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Evaluation is one run of the evaluation of a version.
type Evaluation struct {
	// Name of the Job.
	Name string
	// Endpoint asks one Pod of the version, StableEndpoint one of the version it is compared with, if any.
	Endpoint, StableEndpoint string
	// StableVersion is what that one is called.
	StableVersion string
	// Dataset is its reference with its digest.
	Dataset string
	// Task is classification, regression or language.
	Task string
}

// evaluationSeconds bound an evaluation's Job: the 25 minutes of `suoke evaluate --timeout`, and 15 more for its Pod to come up,
// so that the evaluation itself says how far it came.
const evaluationSeconds = 40 * 60

// Job runs an evaluation once; whether to run it again is the operator's to say.
func (v Version) Job(namespace string, e Evaluation) *batchv1.Job {
	none, once, deadline, keep := int32(0), int32(1), int64(evaluationSeconds), int32(3600)
	args := []string{
		"evaluate", "--endpoint=" + e.Endpoint, "--name=" + v.Model, "--dataset=" + e.Dataset, "--task=" + e.Task,
		"--model-digest=" + v.Digest, "--runtime=" + v.Template.Image,
	}
	if e.StableEndpoint != "" {
		args = append(args, "--stable-endpoint="+e.StableEndpoint)
	}
	if v.Template.Protocol != "" { // an image of before there were two knows no such flags
		args = append(args, "--protocol="+string(v.Template.Protocol), "--version="+v.Version, "--stable-version="+e.StableVersion)
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
	labels, podLabels := v.labels("evaluation"), v.labels("evaluation")
	delete(podLabels, LabelVersion)
	podLabels[LabelEvaluates] = v.ID
	return &batchv1.Job{
		TypeMeta:   metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: v.meta(namespace, e.Name, labels),
		Spec: batchv1.JobSpec{
			BackoffLimit: &none, Parallelism: &once, Completions: &once,
			ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: &keep,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: podLabels, Annotations: map[string]string{AnnotationModel: v.Model}},
				Spec:       spec,
			},
		},
	}
}

// JobName is the name of a version's evaluation, counted from 1.
func JobName(id string, run int) string {
	if run <= 1 {
		return id + "-evaluate"
	}
	return id + "-evaluate-" + strconv.Itoa(run)
}

// JobRun is the number of an evaluation by its name, 0 if it is none of the version's.
func JobRun(id, name string) int {
	rest, ours := strings.CutPrefix(name, id+"-evaluate")
	if !ours {
		return 0
	}
	if rest == "" {
		return 1
	}
	run, err := strconv.Atoi(strings.TrimPrefix(rest, "-"))
	if err != nil {
		return 0
	}
	return run
}
