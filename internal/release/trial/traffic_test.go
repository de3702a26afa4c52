package trial

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// played is what a world's traffic adds up to.
type played struct{ stable, candidate analysis.Counts }

func play(w World, c Candidate, seconds int, visit func(*Second)) played {
	return playWith(newTestRandom(), w, c, seconds, visit)
}

func playWith(random *rand.Rand, w World, c Candidate, seconds int, visit func(*Second)) played {
	t := newRelease(w, c, 0, w.ownRates(random), random)
	var p played
	for range seconds {
		s := t.next()
		p.stable, p.candidate = p.stable.Plus(s.Stable), p.candidate.Plus(s.Candidate)
		visit(s)
	}
	return p
}

func failing(c analysis.Counts) float64 { return float64(c.Failures) / float64(c.Requests) }

func TestWorldsHaveTheirRates(t *testing.T) {
	const seconds = 100_000
	for name, c := range map[string]struct {
		world              string
		candidate          Candidate
		stable, candidates float64
		weight             float64
	}{
		"independent":                  {world: "independent", stable: 0.005, candidates: 0.005, weight: 0.2},
		"a bad candidate":              {world: "independent", candidate: Candidate{Fails: 0.2, From: 1}, stable: 0.005, candidates: 0.2, weight: 0.2},
		"spells":                       {world: "spells-3s", stable: 0.006, candidates: 0.006, weight: 0.2},
		"two candidate Pods":           {world: "two-pods-3s", stable: 0.006, candidates: 0.006, weight: 0.4},
		"one Pod each":                 {world: "one-pod-3s", stable: 0.006, candidates: 0.006, weight: 0.2},
		"the last step holds for good": {world: "steps", stable: 0.005, candidates: 0.005, weight: 0.4958},
	} {
		t.Run(name, func(t *testing.T) {
			w := named(c.world)
			p := play(w, c.candidate, seconds, func(*Second) {})
			all := float64(p.stable.Requests + p.candidate.Requests)
			near(t, "requests a second", all/seconds, w.Rate, w.Rate, seconds)
			near(t, "the candidate's share", float64(p.candidate.Requests)/all, c.weight, 0.25, int(all))
			// Spells of 3 s let failures come in clusters of up to 30 × 2.
			near(t, "stable's failures", failing(p.stable), c.stable, 60*c.stable, int(p.stable.Requests))
			near(t, "the candidate's failures", failing(p.candidate), c.candidates, 60*c.candidates, int(p.candidate.Requests))
		})
	}
}

func TestCommonSpellsHitAllPodsAtOnce(t *testing.T) {
	for world, want := range map[string]bool{"common-10s": true, "spells-10s": false} {
		both := 0
		play(named(world), Candidate{}, 50_000, func(s *Second) {
			if s.Stable.Failures > 20 && s.Candidate.Failures > 4 {
				both++
			}
		})
		if got := both > 50; got != want {
			t.Errorf("%s: in %d seconds both sides failed", world, both)
		}
	}
}

func TestTheRateDriftsForBoth(t *testing.T) {
	low, high := 1.0, 0.0
	var minute played
	n := 0
	play(named("drift"), Candidate{}, 2*driftPeriod, func(s *Second) {
		minute.stable = minute.stable.Plus(s.Stable)
		if n++; n%60 == 0 {
			low, high = min(low, failing(minute.stable)), max(high, failing(minute.stable))
			minute = played{}
		}
	})
	if low > 0.008 || high < 0.04 {
		t.Errorf("minutes fail %.2g to %.2g of the requests; want about 0.005 to 0.05", low, high)
	}
}

func TestPodsDifferForGood(t *testing.T) {
	w := named("pods-differ")
	random := newTestRandom()
	sum, squares, n := 0.0, 0.0, 0
	for range 2000 {
		for _, own := range w.ownRates(random) {
			sum += math.Log(own)
			squares += math.Log(own) * math.Log(own)
			n++
		}
	}
	near(t, "mean of the logarithms", sum/float64(n), 0, 0.09, n)
	near(t, "their variance", squares/float64(n), 0.09, 2*0.09*0.09, n)
}

