package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// applyStatus writes what people see of a model, if it differs, and tells the changes as events.
func (m *models) applyStatus(ctx context.Context, seen *observed, made decided) error {
	m.Metrics.set(seen.model.Name, seen.known, made.State, seen.evaluations)
	before := seen.model.Status.DeepCopy()
	after := projectModel(seen, made)
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	now := metav1.NewTime(seen.now)
	after.LastUpdated = &now
	model := seen.model.DeepCopy()
	model.Status = *after
	if err := m.Client.Status().Patch(ctx, model, client.MergeFrom(seen.model), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("writing the status of %s: %w", model.Name, err)
	}
	m.tell(seen.model, before.Conditions, after.Conditions)
	return nil
}

// tell makes an event of every reason that a condition took on.
func (o *Operator) tell(object runtime.Object, before, after []metav1.Condition) {
	var told []string
	for _, c := range after {
		was := meta.FindStatusCondition(before, c.Type)
		if was != nil && was.Status == c.Status && was.Reason == c.Reason || slices.Contains(told, c.Reason) {
			continue
		}
		told = append(told, c.Reason)
		kind := corev1.EventTypeNormal
		if troubling(c) {
			kind = corev1.EventTypeWarning
		}
		o.Events.Eventf(object, nil, kind, c.Reason, "Reconcile", "%s", shorten(c.Message, 1000))
	}
}

// troubling says whether a condition is one that a person should look at.
func troubling(c metav1.Condition) bool {
	switch c.Type {
	case suokev1.ConditionAccepted:
		return c.Status == metav1.ConditionFalse
	case suokev1.ConditionValidated:
		return c.Status == metav1.ConditionFalse
	case suokev1.ConditionDegraded:
		return c.Status == metav1.ConditionTrue
	default:
		return slices.Contains([]string{
			suokev1.ReasonUnschedulable, suokev1.ReasonPodFailing, suokev1.ReasonRouterLagging, suokev1.ReasonArtifactInvalid, suokev1.ReasonArtifactNotFound,
			suokev1.ReasonRegistryUnreachable, suokev1.ReasonSecretNotFound, suokev1.ReasonSecretUnreadable, suokev1.ReasonDigestMismatch, suokev1.ReasonEvaluationError, suokev1.ReasonEvaluationFailed,
			suokev1.ReasonProgressDeadline, suokev1.ReasonRollbackDisabled, suokev1.ReasonErrorRate, suokev1.ReasonLatency, suokev1.ReasonDisagreement, suokev1.ReasonInvalid,
		}, c.Reason)
	}
}

// projectModel is the status that follows from what was observed and decided; it remembers nothing but when conditions
// changed.
func projectModel(seen *observed, made decided) *suokev1.AIModelStatus {
	status := seen.model.Status.DeepCopy()
	status.ObservedGeneration = seen.model.Generation
	status.StableVersion = seen.versionName(made.State.Stable)
	status.CandidateVersion, status.RollbackUntil = "", nil
	if made.State.Release != nil {
		status.CandidateVersion = made.State.Release.Version
	}
	if made.State.Watch != nil {
		status.RollbackUntil = new(whole(made.State.Watch.Until))
	}
	status.Artifact, status.ValidationResults = nil, nil
	if f, found := seen.known[seen.wanted]; found {
		status.Artifact = &suokev1.Artifact{Reference: f.Version.Reference, Digest: f.Version.Digest, SizeBytes: f.Version.SizeBytes}
		status.ValidationResults = seen.evaluations[seen.wanted].project(f.Version.Version)
	}
	status.Traffic = traffic(seen, made.State)
	status.DeploymentStatus = deploymentStatus(seen, made)

	now := situationOf(seen, made)
	status.Phase, status.Message = now.phase, now.message
	set := func(kind string, value metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: reason, Message: shorten(message, 4096),
			ObservedGeneration: seen.model.Generation, LastTransitionTime: metav1.NewTime(seen.now),
		})
	}
	set(suokev1.ConditionAccepted, truth(seen.verdict.Accepted), seen.verdict.Reason, seen.verdict.Message)
	if value, reason, message := seen.evaluations[seen.wanted].condition(); reason != "" && seen.wanted != "" {
		set(suokev1.ConditionValidated, value, reason, message)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, suokev1.ConditionValidated)
	}
	set(suokev1.ConditionReady, truth(now.serving), now.readyReason, now.readyMessage)
	set(suokev1.ConditionProgressing, truth(made.Progress.UnderWay), now.reason, now.message)
	if now.degraded {
		set(suokev1.ConditionDegraded, metav1.ConditionTrue, now.reason, now.message)
	} else if meta.FindStatusCondition(status.Conditions, suokev1.ConditionDegraded) != nil {
		set(suokev1.ConditionDegraded, metav1.ConditionFalse, now.reason, "the wanted version is not refused")
	}
	return status
}

// situation is where the wanted version is, in the words of the status.
type situation struct {
	phase           suokev1.ModelPhase
	reason, message string
	// serving says that a version has its traffic and Pods to answer it.
	serving                   bool
	readyReason, readyMessage string
	degraded                  bool
}

