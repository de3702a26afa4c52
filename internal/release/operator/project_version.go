package operator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// keptTransitions are shown of a version.
const keptTransitions = 50

// projectVersion is the status that follows from the memory of the version's model.
func projectVersion(seen *observedVersion, now time.Time) *suokev1.ModelVersionStatus {
	status := seen.version.Status.DeepCopy()
	status.ObservedGeneration = seen.version.Generation
	set := func(kind string, value metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: reason, Message: shorten(message, 4096),
			ObservedGeneration: seen.version.Generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	if !seen.verdict.Accepted {
		set(suokev1.ConditionAccepted, metav1.ConditionFalse, seen.verdict.Reason, seen.verdict.Message)
		if seen.verdict.Reason == suokev1.ReasonInvalid { // its version may serve all the same
			seen.place(status)
			return status
		}
		// What another ModelVersion tells is not told twice.
		status.Phase, status.PromotionHistory, status.Weight = suokev1.VersionDraft, nil, 0
		meta.RemoveStatusCondition(&status.Conditions, suokev1.ConditionProgressing)
		meta.RemoveStatusCondition(&status.Conditions, suokev1.ConditionValidated)
		return status
	}
	name, under := seen.version.Spec.Version, seen.underWay() != nil
	seen.place(status)
	action := acceptAction(seen.version.Spec.Action, name, status.Phase, seen.memory.state)
	set(suokev1.ConditionAccepted, truth(action.Accepted), action.Reason, action.Message)
	if seen.memory.judge.Version == name {
		status.Evidence = seen.memory.judge.evidence()
		status.Metrics = seen.memory.judge.metrics()
	}
	seen.measure(status)
	wanted := under || name == seen.model.Spec.Version
	if wanted {
		seen.copyCondition(suokev1.ConditionValidated, set)
	}
	if len(status.PromotionHistory) > 0 && !under && !seen.waits() {
		// What the model's status says may be of a moment before the release ended.
		reason, message := splitReason(status.PromotionHistory[len(status.PromotionHistory)-1].Reason)
		set(suokev1.ConditionProgressing, metav1.ConditionFalse, reason, message)
	} else if wanted {
		seen.copyCondition(suokev1.ConditionProgressing, set)
	}
	return status
}

// place says where the version is: its phase and the way there, its weight, step and attempt.
func (seen *observedVersion) place(status *suokev1.ModelVersionStatus) {
	name, state := seen.version.Spec.Version, seen.memory.state
	status.Phase, status.PromotionHistory = phases(state.History, name)
	status.Weight = seen.memory.weight(name)
	status.StepIndex = 0
	status.Attempt = int32(state.Attempts[name]) //nolint:gosec // counts releases
	switch release := seen.underWay(); {
	case release != nil:
		status.StepIndex = int32(max(release.Step, 0)) //nolint:gosec // an index into at most 32 steps
		if status.Phase == suokev1.VersionDraft {
			status.Phase = suokev1.VersionTesting
		}
	case status.Weight == 100:
		// Another template of the same version may have been returned since.
		status.Phase = suokev1.VersionProduction
	}
}

// underWay is the release of the version, nil if none is under way.
func (seen *observedVersion) underWay() *rollout.Release {
	if r := seen.memory.state.Release; r != nil && r.Version == seen.version.Spec.Version {
		return r
	}
	return nil
}

// waits says that the version is to be released and a pause keeps it from beginning.
func (seen *observedVersion) waits() bool {
	c := meta.FindStatusCondition(seen.model.Status.Conditions, suokev1.ConditionProgressing)
	return seen.version.Spec.Version == seen.model.Spec.Version && c != nil && c.Status == metav1.ConditionFalse && c.Reason == suokev1.ReasonPaused
}

// measure shows the accuracy of a version that was evaluated, also where no canary was judged.
func (seen *observedVersion) measure(status *suokev1.ModelVersionStatus) {
	results := seen.model.Status.ValidationResults
	if results == nil || results.Version != seen.version.Spec.Version || results.Metrics.Accuracy == nil {
		return
	}
	if status.Metrics == nil {
		status.Metrics = &suokev1.VersionMetrics{}
	}
	status.Metrics.Accuracy = results.Metrics.Accuracy
}

// copyCondition says of the version what is said of its model, if that is of the present spec.
func (seen *observedVersion) copyCondition(kind string, set func(kind string, value metav1.ConditionStatus, reason, message string)) {
	c := meta.FindStatusCondition(seen.model.Status.Conditions, kind)
	if c != nil && seen.model.Status.ObservedGeneration == seen.model.Generation {
		set(kind, c.Status, c.Reason, c.Message)
	}
}

// phases is a version's way, and where it is now.
func phases(history []rollout.Transition, version string) (suokev1.VersionPhase, []suokev1.Transition) {
	phase := suokev1.VersionDraft
	var all []suokev1.Transition
	for _, t := range history {
		if t.Version != version {
			continue
		}
		phase = suokev1.VersionPhase(t.To)
		all = append(all, suokev1.Transition{
			FromPhase: suokev1.VersionPhase(t.From), ToPhase: phase, Timestamp: whole(t.At), Reason: joinReason(t.Reason, t.Message),
		})
	}
	return phase, all[max(0, len(all)-keptTransitions):]
}

// joinReason and splitReason go between a reason with its message and the one text that a history shows.
func joinReason(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}

func splitReason(text string) (reason, message string) {
	reason, message, _ = strings.Cut(text, ": ")
	return reason, message
}

// applyGenerated makes a ModelVersion for a version that has weight and that nobody describes.
func (m *models) applyGenerated(ctx context.Context, seen *observed, made decided) error {
	for id, weight := range made.State.Weights {
		name := seen.versionName(id)
		if weight == 0 || describes(seen.versions, seen.model.Name, name) != nil {
			continue
		}
		version := Generated(seen.model, string(id), name, "Made by the operator, as no ModelVersion says how this version is released. One that does takes its place.")
		if err := m.Client.Create(ctx, version, client.FieldOwner(FieldManager)); err != nil {
			return fmt.Errorf("generating the ModelVersion of %s %s: %w", seen.model.Name, name, err)
		}
	}
	return nil
}

// Generated is a ModelVersion that releases a version by the defaults, for one that nobody describes: a person's takes its
// place. Its ID is its name.
func Generated(model *suokev1.AIModel, id, version, description string) *suokev1.ModelVersion {
	made := &suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{
			Name: id, Namespace: model.Namespace,
			Labels:          map[string]string{LabelGenerated: "true", "app.kubernetes.io/part-of": "suoke"},
			OwnerReferences: []metav1.OwnerReference{owner(model)},
		},
		Spec: defaultRelease(),
	}
	made.Spec.ModelRef, made.Spec.Version, made.Spec.Description = model.Name, version, description
	return made
}

// weight is what the route gives to a version.
func (m memory) weight(version string) int32 {
	sum := 0
	for _, v := range m.route.Versions {
		if v.Version == version {
			sum += v.Weight
		}
	}
	return int32(sum)
}

// whole is a time as the API server keeps it: a status with more would differ from itself for ever.
func whole(at time.Time) metav1.Time { return metav1.NewTime(at.Truncate(time.Second)) }
