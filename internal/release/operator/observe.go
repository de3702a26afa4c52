package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// observed is everything that was gathered about one model for one decision.
type observed struct {
	now     time.Time
	model   *suokev1.AIModel
	verdict Verdict
	memory  memory
	// known versions, frozen now or before; wanted is the ID of the one that the spec asks for, if it could be resolved.
	known  map[rollout.ID]frozen
	wanted rollout.ID
	// trouble is why the wanted version could not be resolved.
	trouble *Problem
	// place is where the credentials for it are kept; unproven is why they do not open the registry, and what Pods of any version
	// miss that fetch it. It keeps no Pod that is there from serving.
	place    credentials.Place
	unproven *Problem
	// tag is what the tag that the wanted version was resolved from names now, if that is another artifact.
	tag movedTag
	// versions are the ModelVersions of the model; release the one of the wanted version, if any.
	versions []suokev1.ModelVersion
	release  *suokev1.ModelVersion

	deployments map[rollout.ID]*appsv1.Deployment
	autoscalers map[rollout.ID]*autoscalingv2.HorizontalPodAutoscaler
	services    map[rollout.ID]*corev1.Service
	pods        map[rollout.ID][]*corev1.Pod
	jobs        map[rollout.ID][]*batchv1.Job
	evaluations map[rollout.ID]evaluation
	routers     []rollout.Router
	// scaling is what is asked of autoscalers and can be honoured, counter the metric that they go by.
	scaling *suokev1.Autoscaling
	counter string
	// needed Pods for all requests together, 0 where that is not known or not asked for.
	needed int
	// standing are those of the objects that are known to be as they should.
	standing map[types.UID]standing
	// config of the judgement to come; unlearned is the version that must wait for it before it has traffic.
	config    analysis.Config
	unlearned rollout.ID
	judge     judge
}

// observe gathers; it writes nothing but the ControllerRevision of a version that has none.
func (m *models) observe(ctx context.Context, model *suokev1.AIModel) (*observed, error) {
	seen := &observed{now: m.Now(), model: model}
	var err error
	if seen.memory, err = m.recall(ctx, model.Namespace, model.Name); err != nil {
		return nil, err
	}
	if seen.memory.object != nil && !metav1.IsControlledBy(seen.memory.object, model) {
		return nil, fmt.Errorf("ConfigMap %s belongs to another object; waiting until it is gone", routeName(model.Name))
	}
	if seen.known, err = m.frozenVersions(ctx, model); err != nil {
		return nil, err
	}
	if err := m.observeDeclared(ctx, seen); err != nil {
		return nil, err
	}
	if err := m.observeRunning(ctx, seen); err != nil {
		return nil, err
	}
	if err := m.freezeAgain(ctx, seen); err != nil {
		return nil, err
	}
	if err := m.observeWanted(ctx, seen); err != nil {
		return nil, err
	}
	m.observeLate(ctx, seen)
	seen.rebuild(m.routers.of(model.Name))
	m.observeEvaluations(seen)
	seen.routers = m.routers.of(model.Name)
	m.observeHistory(ctx, seen)
	seen.needed = m.needed(seen)
	seen.judge = m.judged(seen)
	return seen, nil
}

// observeDeclared reads what people declared around the model, and says whether the model can be acted upon.
func (m *models) observeDeclared(ctx context.Context, seen *observed) error {
	var registries suokev1.ModelRegistryList
	if err := m.Client.List(ctx, &registries, client.InNamespace(seen.model.Namespace)); err != nil {
		return fmt.Errorf("listing ModelRegistries: %w", err)
	}
	around := Surroundings{Agents: m.Agents, Runtimes: m.Runtimes, Autoscaling: m.autoscales, Registries: map[string]suokev1.ModelRegistry{}}
	for _, registry := range registries.Items {
		around.Registries[registry.Name] = registry
	}
	seen.verdict = AcceptModel(seen.model, around)
	seen.scaling, seen.counter = seen.autoscaling(around)
	if seen.verdict.Accepted {
		seen.place, _ = around.place(seen.model) // it was accepted
	}

	var declared suokev1.ModelVersionList
	if err := m.Client.List(ctx, &declared, client.InNamespace(seen.model.Namespace), client.MatchingFields{ofModel: seen.model.Name}); err != nil {
		return fmt.Errorf("listing ModelVersions: %w", err)
	}
	seen.versions = declared.Items
	seen.release = describes(seen.versions, seen.model.Name, seen.model.Spec.Version)
	return nil
}

