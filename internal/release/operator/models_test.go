package operator

import (
	"context"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// TestATurnedVerdictIsLookedAtFirst, however many models wait.
func TestATurnedVerdictIsLookedAtFirst(t *testing.T) {
	t.Parallel()
	m := &models{&Operator{Config: Config{Namespace: "n"}}}
	queue := priorityqueue.New[reconcile.Request]("models")
	defer queue.ShutDown()
	for i := range 100 {
		queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "n", Name: fmt.Sprint("m", i)}})
		m.called(t.Context(), event.TypedGenericEvent[call]{Object: call{model: fmt.Sprint("m", i)}}, queue)
	}
	m.called(t.Context(), event.TypedGenericEvent[call]{Object: call{"m70", true}}, queue)
	first, priority, _ := queue.GetWithPriority()
	if first.Name != "m70" || priority != urgent {
		t.Errorf("%s is looked at first, with priority %d", first.Name, priority)
	}
	queue.Done(first)
	if second, priority, _ := queue.GetWithPriority(); second.Name == "m70" || priority != 0 {
		t.Errorf("%s is looked at next, with priority %d", second.Name, priority)
	}
	if n := queue.Len(); n != 98 {
		t.Errorf("%d models wait, want each once", n)
	}
}

// gone is an API server without a model.
type gone struct{ client.Client }

func (gone) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, "m")
}

// TestWhatWasLookedAtIsNotUrgentAnyMore, so that nothing waits for a model that is gone, or that nothing is to be done about.
func TestWhatWasLookedAtIsNotUrgentAnyMore(t *testing.T) {
	t.Parallel()
	p := newPolled(t, "m")
	o := &Operator{Client: gone{}, Metrics: p.metrics, Log: p.log, Now: p.clock, routers: p.routers}
	o.histories, o.recordings, o.inquiries = newHistories(o, nil), newRecordings(o), newInquiries(o, nil)
	p.turned["m"] = true
	result, err := (&models{o}).Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "m"}})
	if err != nil || result.Priority == nil || *result.Priority != 0 {
		t.Errorf("it is looked at again with priority %v (%v)", result.Priority, err)
	}
	if p.pressing() {
		t.Error("it was looked at, and what is less urgent waits on")
	}
}
