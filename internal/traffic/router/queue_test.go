package router

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAQueueLetsSomeWaitAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 2)
		if !q.enter(t.Context()) {
			t.Fatal("there was room")
		}
		entered := make(chan bool, 3)
		enter := func(ctx context.Context) { entered <- q.enter(ctx) }
		go enter(t.Context())
		synctest.Wait()
		leaving, leave := context.WithCancel(t.Context())
		go enter(leaving)
		synctest.Wait()
		if q.enter(t.Context()) {
			t.Error("a third was let in")
		}
		leave()
		if <-entered {
			t.Error("a client that left was let in")
		}
		time.Sleep(queueWait - 1)
		q.leave()
		if !<-entered {
			t.Error("room came in time, and the first that waits was not let in")
		}
		began := time.Now()
		if q.enter(t.Context()) || time.Since(began) != queueWait {
			t.Errorf("with no room it waited %v", time.Since(began))
		}
		q.leave()
		if !q.enter(t.Context()) {
			t.Error("there was room again")
		}
	})
}

func TestAQueueWithoutRoomToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 0)
		began := time.Now()
		if !q.enter(t.Context()) || q.enter(t.Context()) || time.Since(began) != 0 {
			t.Error("want one at once, and the other shed at once")
		}
	})
}

func TestTheTimeThatAClientAllows(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": DefaultDeadline, "500ms": 500 * time.Millisecond, "60s": LongestDeadline, "10m": LongestDeadline, "0s": 0, "-1s": 0, "soon": 0,
	} {
		if got, err := deadline(text); got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}
