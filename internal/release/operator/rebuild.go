package operator

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// rebuild makes a memory of what people were shown and of what runs, where the ConfigMap of a model is gone: somebody
// deleted it. Traffic goes on to what was stable, and what was wanted is begun anew. Of a model that is new nothing remains.
func (seen *observed) rebuild(routers []rollout.Router) {
	if seen.memory.object != nil {
		return
	}
	remains := rollout.Remains{
		Stable: seen.shownStable(), Running: map[rollout.ID]int{}, Refused: seen.shownRefused(), Attempts: map[string]int{}, History: seen.shownHistory(),
	}
	for id, d := range seen.deployments {
		if _, known := seen.known[id]; known && d.Spec.Replicas != nil {
			remains.Running[id] = int(*d.Spec.Replicas)
		}
	}
	for _, r := range routers {
		remains.Revision = max(remains.Revision, r.AppliedRevision)
	}
	for _, v := range seen.ofThisModel() {
		if v.Status.Attempt > 0 {
			remains.Attempts[v.Spec.Version] = int(v.Status.Attempt)
		}
	}
	seen.memory.state = rollout.Recover(remains, seen.now)
	seen.memory.generation = seen.model.Status.ObservedGeneration
	seen.memory.asked = askedFor(seen.model)
}

// ofThisModel are the ModelVersions that tell of this very model, and not of one before it with the same name.
func (seen *observed) ofThisModel() []suokev1.ModelVersion {
	return slices.DeleteFunc(slices.Clone(seen.versions), func(v suokev1.ModelVersion) bool {
		return !metav1.IsControlledBy(&v, seen.model)
	})
}

// shownStable is the version that the status calls stable: of several Pod templates the one with the most ready Pods, and
// of two such the older.
func (seen *observed) shownStable() rollout.ID {
	ids := seen.named(seen.model.Status.StableVersion)
	slices.SortStableFunc(ids, func(a, b rollout.ID) int { return cmp.Compare(len(seen.readyPods(b)), len(seen.readyPods(a))) })
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// named are the known versions that people write so, oldest first.
func (seen *observed) named(version string) []rollout.ID {
	var ids []rollout.ID
	for _, f := range slices.Backward(newestFirst(seen.known)) {
		if version != "" && f.Version.Version == version {
			ids = append(ids, rollout.ID(f.Version.ID))
		}
	}
	return ids
}

// shownRefused is the wanted version, if the status says that it was refused and it is what spec asked for then.
func (seen *observed) shownRefused() map[rollout.ID]rollout.Refusal {
	status := seen.model.Status
	held := meta.IsStatusConditionTrue(status.Conditions, suokev1.ConditionDegraded) || status.Phase == suokev1.ModelFailed
	if !held || seen.wanted == "" || status.ObservedGeneration != seen.model.Generation {
		return nil
	}
	for _, h := range slices.Backward(seen.shownHistory()) {
		if h.ID == seen.wanted {
			if h.To != rollout.Rollback {
				return nil
			}
			return map[rollout.ID]rollout.Refusal{seen.wanted: {Version: h.Version, Reason: h.Reason, Message: h.Message, At: h.At}}
		}
	}
	return nil
}

// shownHistory is what the ModelVersions tell, oldest first.
func (seen *observed) shownHistory() []rollout.Transition {
	stable := seen.shownStable()
	var all []rollout.Transition
	for _, v := range seen.ofThisModel() {
		ids := seen.named(v.Spec.Version)
		if len(ids) == 0 {
			continue
		}
		id := ids[len(ids)-1]
		if slices.Contains(ids, stable) && v.Spec.Version != seen.model.Spec.Version {
			id = stable
		}
		for _, h := range v.Status.PromotionHistory {
			reason, message := splitReason(h.Reason)
			all = append(all, rollout.Transition{
				ID: id, Version: v.Spec.Version, From: rollout.Phase(h.FromPhase), To: rollout.Phase(h.ToPhase), At: h.Timestamp.Time, Reason: reason, Message: message,
			})
		}
	}
	slices.SortStableFunc(all, func(a, b rollout.Transition) int { return a.At.Compare(b.At) })
	return all
}

// forgotten says that the memory of a version that was released is gone: what is shown of it is what it is recovered from.
func (seen *observedVersion) forgotten() bool {
	return seen.verdict.Accepted && seen.memory.object == nil && seen.version.Status.Attempt > 0
}
