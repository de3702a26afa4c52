package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/evaluate"
)

// kubelet does what controllers, scheduler and kubelet would: Deployments get Pods, Pods get ready, evaluations end as
// the story says. It looks at everything again after each change.
func (s *space) kubelet(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stir:
			if err := s.tend(ctx); err != nil && ctx.Err() == nil {
				// Somebody wrote first, or what is known here lags.
				time.AfterFunc(20*time.Millisecond, s.wake)
			}
		}
	}
}

func (s *space) tend(ctx context.Context) error {
	if err := s.autoscale(ctx); err != nil {
		return err
	}
	pods := all[corev1.Pod](s)
	wanted := map[string]bool{}
	for _, d := range all[appsv1.Deployment](s) {
		for i := range int(*d.Spec.Replicas) {
			name := fmt.Sprintf("%s-%d", d.Name, i)
			wanted[name] = true
			state := ready
			if versionOf(d.Name) == "v2" && i >= replicas-s.story.shortOf {
				state = starting
			}
			if err := s.runPod(ctx, pods[name], name, d.Spec.Template.ObjectMeta, state); err != nil {
				return err
			}
		}
	}
	for _, job := range all[batchv1.Job](s) {
		end, ends := s.story.evaluated[versionOf(job.Labels[manifest.LabelVersion])]
		if !ends {
			continue
		}
		name := job.Name + "-pod"
		wanted[name] = true
		meta := *job.Spec.Template.ObjectMeta.DeepCopy()
		meta.Labels = maps.Clone(meta.Labels)
		meta.Labels[batchv1.JobNameLabel] = job.Name
		if err := s.runPod(ctx, pods[name], name, meta, ended(end)); err != nil {
			return err
		}
	}
	for name, pod := range pods {
		if !wanted[name] && manifest.VersionOf(pod.Labels) != "" {
			if err := client.IgnoreNotFound(s.Client.Delete(ctx, pod.DeepCopy(), client.GracePeriodSeconds(0))); err != nil {
				return err
			}
		}
	}
	return nil
}

// autoscale gives each Deployment that has an autoscaler what that must give at least.
func (s *space) autoscale(ctx context.Context) error {
	deployments := all[appsv1.Deployment](s)
	for _, a := range all[autoscalingv2.HorizontalPodAutoscaler](s) {
		d, least := deployments[a.Spec.ScaleTargetRef.Name], *a.Spec.MinReplicas
		if d == nil || *d.Spec.Replicas >= least {
			continue
		}
		to := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: s.name}, Spec: autoscalingv1.ScaleSpec{Replicas: least}}
		if err := s.Client.SubResource("scale").Update(ctx, d.DeepCopy(), client.WithSubResourceBody(to)); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// runPod brings a Pod about and into a state, unless it is there.
func (s *space) runPod(ctx context.Context, pod *corev1.Pod, name string, meta metav1.ObjectMeta, state func(*corev1.PodStatus)) error {
	if pod != nil && pod.Status.PodIP != "" {
		return nil
	}
	if pod == nil {
		pod = &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.name, Labels: meta.Labels, Annotations: meta.Annotations},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}, TerminationGracePeriodSeconds: new(int64(0))},
		}
		if err := client.IgnoreAlreadyExists(s.Client.Create(ctx, pod)); err != nil || pod.UID == "" {
			return err // it is there, and what is known here lags
		}
	}
	pod = pod.DeepCopy()
	state(&pod.Status)
	pod.Status.PodIP, pod.Status.PodIPs = "127.0.0.1", []corev1.PodIP{{IP: "127.0.0.1"}}
	return s.Client.Status().Update(ctx, pod)
}

func (s *space) runRouter(ctx context.Context) error {
	labels := map[string]string{"app.kubernetes.io/name": "model-router", "app.kubernetes.io/part-of": "suoke"}
	return s.runPod(ctx, nil, "model-router-0", metav1.ObjectMeta{Labels: labels}, ready)
}

func ready(status *corev1.PodStatus) {
	status.Phase = corev1.PodRunning
	status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func starting(status *corev1.PodStatus) { status.Phase = corev1.PodRunning }

// isReady says whether requests may be sent to a Pod.
func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// ended is an evaluation that measured this accuracy.
func ended(accuracy float64) func(*corev1.PodStatus) {
	text, err := evaluate.Result{
		Task: evaluate.Classification, Rows: 100, Metrics: evaluate.Metrics{Accuracy: &accuracy},
		Intervals:   map[string]evaluate.Interval{"accuracy": evaluate.Wilson(int(accuracy*100), 100)},
		ModelDigest: digest("/digits:v1"), DatasetDigest: digest("/digits:latest"), Runtime: "suoke.local/suoke-model-server:dev",
	}.Encode()
	if err != nil {
		panic(err)
	}
	return func(status *corev1.PodStatus) {
		status.Phase = corev1.PodSucceeded
		status.ContainerStatuses = []corev1.ContainerStatus{{
			Name:  manifest.EvaluateContainer,
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: string(text), FinishedAt: metav1.Now()}},
		}}
	}
}

// measured is the accuracy that an evaluation's Pod ended with, if it is one that ended.
func measured(pod *corev1.Pod) (accuracy float64, isOne bool) {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name != manifest.EvaluateContainer || c.State.Terminated == nil {
			continue
		}
		var result evaluate.Result
		if json.Unmarshal([]byte(c.State.Terminated.Message), &result) == nil && result.Metrics.Accuracy != nil {
			return *result.Metrics.Accuracy, true
		}
	}
	return 0, false
}

// versionOf is the version in an ID, which is <model>-<version>-<hash> here.
func versionOf(id string) string {
	parts := strings.Split(id, "-")
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

func digest(of string) string { return "sha256:" + fmt.Sprintf("%064x", []byte(of)[:min(32, len(of))]) }
