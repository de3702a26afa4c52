package operator

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// An evaluation runs while its container does: what has not begun, or was lost with its node, does not end by itself.
func TestWhenAnEvaluationRuns(t *testing.T) {
	t.Parallel()
	container := func(state corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: manifest.EvaluateContainer, State: state}}}
	}
	running := container(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
	for sentence, c := range map[string]struct {
		pod     *corev1.PodStatus
		job     batchv1.JobCondition
		outcome rollout.Outcome
		message string
		due     string
	}{
		"its container runs":     {pod: &running, outcome: rollout.EvaluationRunning},
		"the Job has no Pod":     {outcome: rollout.EvaluationPending},
		"the Pod is created":     {pod: &corev1.PodStatus{}, outcome: rollout.EvaluationPending},
		"the Pod has no node":    {pod: &corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes"}}}, outcome: rollout.EvaluationPending, message: "no node takes Pod v2-evaluate-x: 0/3 nodes"},
		"its image is not found": {pod: new(container(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}})), outcome: rollout.EvaluationPending, message: "the evaluation's Pod v2-evaluate-x does not come up: ErrImagePull: not found"},
		"its time is over and its node lost": {
			pod: &running, job: batchv1.JobCondition{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonDeadlineExceeded, Message: "Job was active longer than specified deadline"},
			outcome: rollout.EvaluationPending, message: "the evaluation did not end: Job was active longer than specified deadline; it is tried again", due: "v2-evaluate-2",
		},
		"it failed, and its Pod is to say why": {
			pod: &running, job: batchv1.JobCondition{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonBackoffLimitExceeded},
			outcome: rollout.EvaluationRunning,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			job := &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: "v2-evaluate", Labels: map[string]string{manifest.LabelVersion: "v2"}, Annotations: map[string]string{annotationDataset: "digits"}},
				Status:     batchv1.JobStatus{Conditions: []batchv1.JobCondition{c.job}},
			}
			seen := &observed{jobs: map[rollout.ID][]*batchv1.Job{"v2": {job}}, pods: map[rollout.ID][]*corev1.Pod{}}
			if c.pod != nil {
				seen.pods["v2"] = []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "v2-evaluate-x", Labels: map[string]string{batchv1.JobNameLabel: job.Name}}, Status: *c.pod}}
			}
			f := frozen{Version: manifest.Version{ID: "v2"}}
			e := seen.evaluate(f, suokev1.Validation{TestDataset: "digits"}, 1, false, time.Now())
			if e.outcome != c.outcome || e.message != c.message || e.due != c.due {
				t.Errorf("%q, %q, due %q; want %q, %q, %q", e.outcome, e.message, e.due, c.outcome, c.message, c.due)
			}
		})
	}
}