// observeWanted finds the version that the spec asks for. What a person must put right is not an error here.
func (m *models) observeWanted(ctx context.Context, seen *observed) error {
	if !seen.verdict.Accepted {
		m.inquiries.forget(tagOf(seen.model.Name), credentialsOf(seen.model.Name))
		return nil
	}
	f, unproven, err := m.wanted(ctx, seen.model, seen.known, seen.place)
	if err != nil {
		if p, ours := problem(err); ours {
			m.inquiries.forget(tagOf(seen.model.Name), credentialsOf(seen.model.Name))
			seen.trouble = &Problem{Reason: p.Reason, Err: err}
			return nil
		}
		return err
	}
	seen.wanted = rollout.ID(f.Version.ID)
	seen.known[seen.wanted], seen.unproven = f, unproven
	seen.tag = m.observeTag(seen.model, f, seen.place)
	return nil
}

// observeRunning reads the objects of the model's versions.
func (m *models) observeRunning(ctx context.Context, seen *observed) error {
	var deployments appsv1.DeploymentList
	var autoscalers autoscalingv2.HorizontalPodAutoscalerList
	var services corev1.ServiceList
	var pods corev1.PodList
	var jobs batchv1.JobList
	in := client.InNamespace(seen.model.Namespace)
	of := client.MatchingFields{ofModel: ref.LabelValue(seen.model.Name)}
	if err := errors.Join(
		m.Client.List(ctx, &deployments, in, of), m.Client.List(ctx, &services, in, of),
		m.Client.List(ctx, &pods, in, of), m.Client.List(ctx, &jobs, in, of),
	); err != nil {
		return fmt.Errorf("listing the objects of %s: %w", seen.model.Name, err)
	}
	if m.autoscales {
		if err := m.Client.List(ctx, &autoscalers, in, of); err != nil {
			return fmt.Errorf("listing the autoscalers of %s: %w", seen.model.Name, err)
		}
	}
	seen.deployments = byVersion(seen.model, deployments.Items)
	seen.autoscalers = byVersion(seen.model, autoscalers.Items)
	seen.services = byVersion(seen.model, services.Items)
	seen.jobs = map[rollout.ID][]*batchv1.Job{}
	for i := range jobs.Items {
		if j := &jobs.Items[i]; metav1.IsControlledBy(j, seen.model) && j.DeletionTimestamp.IsZero() {
			seen.jobs[versionOf(j)] = append(seen.jobs[versionOf(j)], j)
		}
	}
	seen.pods = map[rollout.ID][]*corev1.Pod{}
	for i := range pods.Items {
		p := &pods.Items[i]
		seen.pods[versionOf(p)] = append(seen.pods[versionOf(p)], p)
	}
	return nil
}

// byVersion are those of the objects that belong to the model and are not on their way out.
func byVersion[T any, P interface {
	*T
	client.Object
}](model *suokev1.AIModel, all []T) map[rollout.ID]P {
	by := map[rollout.ID]P{}
	for i := range all {
		if o := P(&all[i]); metav1.IsControlledBy(o, model) && o.GetDeletionTimestamp().IsZero() {
			by[versionOf(o)] = o
		}
	}
	return by
}

// versionOf is the version that an object belongs to, or that the Pod of an evaluation asks.
func versionOf(o client.Object) rollout.ID { return rollout.ID(manifest.VersionOf(o.GetLabels())) }

