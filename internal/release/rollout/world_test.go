package rollout_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/suoke-life/suoke/internal/release/rollout"
)

// world is what the engine decides about: it applies decisions, and lets everything else happen when a test says so.
type world struct {
	now      time.Time
	state    rollout.State
	policy   rollout.Policy
	wanted   rollout.Wanted
	versions map[rollout.ID]rollout.Version
	replicas map[rollout.ID]int
	routers  []rollout.Router
	// needed Pods for all requests together, as an autoscaler counts them.
	needed int
	// splits by revision, and when each was confirmed by every ready router.
	splits    map[int64]map[rollout.ID]int
	confirmed map[int64]time.Time
	// judged is what was counted of a candidate, as the first return value of release names it.
	judged map[string]rollout.Judgement
	served map[rollout.ID]bool
	// unwatched versions became stable, or stayed it, without being judged for a whole rollback window.
	unwatched map[rollout.ID]bool
	chronicle chronicle
	seen      rollout.Observation
	last      rollout.Decision
	fault     string
	decisions int
}

func newWorld() *world {
	return &world{
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		policy: rollout.Policy{
			Model: "m", Strategy: rollout.RollingUpdate, Replicas: 1, RollbackEnabled: true, ProgressDeadline: 10 * time.Minute,
			ScaleDownDelay: 10 * time.Minute,
		},
		versions: map[rollout.ID]rollout.Version{}, replicas: map[rollout.ID]int{},
		splits: map[int64]map[rollout.ID]int{}, confirmed: map[int64]time.Time{},
		judged: map[string]rollout.Judgement{}, served: map[rollout.ID]bool{}, unwatched: map[rollout.ID]bool{},
	}
}

// id of a version: other than its name, as in a cluster.
func id(version string) rollout.ID { return rollout.ID("m-" + version) }

// release that is judged, by candidate and attempt: the one under way, or the last in its rollback window.
func (w *world) release() (string, bool) {
	switch {
	case w.state.Release != nil:
		return fmt.Sprintf("%s %d", w.state.Release.Candidate, w.state.Release.Attempt), true
	case w.state.Watch != nil:
		return fmt.Sprintf("%s %d", w.state.Watch.Candidate, w.state.Watch.Attempt), true
	default:
		return "", false
	}
}

func (w *world) want(version string) {
	if version == "" {
		w.wanted = rollout.Wanted{}
		return
	}
	w.wanted = rollout.Wanted{ID: id(version), Version: written(version)}
	w.know(version)
}

// written is a version as people write it: v2' is v2 with another Pod template.
func written(version string) string { return strings.TrimSuffix(version, "'") }

func (w *world) know(version string) {
	if _, known := w.versions[id(version)]; !known {
		w.versions[id(version)] = rollout.Version{Version: written(version)}
	}
}

func (w *world) change(version string, change func(*rollout.Version)) {
	w.know(version)
	v := w.versions[id(version)]
	change(&v)
	w.versions[id(version)] = v
}

func (w *world) observation() rollout.Observation {
	o := rollout.Observation{Wanted: w.wanted, Versions: maps.Clone(w.versions), Routers: slices.Clone(w.routers), Needed: w.needed}
	for version, v := range o.Versions {
		v.Pods = w.replicas[version]
		o.Versions[version] = v
	}
	if r := w.state.Release; w.state.Watch != nil || r != nil && !r.FirstWeightAt.IsZero() {
		name, _ := w.release()
		o.Judgement = w.judged[name]
	}
	return o
}

// decide takes one decision and holds it against the invariants.
func (w *world) decide() rollout.Decision {
	w.decisions++
	w.noteConfirmed() // routers that are not ready any more confirm by that
	seen := w.observation()
	before := stored(w.state)
	d := rollout.Decide(w.state, w.policy, seen, w.now)
	w.seen = seen
	w.expect(cmp.Equal(before, w.state, cmpopts.EquateEmpty()), "Decide changed the state that it was given")
	w.expect(cmp.Equal(d, rollout.Decide(stored(w.state), w.policy, seen, w.now.Local()), cmpopts.EquateEmpty()), "the same question was answered differently")
	w.checkSplit(before, d)
	w.checkCapacity(d)
	return d
}

