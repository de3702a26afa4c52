package operator

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
)

// TestEventsWaitForWhatIsUrgent: they are told in their order, some at once and then so many a second, and none while routes
// are to be written. What was told of the same state of an object is not told again, what comes beyond those that may wait is
// dropped, and what waits in the end is told.
func TestEventsWaitForWhatIsUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pressing atomic.Bool
		to := events.NewFakeRecorder(2 * waitingEvents)
		to.Verbose = true
		teller := newTeller(to, clientgoscheme.Scheme, slog.New(slog.DiscardHandler), pressing.Load)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- teller.Start(ctx) }()

		pod := &corev1.Pod{}
		pod.Name = "p"
		told := 0
		expect := func(when string, n int) {
			t.Helper()
			synctest.Wait()
			if len(to.Events) != n {
				t.Errorf("%s, %d events are told, want %d", when, len(to.Events), n)
			}
			for range len(to.Events) {
				if text := <-to.Events; !strings.Contains(text, fmt.Sprintf("Because Reconcile event %d ", told)) || !strings.Contains(text, "Pod") {
					t.Fatalf("%s, %q is told as number %d", when, text, told)
				}
				told += 2
			}
		}
		pressing.Store(true)
		for i := range waitingEvents + 100 {
			pod.ResourceVersion = strconv.Itoa(i / 2 * 2) // each state of it twice
			teller.Eventf(pod, nil, corev1.EventTypeNormal, "Because", "Reconcile", "event %d %s", i, "100%")
		}
		time.Sleep(time.Minute)
		expect("while a route is to be written", 0)
		pressing.Store(false)
		time.Sleep(untilCalm)
		expect("once that is written", 1+eventsAtOnce) // one had its turn before
		time.Sleep(10 * time.Second)
		expect("ten seconds later", 10*eventsASecond)
		stop()
		expect("in the end", 1+eventsAtOnce/2) // one was on its way, and of the others each is there twice
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
