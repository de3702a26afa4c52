package crash_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// hearsay is how long the operator may not know yet that a Pod went.
const hearsay = 2 * time.Second

// moment is the cluster as it stood after one change.
type moment struct {
	strategy suokev1.Strategy
	// rivals says that two operators act at once: no write spans a route and a Deployment, so one of them may take away what the
	// other gave traffic in the same moment. raised is when weights rose, by version's ID.
	rivals bool
	raised map[string]time.Time
	// robbed says that somebody deleted stable's Deployment or Pods.
	robbed   bool
	ready    map[string]map[string]bool // Pods by version's ID
	lost     map[string][]time.Time     // when Pods went, by version's ID
	replicas map[string]int             // of Deployments by version's ID
	passed   map[string]bool            // IDs whose evaluation passed
	weights  map[string]int
	// forgotten says that the memory was deleted: what the routers then serve is not known, and stable gets everything.
	forgotten bool
	wrong     []string
}

// audit goes through every revision of every object in their order, and tells where a promise was broken.
func (s *space) audit() []string {
	s.mu.Lock()
	changes := slices.Clone(s.changes)
	s.mu.Unlock()
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	m := &moment{strategy: s.story.strategy, rivals: s.rivals, raised: map[string]time.Time{}, ready: map[string]map[string]bool{}, lost: map[string][]time.Time{}, replicas: map[string]int{}, passed: map[string]bool{}}
	for _, c := range changes {
		if c.at == s.begun {
			m.wrong = nil // what was copied came in the order of copying
		}
		doomed := c.gone && s.doomed[c.is.GetUID()]
		m.robbed = m.robbed || doomed && versionOf(c.is.GetLabels()[manifest.LabelVersion]) == "v1"
		switch o := c.is.(type) {
		case *corev1.Pod:
			m.pod(o, c)
			if id := o.Labels[manifest.LabelVersion]; c.gone {
				m.lost[id] = append(m.lost[id], c.seen)
			}
		case *appsv1.ControllerRevision:
			m.frozen(o)
		case *appsv1.Deployment:
			m.deployment(o, c.gone)
		case *corev1.ConfigMap:
			switch {
			case o.Labels[route.Label] == "":
			case c.gone:
				m.forgotten = true
			default:
				m.route(o, c)
			}
		}
		if !doomed {
			m.capacity(c)
		}
	}
	return m.wrong
}

func (m *moment) pod(pod *corev1.Pod, c change) {
	id := manifest.VersionOf(pod.Labels)
	if accuracy, isOne := measured(pod); isOne && accuracy >= 0.9 {
		m.passed[id] = true
	}
	if pod.Labels["app.kubernetes.io/component"] != manifest.ServerContainer {
		return
	}
	if m.ready[id] == nil {
		m.ready[id] = map[string]bool{}
	}
	delete(m.ready[id], pod.Name)
	if !c.gone && isReady(pod) {
		m.ready[id][pod.Name] = true
	}
}

// lately is how many Pods a version lost without the operator having had time to hear of it.
func (m *moment) lately(id string, now time.Time) int {
	n := 0
	for _, at := range m.lost[id] {
		if now.Sub(at) < hearsay {
			n++
		}
	}
	return n
}

// frozen hears of an evaluation that was kept from an earlier release.
func (m *moment) frozen(revision *appsv1.ControllerRevision) {
	if revision.Annotations["suoke.life/evaluations"] != "" && versionOf(revision.Name) == "v1" {
		m.passed[revision.Name] = true
	}
}

func (m *moment) deployment(d *appsv1.Deployment, gone bool) {
	m.replicas[d.Name] = int(*d.Spec.Replicas)
	if gone {
		delete(m.replicas, d.Name)
	}
}

// route holds a revision of the route against what stood when it was written.
func (m *moment) route(object *corev1.ConfigMap, c change) {
	at := c.at
	r, err := route.Parse([]byte(object.Data[route.Key]))
	if err != nil {
		m.say("revision %d of the route: %v", at, err)
		return
	}
	var state rollout.State
	if err := json.Unmarshal([]byte(object.Data["state.json"]), &state); err != nil {
		m.say("revision %d of the state: %v", at, err)
	}
	weights, sum := map[string]int{}, 0
	for _, v := range r.Versions {
		weights[v.ID] = v.Weight
		sum += v.Weight
		if v.Weight > m.weights[v.ID] {
			m.raised[v.ID] = c.seen
		}
		if state.Weights[rollout.ID(v.ID)] != v.Weight {
			m.say("revision %d gives %s %d %%, and its state %v", at, v.Version, v.Weight, state.Weights)
		}
		if v.Weight > 0 && !m.passed[v.ID] {
			m.say("revision %d gives %s %d %%, and it has not passed an evaluation", at, v.Version, v.Weight)
		}
		ready := len(m.ready[v.ID]) + m.lately(v.ID, c.seen)
		if !m.forgotten && v.Weight > m.weights[v.ID] && ready*100 < v.Weight*replicas && !m.returns(v, ready) {
			m.say("revision %d raises %s from %d to %d %%, and %d of its Pods are ready", at, v.Version, m.weights[v.ID], v.Weight, ready)
		}
	}
	if sum != 100 && (sum > 0 || len(m.weights) > 0) {
		m.say("revision %d has weights that sum to %d: %v", at, sum, weights)
	}
	m.weights, m.forgotten = weights, false
}

// returns says that a canary gives everything back to stable: in one write, also where somebody took some of stable's Pods.
func (m *moment) returns(v route.Version, ready int) bool {
	return m.robbed && m.strategy == suokev1.StrategyCanary && v.Version == "v1" && m.weights[v.ID] > 0 && v.Weight == 100 && ready > 0
}

// capacity holds what serves against what it has: no Deployment is shrunk or deleted below its version's weight.
func (m *moment) capacity(c change) {
	d, ok := c.is.(*appsv1.Deployment)
	if !ok {
		return
	}
	if m.rivals && c.seen.Sub(m.raised[d.Name]) < hearsay {
		return
	}
	if weight := m.weights[d.Name]; m.replicas[d.Name]*100 < weight*replicas {
		m.say("revision %d leaves %s %d replicas with %d %% of the traffic", c.at, versionOf(d.Name), m.replicas[d.Name], weight)
	}
}

func (m *moment) say(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// way is the route's weights as they changed, for a test that fails.
func (s *space) way() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var text strings.Builder
	for _, c := range s.changes {
		object, ok := c.is.(*corev1.ConfigMap)
		if !ok || object.Labels[route.Label] == "" {
			continue
		}
		r, err := route.Parse([]byte(object.Data[route.Key]))
		weights := map[string]int{}
		for _, v := range r.Versions {
			weights[v.Version] = v.Weight
		}
		fmt.Fprintf(&text, "  %d: revision %d, %v (gone: %v, %v)\n", c.at, r.Revision, weights, c.gone, err)
	}
	return text.String()
}
