package registry

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

const (
	// maxErrors is the schema's bound of status.errors; maxSentence, in bytes, is below that of an event's note.
	maxErrors   = 20
	maxSentence = 1000
)

// event is what is told of a condition that changed.
type event struct{ kind, reason, message string }

// projection is what follows from an outcome.
type projection struct {
	status suokev1.ModelRegistryStatus
	events []event
	// wait until the next look; 0: only a change of the object brings it.
	wait time.Duration
}

// project is the one way from an outcome to conditions, events and the next look. Failed counts the failures in a row,
// this one included.
func project(object *suokev1.ModelRegistry, o outcome, failed int, now time.Time) projection {
	before := &object.Status
	status := suokev1.ModelRegistryStatus{
		Connected: o.synced(), LastSync: before.LastSync, ModelCount: o.resolved, ObservedGeneration: object.Generation,
		Errors: sentences(o), Conditions: append([]metav1.Condition(nil), before.Conditions...),
	}
	if o.synced() {
		status.LastSync = &metav1.Time{Time: now.Truncate(time.Second)}
	}
	var p projection
	for _, c := range conditions(o) {
		c.ObservedGeneration, c.LastTransitionTime = object.Generation, metav1.Time{Time: now}
		was := meta.FindStatusCondition(before.Conditions, c.Type)
		meta.SetStatusCondition(&status.Conditions, c)
		if was != nil && was.Status == c.Status && was.Reason == c.Reason || toldOf(p.events, c.Reason) {
			continue
		}
		kind := corev1.EventTypeNormal
		if c.Status == metav1.ConditionFalse {
			kind = corev1.EventTypeWarning
		}
		p.events = append(p.events, event{kind, c.Reason, c.Message})
	}
	p.status, p.wait = status, o.wait(object.Spec.SyncPolicy, failed)
	return p
}

func (o outcome) wait(policy suokev1.SyncPolicy, failed int) time.Duration {
	switch {
	case o.refusal != nil || o.disabled:
		return 0
	case o.missing != nil:
		return secretWait
	}
	return wait(policy, failed)
}

// conditions are Accepted and Connected, in this order.
func conditions(o outcome) []metav1.Condition {
	accepted := condition(suokev1.ConditionAccepted, metav1.ConditionTrue, suokev1.ReasonAccepted, "every field can be honoured")
	connected := condition(suokev1.ConditionConnected, metav1.ConditionTrue, suokev1.ReasonConnected, "the endpoint answers")
	switch {
	case o.refusal != nil:
		accepted = condition(suokev1.ConditionAccepted, metav1.ConditionFalse, o.refusal.reason, o.refusal.message)
		connected = condition(suokev1.ConditionConnected, metav1.ConditionFalse, o.refusal.reason, o.refusal.message)
	case o.disabled:
		connected = condition(suokev1.ConditionConnected, metav1.ConditionUnknown, suokev1.ReasonDisabled,
			"syncPolicy.enabled is false, so the endpoint is not asked")
	case o.missing != nil:
		connected = condition(suokev1.ConditionConnected, metav1.ConditionFalse, o.missing.reason, o.missing.message)
	case o.trouble != nil:
		connected = condition(suokev1.ConditionConnected, metav1.ConditionFalse, o.trouble.reason, o.trouble.message)
	}
	return []metav1.Condition{accepted, connected}
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: shorten(message)}
}

func toldOf(events []event, reason string) bool {
	for _, e := range events {
		if e.reason == reason {
			return true
		}
	}
	return false
}

// sentences are status.errors: as many as the schema allows, and how many more there are.
func sentences(o outcome) []string {
	var all []string
	for _, p := range []*problem{o.refusal, o.missing, o.trouble} {
		if p != nil {
			all = append(all, shorten(p.message))
		}
	}
	for _, text := range o.unresolved {
		all = append(all, shorten(text))
	}
	if len(all) > maxErrors {
		more := len(all) - maxErrors + 1
		all = append(all[:maxErrors-1], fmt.Sprintf("and %d more", more))
	}
	return all
}

// shorten cuts a text at the boundary of a character.
func shorten(text string) string {
	if len(text) <= maxSentence {
		return text
	}
	return strings.ToValidUTF8(text[:maxSentence-3], "") + "..."
}
