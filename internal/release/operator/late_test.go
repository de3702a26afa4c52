package operator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// vault answers for each Secret with one error, and counts.
type vault struct {
	client.Reader
	err   error
	asked int
}

func (v *vault) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	v.asked++
	return v.err
}

// fetched is a version with credentials.
func fetched(number int64, id, secret string) frozen {
	return frozen{Number: number, Version: manifest.Version{ID: id, Version: id, Credentials: &manifest.Credentials{Secret: secret, Keys: credentials.Token.Keys()}}}
}

// waiting is a Pod that was made so long ago, with what is told of its fetching.
func waiting(now time.Time, age time.Duration, fetching ...corev1.ContainerState) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		CreationTimestamp: metav1.NewTime(now.Add(-age)), Labels: map[string]string{"app.kubernetes.io/component": manifest.ServerContainer},
	}}
	for _, state := range fetching {
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, corev1.ContainerStatus{Name: manifest.FetchContainer, State: state})
	}
	return pod
}

func TestPodsThatFetchForLongHaveTheirSecretLookedAt(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	}
	secrets := schema.GroupResource{Resource: "secrets"}
	gone := apierrors.NewNotFound(secrets, "x")
	const missed = "there is no Secret access; write kubectl create secret generic access -n here --from-literal=token=…"
	for sentence, c := range map[string]struct {
		err    error
		pods   map[rollout.ID]*corev1.Pod
		reason string
		says   string
	}{
		"it fetches, and its Secret is gone":       {gone, map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Minute, runs)}, suokev1.ReasonSecretNotFound, "as spec says: " + missed},
		"it fails to fetch":                        {gone, map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Minute, ended(1))}, suokev1.ReasonSecretNotFound, "as spec says: " + missed},
		"it has only begun":                        {gone, map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Second, runs)}, "", ""},
		"it fetched, and its server does not come": {gone, map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Minute, ended(0))}, "", ""},
		"no node takes it":                         {gone, map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Minute)}, "", ""},
		"it is of a version that is not wanted":    {gone, map[rollout.ID]*corev1.Pod{"v1": waiting(now, time.Minute, runs)}, suokev1.ReasonSecretNotFound, "the credentials of v1: there is no Secret before;"},
		"two versions' are gone": {
			gone,
			map[rollout.ID]*corev1.Pod{"v1": waiting(now, time.Minute, runs), "v2": waiting(now, time.Minute, runs)},
			suokev1.ReasonSecretNotFound, "=token=…; the credentials of ",
		},
		"it may not be read": {
			apierrors.NewForbidden(secrets, "access", nil),
			map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Minute, runs)},
			suokev1.ReasonSecretUnreadable, `as spec says: reading the Secret access: secrets "access" is forbidden: <nil>; let the operator's Role get secrets`,
		},
		"the API server does not answer": {
			apierrors.NewTimeoutError("later", 1),
			map[rollout.ID]*corev1.Pod{"v2": waiting(now, time.Minute, runs)},
			suokev1.ReasonSecretUnreadable, "as spec says: reading the Secret access: Timeout: later",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			v := &vault{err: c.err}
			m := &models{Operator: &Operator{Live: v}}
			look := func(at time.Time) *Problem {
				seen := &observed{
					now: at, model: &suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: "here"}}, wanted: "v2",
					place: credentials.Place{Field: "as spec says", Secret: "access", Kind: credentials.Token},
					known: map[rollout.ID]frozen{"v1": fetched(1, "v1", "before"), "v2": fetched(2, "v2", "access")}, pods: map[rollout.ID][]*corev1.Pod{},
				}
				for id, pod := range c.pods {
					seen.pods[id] = []*corev1.Pod{pod}
				}
				m.observeLate(t.Context(), seen)
				return seen.unproven
			}
			p := look(now)
			if (p != nil) != (c.reason != "") || (v.asked > 0) != (p != nil) || p != nil && (p.Reason != c.reason || !strings.Contains(p.Error(), c.says)) {
				t.Fatalf("it says %v", p)
			}
			once := v.asked
			if p == nil {
				return
			}
			if again := look(now.Add(secretRests - 1)); again == nil || again.Reason != p.Reason || v.asked != once {
				t.Errorf("a moment later it says %v, and asked %d times and then %d", again, once, v.asked)
			}
			v.err = nil // the Secret is there, without a key
			if later := look(now.Add(secretRests)); later == nil || !strings.Contains(later.Error(), "has no key token") || v.asked != 2*once {
				t.Errorf("later it says %v, and asked %d times and then %d", later, once, v.asked)
			}
		})
	}
}

// Of two things that are wrong with a model, people are told both.
func TestWhatPodsMissHidesNothing(t *testing.T) {
	trouble := &Problem{Reason: suokev1.ReasonArtifactNotFound, Err: errors.New("v2 is not there")}
	for sentence, c := range map[string]struct {
		state    rollout.State
		trouble  *Problem
		verdict  Verdict
		underWay bool
		reason   string
		message  string
		phase    suokev1.ModelPhase
		degraded bool
	}{
		"nothing else is wrong":               {verdict: accepted(), state: rollout.State{Stable: "v2"}, reason: suokev1.ReasonSecretNotFound, message: "no Secret", phase: suokev1.ModelPending},
		"the wanted version is not to be had": {verdict: accepted(), trouble: trouble, reason: suokev1.ReasonArtifactNotFound, message: "v2 is not there; no Secret", phase: suokev1.ModelPending},
		"it is refused": {
			verdict: accepted(), state: rollout.State{Stable: "v1", Refused: map[rollout.ID]rollout.Refusal{"v2": {Version: "v2", Reason: suokev1.ReasonErrorRate, Message: "it fails"}}},
			reason: suokev1.ReasonErrorRate, message: "v2 was refused: it fails; no Secret", phase: suokev1.ModelDeploying, degraded: true,
		},
		"what is asked for cannot be honoured": {verdict: refused(suokev1.ReasonInvalid, "write another"), reason: suokev1.ReasonInvalid, message: "write another; no Secret", phase: suokev1.ModelPending},
	} {
		t.Run(sentence, func(t *testing.T) {
			seen := &observed{
				wanted: "v2", verdict: c.verdict, trouble: c.trouble,
				unproven: &Problem{Reason: suokev1.ReasonSecretNotFound, Err: errors.New("no Secret")},
			}
			s := situationOf(seen, decided{Decision: rollout.Decision{State: c.state}})
			if s.reason != c.reason || s.message != c.message || s.phase != c.phase || s.degraded != c.degraded {
				t.Errorf("%s (%s), phase %s, degraded %t", s.reason, s.message, s.phase, s.degraded)
			}
		})
	}
}
