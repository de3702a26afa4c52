package balance

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func addresses(n int) []Address {
	all := make([]Address, n)
	for i := range all {
		all[i] = Address{Pod: fmt.Sprintf("pod-%d", i), Host: fmt.Sprintf("10.0.0.%d:8080", i)}
	}
	return all
}

func at(unix int64) time.Time { return time.Unix(unix, 0) }

func TestIdleEndpointsTakeTurns(t *testing.T) {
	var set Set
	set.Update(addresses(4))
	got := map[string]int{}
	for range 400 {
		e := set.Pick(at(0))
		got[e.Pod]++
		e.Release()
	}
	for pod, n := range got {
		if n != 100 {
			t.Errorf("%s got %d of 400 requests, want 100", pod, n)
		}
	}
}

func TestANewEndpointGetsItsShareAtOnce(t *testing.T) {
	var set Set
	set.Update(addresses(3))
	for range 1000 {
		set.Pick(at(0)).Release()
	}
	set.Update(addresses(4))
	got := map[string]int{}
	for range 400 {
		e := set.Pick(at(0))
		got[e.Pod]++
		e.Release()
	}
	for _, a := range addresses(4) {
		if got[a.Pod] != 100 {
			t.Errorf("%s got %d of 400 requests after the change, want 100", a.Pod, got[a.Pod])
		}
	}
}

func TestPickTakesTheLeastLoaded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set Set
		n := rapid.IntRange(1, 8).Draw(t, "endpoints")
		set.Update(addresses(n))
		var open []*Endpoint
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(open) > 0 && rapid.Bool().Draw(t, "release") {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				open[i].Release()
				open = append(open[:i], open[i+1:]...)
				continue
			}
			least := int64(1 << 60)
			for _, e := range set.list() {
				least = min(least, e.InFlight())
			}
			e := set.Pick(at(0))
			if e.InFlight() != least+1 {
				t.Fatalf("picked an endpoint with %d in flight where one had %d", e.InFlight()-1, least)
			}
			open = append(open, e)
		}
	})
}

func TestARestingEndpointIsTheLastResort(t *testing.T) {
	var set Set
	set.Update(addresses(2))
	tired := set.Pick(at(100))
	tired.Release()
	tired.Rest(at(100))
	for range 10 {
		e := set.Pick(at(100))
		if e == tired {
			t.Fatal("a resting endpoint was picked while another was there")
		}
	}
	if e := set.Pick(at(100).Add(rest)); e != tired {
		t.Error("the endpoint has rested and is the least loaded, but was not picked")
	}
	tired.Rest(at(200))
	set.Update([]Address{tired.Address})
	if e := set.Pick(at(200)); e != tired {
		t.Error("the only endpoint rests, and nothing was picked")
	}
}

func TestUpdateKeepsCountsAndDropsTheGone(t *testing.T) {
	var set Set
	if set.Pick(at(0)) != nil || set.Ready() != 0 {
		t.Fatal("an empty Set picked something")
	}
	set.Update(addresses(1))
	busy := set.Pick(at(0))
	set.Update(append(addresses(2), addresses(2)...))
	if set.Ready() != 2 {
		t.Fatalf("the Set has %d endpoints after a list with doubles, want 2", set.Ready())
	}
	if e := set.Pick(at(0)); e == busy {
		t.Error("the busy endpoint was picked; its count was lost")
	}
	set.Update(addresses(2)[1:])
	for range 5 {
		if set.Pick(at(0)) == busy {
			t.Error("an endpoint that is gone was picked")
		}
	}
}