func TestFreshPodsFailAtFirst(t *testing.T) {
	w := named("start-up")
	var early, late analysis.Counts
	names, random := map[string]bool{}, newTestRandom()
	for range 200 {
		n := 0
		playWith(random, w, Candidate{}, 40, func(s *Second) {
			if n++; n <= 20 {
				early = early.Plus(s.Candidate)
			} else {
				late = late.Plus(s.Candidate)
			}
		})
	}
	near(t, "failures in the first 20 seconds", failing(early), 0.155, 0.155, int(early.Requests))
	near(t, "failures after them", failing(late), 0.005, 0.005, int(late.Requests))
	history := newHistory(w, 86_400, w.ownRates(newTestRandom()), newTestRandom())
	for range 86_400 {
		for _, p := range history.next().Pods {
			names[p.Pod] = true
			if strings.Count(p.Pod, ".") > 1 || p.Candidate {
				t.Fatalf("history has the Pod %s", p.Pod)
			}
		}
	}
	// Five Pods, and 30 lives of four hours begin in a day.
	near(t, "Pods in a day", float64(len(names)), 35, 30, 1)
}

func TestABrokenClientCountsOnceAtAVersion(t *testing.T) {
	w := named("independent").with(func(w *World) {
		w.Fails = 0
		w.Clients = Clients{Sessions: 100, Life: 1e12, Broken: 1}
	})
	p := play(w, Candidate{}, 100, func(*Second) {})
	if got := p.stable.Failures + p.candidate.Failures; got != 100 || p.candidate.Failures == 0 {
		t.Errorf("%d failures at stable, %d at the candidate; want 100, one a session", p.stable.Failures, p.candidate.Failures)
	}
	if p.stable.Requests+p.candidate.Requests != 100 {
		t.Errorf("%d requests count; want none after a session's first failure", p.stable.Requests+p.candidate.Requests)
	}
	w.Clients.Broken = 0
	p = play(w, Candidate{}, 1000, func(*Second) {})
	near(t, "requests a second of good clients", float64(p.stable.Requests+p.candidate.Requests)/1000, 100, 100, 1000)
}

func TestStepsBringPods(t *testing.T) {
	pods := map[int]int{}
	second := 0
	play(named("steps"), Candidate{}, 1800, func(s *Second) {
		second++
		n := 0
		for _, p := range s.Pods {
			if p.Candidate {
				n++
			}
		}
		pods[n]++
		if want := 1 + (second-1)/600; n != want {
			t.Fatalf("second %d: the candidate has %d Pods; want %d", second, n, want)
		}
	})
}

func TestSlowRequestsAreThoseOfTheLognormal(t *testing.T) {
	// Of 400,000 answer times, drawn one by one, those slower than 1.2 times the 95th percentile.
	random := newTestRandom()
	const n = 400_000
	for _, factor := range []float64{1, 1.2, 2} {
		slow := 0.0
		for range n {
			if factor*math.Exp(sigma*random.NormFloat64()) > 1.2*math.Exp(sigma*1.6448536) {
				slow++
			}
		}
		near(t, "slow share", slow/n, slowShare(factor), slowShare(factor), n)
	}
	w := slowWorlds()[1]
	p := play(w, Candidate{Slower: 2, From: 1}, 20_000, func(*Second) {})
	near(t, "stable's", float64(p.stable.Slow)/float64(p.stable.Requests), slowShare(1)+0.002, 20*slowShare(1), int(p.stable.Requests))
	near(t, "the candidate's", float64(p.candidate.Slow)/float64(p.candidate.Requests), slowShare(2)+0.002, 20*slowShare(2), int(p.candidate.Requests))
}
