// Package view shows people where the release of a model is: as a tree, in sentences, and as a history. It makes them of
// what the cluster's objects say, and neither asks the cluster nor reads a clock.
//
// Everything shown is said by a status; the package adds what follows from it and from the specs: what comes next, and
// what a person can do about it. It decides nothing, and what it says may be a second old.
package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// Seen is what was read from the cluster about one model.
type Seen struct {
	Model suokev1.AIModel
	// Versions are its ModelVersions; those of other models are left out.
	Versions []suokev1.ModelVersion
	// Pods are those that serve it, by the version that they serve.
	Pods map[string][]corev1.Pod
}

// Release is where a model's release is.
type Release struct {
	Model  string `json:"model"`
	Agent  string `json:"agent"`
	Wanted string `json:"wanted"`
	// Stable serves, and Candidate is on its way; empty if there is none.
	Stable    string             `json:"stable,omitempty"`
	Candidate string             `json:"candidate,omitempty"`
	Phase     suokev1.ModelPhase `json:"phase,omitempty"`
	// Reason and Message are why it is there.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Refused says that the wanted version was refused or returned, Stopped that nothing was begun for it: what the AIModel
	// says cannot be honoured, or was not found.
	Refused bool `json:"refused,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
	Paused  bool `json:"paused,omitempty"`
	// Unseen says that the operator has not seen the last change of the AIModel yet.
	Unseen bool `json:"unseen,omitempty"`
	// Versions that serve, are wanted, or have Pods; stable first, then the candidate.
	Versions []Version `json:"versions"`

	seen Seen
}

// Version is one version of the model.
type Version struct {
	Version string               `json:"version"`
	Phase   suokev1.VersionPhase `json:"phase,omitempty"`
	// Weight in percent, as wanted.
	Weight  int32 `json:"weight"`
	Attempt int32 `json:"attempt,omitempty"`
	// Step is the step of the plan, from 1, and Steps how many it has, while the version is the candidate.
	Step     int                     `json:"step,omitempty"`
	Steps    int                     `json:"steps,omitempty"`
	Evidence *suokev1.Evidence       `json:"evidence,omitempty"`
	Metrics  *suokev1.VersionMetrics `json:"metrics,omitempty"`
	Pods     []Pod                   `json:"pods,omitempty"`
}

// Pod is one Pod of a version.
type Pod struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	// State is ready, or what it is waiting for.
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Restarts int32     `json:"restarts"`
}

// Of says where a model's release is.
func Of(seen Seen) Release {
	m := &seen.Model
	seen.Versions = slices.DeleteFunc(slices.Clone(seen.Versions), func(v suokev1.ModelVersion) bool { return v.Spec.ModelRef != m.Name })
	r := Release{
		Model: m.Name, Agent: m.Spec.AgentType, Wanted: m.Spec.Version, Stable: m.Status.StableVersion, Candidate: m.Status.CandidateVersion,
		Phase: m.Status.Phase, Paused: m.Spec.Paused, Unseen: m.Status.ObservedGeneration != m.Generation, seen: seen,
	}
	r.why(m.Status.Conditions)
	for _, name := range r.shown() {
		r.Versions = append(r.Versions, r.version(name))
	}
	return r
}

// why is the reason of the condition that says most.
func (r *Release) why(conditions []metav1.Condition) {
	accepted := meta.FindStatusCondition(conditions, suokev1.ConditionAccepted)
	degraded := meta.FindStatusCondition(conditions, suokev1.ConditionDegraded)
	progressing := meta.FindStatusCondition(conditions, suokev1.ConditionProgressing)
	switch {
	case accepted != nil && accepted.Status == metav1.ConditionFalse:
		r.Reason, r.Message, r.Stopped = accepted.Reason, accepted.Message, true
	case degraded != nil && degraded.Status == metav1.ConditionTrue:
		r.Reason, r.Message = degraded.Reason, degraded.Message
		r.Refused = refuses(r.Reason)
		r.Stopped = !r.Refused
	case progressing != nil:
		r.Reason, r.Message = progressing.Reason, progressing.Message
		r.Refused = r.Phase == suokev1.ModelFailed && refuses(r.Reason)
	}
}

// refuses says whether a reason is one for which a release ends badly.
func refuses(reason string) bool {
	return slices.Contains([]string{
		suokev1.ReasonEvaluationFailed, suokev1.ReasonEvaluationError, suokev1.ReasonProgressDeadline, suokev1.ReasonAborted,
		suokev1.ReasonErrorRate, suokev1.ReasonLatency, suokev1.ReasonDisagreement,
	}, reason)
}

// shown are the versions that a person should see.
func (r *Release) shown() []string {
	names := []string{r.Stable, r.Candidate, r.Wanted}
	var others []string
	for name, pods := range r.seen.Pods {
		if len(pods) > 0 {
			others = append(others, name)
		}
	}
	for _, v := range r.seen.Versions {
		if v.Status.Weight > 0 {
			others = append(others, v.Spec.Version)
		}
	}
	slices.Sort(others)
	var all []string
	for _, name := range append(names, others...) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func (r *Release) version(name string) Version {
	v := Version{Version: name}
	for _, share := range r.seen.Model.Status.Traffic {
		if share.Version == name {
			v.Weight = share.Weight
		}
	}
	if mv := r.modelVersion(name); mv != nil {
		v.Phase, v.Weight, v.Attempt = mv.Status.Phase, mv.Status.Weight, mv.Status.Attempt
		v.Evidence, v.Metrics = mv.Status.Evidence, mv.Status.Metrics
		if name == r.Candidate {
			v.Steps = r.steps(name)
			v.Step = min(int(mv.Status.StepIndex)+1, v.Steps) // the plan may have become shorter
		}
	}
	for i := range r.seen.Pods[name] {
		v.Pods = append(v.Pods, pod(&r.seen.Pods[name][i]))
	}
	slices.SortFunc(v.Pods, func(a, b Pod) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Name, b.Name))
	})
	return v
}

// modelVersion is the one that counts for a version: the operator does not accept another.
func (r *Release) modelVersion(name string) *suokev1.ModelVersion {
	return Describing(r.seen.Versions, r.Model, name)
}

// Describing is the ModelVersion that counts for a version of a model, nil if there is none. Of several it is the one that
// the operator did not refuse as a duplicate.
func Describing(all []suokev1.ModelVersion, model, version string) *suokev1.ModelVersion {
	var best *suokev1.ModelVersion
	for i := range all {
		v := &all[i]
		if v.Spec.ModelRef != model || v.Spec.Version != version || !v.DeletionTimestamp.IsZero() {
			continue
		}
		if best == nil || duplicate(best) {
			best = v
		}
	}
	return best
}

func duplicate(v *suokev1.ModelVersion) bool {
	c := meta.FindStatusCondition(v.Status.Conditions, suokev1.ConditionAccepted)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == suokev1.ReasonDuplicate
}

// find is a shown version, the zero value if it is not shown.
func (r *Release) find(name string) Version {
	for _, v := range r.Versions {
		if v.Version == name {
			return v
		}
	}
	return Version{}
}

// ready counts the version's ready Pods.
func (v Version) ready() int {
	n := 0
	for _, p := range v.Pods {
		if p.Ready {
			n++
		}
	}
	return n
}

func pod(p *corev1.Pod) Pod {
	seen := Pod{Name: p.Name, Since: p.CreationTimestamp.Time, State: podState(p)}
	seen.Ready = seen.State == podReady
	for _, c := range p.Status.ContainerStatuses {
		seen.Restarts += c.RestartCount
	}
	return seen
}

const podReady = "ready"

// podState is ready, or the one thing that keeps the Pod from it.
func podState(p *corev1.Pod) string {
	if !p.DeletionTimestamp.IsZero() {
		return "finishing"
	}
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue:
			return podReady
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse:
			return "not scheduled"
		}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		switch w := c.State.Waiting; {
		case w != nil && w.Reason != "" && w.Reason != "PodInitializing":
			return w.Reason
		case c.State.Running != nil && !c.Ready:
			return c.Name + " is running"
		}
	}
	return "starting"
}