// observation is what the engine needs of all that.
func (seen *observed) observation() rollout.Observation {
	o := rollout.Observation{Versions: map[rollout.ID]rollout.Version{}, Routers: seen.routers, Needed: seen.needed, Judgement: seen.judge.judgement(seen.memory.state)}
	if seen.wanted != "" {
		o.Wanted = rollout.Wanted{ID: seen.wanted, Version: seen.model.Spec.Version}
	}
	for id, f := range seen.known {
		v := rollout.Version{Version: f.Version.Version, Evaluation: seen.evaluations[id].engine()}
		if id == seen.unlearned && (v.Evaluation.Outcome == rollout.EvaluationPassed || v.Evaluation.Outcome == rollout.EvaluationDisabled) {
			v.Evaluation.Outcome, v.Evaluation.Message = rollout.EvaluationPending, "what stable's last day says about judging it is being found out"
		}
		v.Ready = len(seen.readyPods(id))
		if d := seen.deployments[id]; d != nil && d.Spec.Replicas != nil {
			v.Pods = int(*d.Spec.Replicas)
			v.Ready = min(v.Ready, v.Pods) // those beyond are going
		}
		v.StuckReason, v.StuckMessage = stuck(seen.servers(id))
		o.Versions[id] = v
	}
	return o
}

// servers are a version's Pods that serve or are to serve.
func (seen *observed) servers(id rollout.ID) []*corev1.Pod {
	var all []*corev1.Pod
	for _, pod := range seen.pods[id] {
		if pod.Labels["app.kubernetes.io/component"] == manifest.ServerContainer && pod.DeletionTimestamp.IsZero() {
			all = append(all, pod)
		}
	}
	return all
}

func (seen *observed) readyPods(id rollout.ID) []*corev1.Pod {
	var ready []*corev1.Pod
	for _, pod := range seen.servers(id) {
		if podReady(pod) && pod.Status.PodIP != "" {
			ready = append(ready, pod)
		}
	}
	return ready
}

func podReady(pod *corev1.Pod) bool {
	if !pod.DeletionTimestamp.IsZero() {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// stuck says why Pods do not come up, as the scheduler or the kubelet put it.
func stuck(pods []*corev1.Pod) (reason, message string) {
	for _, pod := range pods {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
				return suokev1.ReasonUnschedulable, fmt.Sprintf("no node takes Pod %s: %s", pod.Name, c.Message)
			}
		}
		for _, s := range pod.Status.InitContainerStatuses {
			if why := failing(s); why != "" {
				return suokev1.ReasonPodFailing, fmt.Sprintf("Pod %s cannot fetch the model: %s", pod.Name, why)
			}
		}
		for _, s := range pod.Status.ContainerStatuses {
			if why := failing(s); why != "" {
				return suokev1.ReasonPodFailing, fmt.Sprintf("Pod %s cannot serve the model: %s", pod.Name, why)
			}
		}
	}
	return "", ""
}

// failing says why a container that ended before does not run now, empty if it does or has not begun.
func failing(s corev1.ContainerStatus) string {
	last := s.LastTerminationState.Terminated
	if s.State.Terminated != nil {
		last = s.State.Terminated
	}
	if s.Ready || s.State.Running != nil || last != nil && last.ExitCode == 0 {
		return ""
	}
	if last != nil && last.Message != "" {
		return tail(last.Message)
	}
	if w := s.State.Waiting; w != nil && (last != nil || w.Reason == "ErrImagePull" || w.Reason == "ImagePullBackOff" || w.Reason == "ErrImageNeverPull" || w.Reason == "InvalidImageName") {
		return w.Reason + ": " + w.Message
	}
	if last != nil {
		return fmt.Sprintf("it ends with exit code %d (%s)", last.ExitCode, last.Reason)
	}
	return ""
}