func situationOf(seen *observed, made decided) situation {
	state := made.State
	stable := seen.versionName(state.Stable)
	s := situation{reason: made.Progress.Reason, message: made.Progress.Message}
	ready := len(seen.readyPods(state.Stable))
	s.serving = state.Stable != "" && ready > 0
	switch {
	case state.Stable == "":
		s.readyReason, s.readyMessage = suokev1.ReasonNotServing, "no version serves yet"
	case ready == 0:
		s.readyReason, s.readyMessage = suokev1.ReasonNotServing, fmt.Sprintf("no Pod of %s is ready", stable)
	default:
		s.readyReason, s.readyMessage = suokev1.ReasonServing, stable+" serves"
	}
	refusal, isRefused := state.Refused[seen.wanted]
	switch {
	case !seen.verdict.Accepted:
		s.stopped(suokev1.ModelPending, seen.verdict.Reason, seen.verdict.Message)
	case seen.trouble != nil:
		s.stopped(suokev1.ModelPending, seen.trouble.Reason, seen.trouble.Error())
	case made.Progress.UnderWay:
		s.phase = underWay(seen, state)
	case isRefused:
		s.phase, s.degraded = suokev1.ModelReady, true
		switch {
		case state.Stable == "":
			s.phase, s.degraded = suokev1.ModelFailed, false
		case !s.serving:
			s.phase = suokev1.ModelDeploying // its Pods return
		}
		s.reason, s.message = refusal.Reason, fmt.Sprintf("%s was refused: %s", refusal.Version, refusal.Message)
	case seen.unproven != nil:
		s.stopped(suokev1.ModelPending, seen.unproven.Reason, seen.unproven.Error())
	case state.Stable == seen.wanted && s.serving:
		s.phase = suokev1.ModelReady
	case s.reason == suokev1.ReasonPaused:
		s.phase = suokev1.ModelPending
		if s.serving {
			s.phase = suokev1.ModelReady
		}
	default:
		s.phase = suokev1.ModelDeploying
	}
	if s.reason == "" {
		s.reason, s.message = s.readyReason, s.readyMessage
	}
	if seen.unproven != nil && s.message != seen.unproven.Error() {
		s.adds(seen.unproven.Error())
	}
	s.adds(seen.tag.sentence())
	return s
}

// adds says one more thing, which changes nothing of the rest.
func (s *situation) adds(sentence string) {
	if sentence != "" {
		s.message += "; " + sentence
	}
}

// stopped is the situation of a wanted version that nothing was started for; what serves goes on.
func (s *situation) stopped(phase suokev1.ModelPhase, reason, message string) {
	s.phase, s.reason, s.message, s.degraded = phase, reason, message, s.serving
	if s.serving {
		s.phase = suokev1.ModelReady
	}
}

// underWay is the phase of a model whose wanted version is being released.
func underWay(seen *observed, state rollout.State) suokev1.ModelPhase {
	if state.Release == nil {
		return suokev1.ModelDeploying
	}
	candidate := state.Release.Candidate
	switch {
	case state.Weights[candidate] > 0:
		return suokev1.ModelDeploying
	case len(seen.readyPods(candidate)) == 0:
		return suokev1.ModelDownloading
	case seen.evaluations[candidate].outcome != rollout.EvaluationPassed && seen.evaluations[candidate].outcome != rollout.EvaluationDisabled:
		return suokev1.ModelValidating
	default:
		return suokev1.ModelDeploying
	}
}

// traffic is the split as the routers applied it: the one wanted, once every ready router confirmed it; until then what
// was shown before.
func traffic(seen *observed, state rollout.State) []suokev1.TrafficShare {
	if !confirmed(seen.routers, state.Revision) || len(seen.routers) == 0 {
		return seen.model.Status.Traffic
	}
	shares := map[string]int32{}
	for id, weight := range state.Weights {
		if weight > 0 {
			shares[seen.versionName(id)] += int32(weight) //nolint:gosec // a percentage
		}
	}
	var all []suokev1.TrafficShare
	for version, weight := range shares {
		all = append(all, suokev1.TrafficShare{Version: version, Weight: weight})
	}
	slices.SortFunc(all, func(a, b suokev1.TrafficShare) int { return strings.Compare(a.Version, b.Version) })
	return all
}

// deploymentStatus sums the versions that carry weight.
func deploymentStatus(seen *observed, made decided) *suokev1.DeploymentStatus {
	sum := &suokev1.DeploymentStatus{RequiredReplicas: int32(min(made.Size, 1000))} //nolint:gosec // bounded here
	for id, weight := range made.State.Weights {
		if weight == 0 {
			continue
		}
		sum.ReadyReplicas += int32(len(seen.readyPods(id))) //nolint:gosec // a number of Pods
		sum.TotalReplicas += int32(len(seen.servers(id)))   //nolint:gosec // a number of Pods
		tell := func(kind, status, reason, message string, since metav1.Time) {
			meta.SetStatusCondition(&sum.Conditions, metav1.Condition{
				Type: kind, Status: metav1.ConditionStatus(status), LastTransitionTime: since, Reason: reason, Message: message,
			})
		}
		if d := seen.deployments[id]; d != nil {
			for _, c := range d.Status.Conditions {
				tell(string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime)
			}
		}
		if a := seen.autoscalers[id]; a != nil {
			for _, c := range a.Status.Conditions {
				tell(string(c.Type), string(c.Status), c.Reason, shorten(c.Message, 1000), c.LastTransitionTime)
			}
		}
	}
	return sum
}

// versionName is a version as people write it.
func (seen *observed) versionName(id rollout.ID) string {
	if f, known := seen.known[id]; known {
		return f.Version.Version
	}
	v, _ := seen.memory.route.Version(string(id))
	return v.Version
}

func truth(yes bool) metav1.ConditionStatus {
	if yes {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// shorten cuts a text to a number of bytes, at the boundary of a character.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// tail is the last line of a log.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return shorten(lines[len(lines)-1], 1000)
}
