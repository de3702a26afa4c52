package operator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/reference"
)

const (
	// waitingEvents wait to be told; what comes beyond them is not.
	waitingEvents = 16384
	// eventsASecond are told where many wait, and eventsAtOnce after a pause.
	eventsASecond = 30
	eventsAtOnce  = 20
	// toldEvents are remembered, so that they are not told again.
	toldEvents = 4096
	// untilCalm is when it is looked again whether routes are still to be written.
	untilCalm = 50 * time.Millisecond
)

// teller tells events in their order, but not while routes wait to be written and no more than the API server takes beside
// its work: a release brings a dozen of them, so a thousand releases would keep it busy for a minute. An event that comes
// late or never is no loss, as conditions and histories say the same.
type teller struct {
	to     events.EventRecorder
	scheme *runtime.Scheme
	log    *slog.Logger
	// pressing says that routes wait to be written.
	pressing func() bool
	limit    *rate.Limiter
	waiting  chan eventToTell
	// told are events of late. One that says the same of the same state of an object once more would become a series, and the
	// recorder below closes those one after the other while every other event waits, to be sent with all others in the end.
	told map[sameEvent]bool
}

type eventToTell struct {
	sameEvent

	text string
}

// sameEvent is what events that tell the same have in common.
type sameEvent struct {
	about                corev1.ObjectReference
	kind, reason, action string
}

func newTeller(to events.EventRecorder, scheme *runtime.Scheme, log *slog.Logger, pressing func() bool) *teller {
	return &teller{
		to: to, scheme: scheme, log: log, pressing: pressing,
		limit: rate.NewLimiter(eventsASecond, eventsAtOnce), waiting: make(chan eventToTell, waitingEvents),
		told: map[sameEvent]bool{},
	}
}

// Eventf takes an event about one object. It does not wait.
func (t *teller) Eventf(regarding, _ runtime.Object, kind, reason, action, note string, args ...any) {
	about, err := reference.GetReference(t.scheme, regarding) // the object itself is large
	if err != nil {
		t.log.Warn("an event about what is no object", "reason", reason, "error", err)
		return
	}
	select {
	case t.waiting <- eventToTell{sameEvent{*about, kind, reason, action}, fmt.Sprintf(note, args...)}:
	default:
		t.log.Debug("an event is not told: too many wait", "about", about.Name, "reason", reason)
	}
}

// Start tells events until ctx ends, and then some of those that wait.
func (t *teller) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case e := <-t.waiting:
			if !t.told[e.sameEvent] {
				t.await(ctx)
				t.tell(e)
			}
		case <-ctx.Done():
		}
	}
	for range eventsAtOnce {
		select {
		case e := <-t.waiting:
			if !t.told[e.sameEvent] {
				t.tell(e)
			}
		default:
			return nil
		}
	}
	return nil
}

// NeedLeaderElection says that only the leader has something to tell.
func (*teller) NeedLeaderElection() bool { return true }

// await waits until an event may be told, or ctx ends.
func (t *teller) await(ctx context.Context) {
	err := t.limit.Wait(ctx)
	for err == nil && ctx.Err() == nil && t.pressing() {
		select {
		case <-time.After(untilCalm):
		case <-ctx.Done():
		}
	}
}

func (t *teller) tell(e eventToTell) {
	if len(t.told) >= toldEvents {
		clear(t.told)
	}
	t.told[e.sameEvent] = true
	t.to.Eventf(&e.about, nil, e.kind, e.reason, e.action, "%s", e.text)
}