// remember is the first write of a decision.
func (w *world) remember(d rollout.Decision) {
	err := w.chronicle.note(entry{at: w.now, seen: w.seen, policy: w.policy, before: w.state, after: stored(d.State), replicas: d.Replicas})
	w.expect(err == nil, "%v", err)
	if stable := d.State.Stable; d.State.Watch == nil && (stable != w.state.Stable || w.state.Watch != nil) {
		w.unwatched[stable] = true
	} else if d.State.Watch != nil {
		delete(w.unwatched, stable)
	}
	w.state, w.last = stored(d.State), d
	w.splits[d.State.Revision] = d.State.Weights
	for version := range d.State.Weights {
		w.served[version] = true
	}
}

// stored is a state as it comes back from where it is kept.
func stored(s rollout.State) rollout.State {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	var back rollout.State
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	return back
}

// apply scales what the decision names, the first so many changes, in the order of their names.
func (w *world) apply(d rollout.Decision, changes int) {
	for _, version := range slices.Sorted(maps.Keys(w.versions)) {
		if changes == 0 {
			return
		}
		pods := d.Replicas[version]
		if most := w.policy.MaxReplicas; most > 0 && pods > 0 {
			pods = max(pods, min(w.replicas[version], most)) // what the autoscaler gave it stays
		}
		if w.replicas[version] == pods {
			continue
		}
		changes--
		w.scale(version, pods)
	}
}

// scale is what a Deployment is to have; Pods beyond it are not ready any more.
func (w *world) scale(version rollout.ID, pods int) {
	w.replicas[version] = pods
	v := w.versions[version]
	v.Ready = min(v.Ready, pods)
	w.versions[version] = v
}

// autoscale lets an autoscaler give a version that runs so many Pods, within its bounds.
func (w *world) autoscale(version rollout.ID, pods int) {
	if w.policy.MaxReplicas > 0 && w.replicas[version] > 0 {
		w.scale(version, max(w.last.Replicas[version], min(pods, w.policy.MaxReplicas)))
	}
}

// lose forgets the state and recovers what remains: what people were shown, what runs and what routers applied.
func (w *world) lose() {
	remains := rollout.Remains{
		Stable: w.state.Stable, Running: map[rollout.ID]int{}, Refused: w.state.Refused, Attempts: w.state.Attempts, History: slices.Clone(w.state.History),
	}
	for version, n := range w.replicas {
		if n > 0 {
			remains.Running[version] = n
		}
	}
	for _, r := range w.routers {
		remains.Revision = max(remains.Revision, r.AppliedRevision)
	}
	recovered := stored(rollout.Recover(remains, w.now))
	w.chronicle.lost(w.now, w.state, recovered)
	w.state = recovered
	w.splits[recovered.Revision] = recovered.Weights
	w.unwatched[recovered.Stable] = true
}

const everything = -1

// turn decides and applies.
func (w *world) turn() {
	d := w.decide()
	w.remember(d)
	w.apply(d, everything)
}

// confirm lets a router take on the split.
func (w *world) confirm(i int) {
	w.routers[i].AppliedRevision = w.state.Revision
	w.noteConfirmed()
}

func (w *world) setReady(i int, ready bool) {
	if ready && !w.routers[i].Ready {
		w.routers[i].AppliedRevision, w.routers[i].Since = w.state.Revision, w.now // it reads the route before it is ready
	}
	w.routers[i].Ready = ready
	w.noteConfirmed()
}

func (w *world) noteConfirmed() {
	for _, r := range w.routers {
		if r.Ready && r.AppliedRevision != w.state.Revision {
			return
		}
	}
	if w.confirmed[w.state.Revision].IsZero() {
		w.confirmed[w.state.Revision] = w.now
	}
}

// podsReady lets every wanted Pod come up.
func (w *world) podsReady() {
	for version, n := range w.replicas {
		v := w.versions[version]
		v.Ready = n
		w.versions[version] = v
	}
}

// expect keeps the first thing that does not hold.
func (w *world) expect(holds bool, format string, args ...any) {
	if !holds && w.fault == "" {
		w.fault = fmt.Sprintf("decision %d: ", w.decisions) + fmt.Sprintf(format, args...)
	}
}

// checkSplit holds a decision's weights against what may be.
func (w *world) checkSplit(before rollout.State, d rollout.Decision) {
	after := d.State
	sum := 0
	for version, weight := range after.Weights {
		sum += weight
		w.expect(weight > 0, "%s has weight %d", version, weight)
		w.expect(version == after.Stable || after.Release != nil && version == after.Release.Candidate, "%s has weight and is neither stable nor candidate", version)
	}
	w.expect(sum == 0 || sum == 100, "weights sum to %d", sum)
	same := cmp.Equal(before.Weights, after.Weights, cmpopts.EquateEmpty()) && before.Stable == after.Stable
	w.expect(same == (before.Revision == after.Revision), "revision %d became %d, weights %v became %v", before.Revision, after.Revision, before.Weights, after.Weights)
	w.expect(after.Revision <= before.Revision+1, "two splits in one decision")
	w.expect(len(after.History) <= 150, "%d transitions are kept", len(after.History))
	for version, weight := range after.Weights {
		if weight > before.Weights[version] {
			w.checkRaise(before, after, version, weight)
		}
	}
	w.checkEnd(before, after)
}

