package rollout

import (
	"fmt"
	"testing"
)

// TestWhatBecameOfAVersionIsNotForgotten when many were released after it.
func TestWhatBecameOfAVersionIsNotForgotten(t *testing.T) {
	turn := &turn{}
	const releases = 200
	for i := range releases {
		id := ID(fmt.Sprintf("v%d", i))
		for _, to := range []Phase{Testing, InCanary, Production, Deprecated} {
			turn.record(id, turn.lastPhase(id), to, "", "")
		}
	}
	for i := range releases {
		id, want := ID(fmt.Sprintf("v%d", i)), Deprecated
		if i < releases-100-13 { // 13 have transitions among the last 50
			want = Draft
		}
		if got := turn.lastPhase(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	history := turn.State.History
	if len(history) != keptIDs+keptTransitions {
		t.Errorf("%d transitions are kept", len(history))
	}
	for i := range len(history) - 1 {
		if before, after := number(t, history[i]), number(t, history[i+1]); before > after {
			t.Fatalf("%s stands before %s", history[i].ID, history[i+1].ID)
		}
	}
}

func number(t *testing.T, of Transition) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(string(of.ID), "v%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}