// checkRaise: a weight is raised within ready capacity and after the evaluation, or returned to stable in one write.
func (w *world) checkRaise(before, after rollout.State, version rollout.ID, weight int) {
	v := w.versions[version]
	if version == before.Stable {
		ended := before.Release != nil && (after.Release == nil || after.Release.Candidate != before.Release.Candidate)
		if ended && before.Release.Strategy != rollout.RollingUpdate && !w.stranded(before) {
			w.expect(weight == 100, "an abort returned %d %%", weight)
			return
		}
	} else {
		outcome, was := v.Evaluation.Outcome, before.Watch != nil && version == before.Watch.Previous
		w.expect(was || outcome == rollout.EvaluationPassed || outcome == rollout.EvaluationDisabled, "%s got weight while its evaluation is %q", version, outcome)
	}
	n := w.least(before)
	w.expect(100*v.Ready >= weight*n, "%s was raised to %d %% with %d of %d Pods ready", version, weight, v.Ready, n)
}

// least Pods that all of the traffic needs, as far as that can be seen in this moment: an autoscaler's stable has at most what
// it is asked for.
func (w *world) least(s rollout.State) int {
	if w.policy.MaxReplicas == 0 {
		return w.policy.Replicas
	}
	return max(w.policy.Replicas, min(w.policy.MaxReplicas, max(w.needed, w.replicas[s.Stable])))
}

// stranded: only the candidate can answer.
func (w *world) stranded(s rollout.State) bool {
	return w.versions[s.Stable].Ready == 0 && w.versions[s.Release.Candidate].Ready > 0
}

// checkEnd: a release that ends gives everything back at once, but for a rolling update's, and where nobody is there to take it.
func (w *world) checkEnd(before, after rollout.State) {
	for _, h := range after.History[min(len(after.History), len(before.History)):] {
		w.expect(h.Reason != "" && h.Message != "" && h.Version != "", "a transition says too little: %+v", h)
		r := before.Release
		if h.To != rollout.Rollback || r == nil || r.Strategy == rollout.RollingUpdate || before.Weights[r.Candidate] == 0 || w.stranded(before) {
			continue
		}
		w.expect(after.Stable == "" || after.Weights[after.Stable] == 100, "after an abort stable has %d %%", after.Weights[after.Stable])
	}
}

// checkCapacity: no version is shrunk below what a ready router may still send to it.
func (w *world) checkCapacity(d rollout.Decision) {
	if r := d.State.Release; r != nil && d.State.Stable != "" && (r.Strategy != rollout.RollingUpdate || r.Returning != nil) {
		n := w.policy.Replicas
		if w.state.Release != nil { // one that begins now is heeded from the next decision on
			n = w.least(w.state)
		}
		w.expect(d.Replicas[d.State.Stable] >= n, "in mid-release stable is to have %d of %d Pods", d.Replicas[d.State.Stable], n)
	}
	for version, pods := range w.replicas {
		if d.Replicas[version] >= pods || !w.served[version] {
			continue
		}
		for _, r := range w.routers {
			if r.Ready {
				needed := w.policy.Replicas * w.splits[r.AppliedRevision][version] / 100
				w.expect(d.Replicas[version] >= needed, "%s shrinks to %d Pods while router %s needs %d", version, d.Replicas[version], r.Name, needed)
			}
		}
		if d.Replicas[version] == 0 {
			w.checkDrained(version)
		}
	}
}

// checkDrained: a version goes once a split without it was confirmed, and no request to it can be under way.
func (w *world) checkDrained(version rollout.ID) {
	var since time.Time
	for revision := w.state.Revision; revision > 0 && w.splits[revision][version] == 0; revision-- {
		if at := w.confirmed[revision]; !at.IsZero() {
			since = at
		}
	}
	w.expect(!since.IsZero(), "%s goes before a split without it was confirmed", version)
	for _, r := range w.routers {
		drained := r.InFlight[version] == 0 || w.now.Sub(since) >= time.Minute
		w.expect(drained, "%s goes with %d requests in flight", version, r.InFlight[version])
	}
}
