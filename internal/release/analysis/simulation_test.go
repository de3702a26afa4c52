package analysis_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// world is a model's traffic: five Pods, one of them the candidate's, each with 0 to 40 requests a second, evenly spread,
// which is burstier than arrivals that are independent. A Pod is in a spell for 0.2 % of its time, and then fails half of
// its requests more than it would.
type world struct {
	// fails is the candidate's failure rate; stable's is 0.005.
	fails float64
	// spell is the length of a spell in seconds; 0 is no spells.
	spell float64
}

const (
	pods        = 5
	perPod      = 20
	stableFails = 0.005
	inSpells    = 0.002
	spellFails  = 0.5
)

// release plays seconds of a release that begins somewhere in its first second, until visit says that it is enough.
func (w world) release(random *rand.Rand, seconds int64, visit func(analysis.Statistic) bool) {
	var s analysis.Statistic
	spells := make([]spell, pods)
	for i := range spells {
		spells[i] = w.begin(random)
	}
	whole := 1 - random.Float64()
	for t := int64(1); t <= seconds; t++ {
		second := analysis.Second{Unix: t}
		for pod := range spells {
			fails, requests := stableFails, perPod*2*random.Float64()
			if pod == 0 {
				fails = w.fails
				requests *= whole
			}
			fails += spellFails * w.share(random, &spells[pod], float64(t))
			counts := analysis.Counts{Requests: int64(requests), Failures: failures(random, int64(requests), min(1, fails))}
			second.Pods = append(second.Pods, analysis.PodSecond{Pod: strconv.Itoa(pod), Candidate: pod == 0, Counts: counts})
		}
		whole = 1
		if s = s.Add(second); visit(s) {
			return
		}
	}
}

// spell is the one that a Pod is in or will be in next, in seconds since the release began.
type spell struct{ from, to float64 }

func (w world) begin(random *rand.Rand) spell {
	if w.spell == 0 {
		return spell{math.Inf(1), math.Inf(1)}
	}
	if random.Float64() < inSpells {
		return spell{0, w.spell * random.Float64()}
	}
	return w.next(random, 0)
}

func (w world) next(random *rand.Rand, after float64) spell {
	from := after + random.ExpFloat64()*w.spell*(1-inSpells)/inSpells
	return spell{from, from + w.spell}
}

// share of the second that ends at t which is in a spell.
func (w world) share(random *rand.Rand, s *spell, t float64) float64 {
	share := max(0, min(s.to, t)-max(s.from, t-1))
	if s.to <= t {
		*s = w.next(random, s.to)
	}
	return share
}

// failures among requests, by the gaps between them.
func failures(random *rand.Rand, requests int64, rate float64) (n int64) {
	if rate == 1 {
		return requests
	}
	for at := gap(random, rate); at <= float64(requests); at += gap(random, rate) {
		n++
	}
	return n
}

func gap(random *rand.Rand, rate float64) float64 {
	return 1 + math.Floor(random.ExpFloat64()/-math.Log1p(-rate))
}

const releases = 300

// TestGoodCandidatesStay plays releases of ten minutes whose candidate is as good as stable. The plain sequential test is
// played beside, so that it is seen that these worlds are not too kind to tell.
func TestGoodCandidatesStay(t *testing.T) {
	for name, c := range map[string]struct {
		world      world
		plainFails bool
	}{
		"independent failures": {world{fails: stableFails}, false},
		"spells of 3 seconds":  {world{fails: stableFails, spell: 3}, true},
		"spells of 10 seconds": {world{fails: stableFails, spell: 10}, true},
		"spells of 30 seconds": {world{fails: stableFails, spell: 30}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, 2))
			fails, passes, plain := 0, 0, 0
			for range releases {
				passed, plainly := false, false
				c.world.release(random, 600, func(s analysis.Statistic) bool {
					verdict := s.Verdict()
					passed = passed || verdict == analysis.Pass
					plainly = plainly || nats(s.Failures.Scores[0]) >= math.Log(1/0.01)
					if verdict == analysis.Fail {
						fails++
					}
					return verdict == analysis.Fail
				})
				passes += count(passed)
				plain += count(plainly)
			}
			most := atMost(releases, 0.01)
			t.Logf("of %d: returned %d (at most %d), passed %d; the plain test returns %d", releases, fails, most, passes, plain)
			if fails > most {
				t.Errorf("%d of %d returned", fails, releases)
			}
			if passes < releases*8/10 {
				t.Errorf("only %d of %d passed", passes, releases)
			}
			if c.plainFails != (plain > most) {
				t.Errorf("the plain sequential test returned %d", plain)
			}
		})
	}
}

func TestBadCandidatesGo(t *testing.T) {
	for name, c := range map[string]struct {
		fails   float64
		seconds int64
	}{
		"half of the requests fail": {0.5, 10},
		"all requests fail":         {1, 3},
		"one in twenty fails":       {0.05, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(3, 4))
			var times []int64
			for range releases {
				at := int64(math.MaxInt64)
				world{fails: c.fails}.release(random, 100, func(s analysis.Statistic) bool {
					if s.Failed != "" {
						at = s.Last
					}
					return s.Failed != ""
				})
				times = append(times, at)
			}
			slices.Sort(times)
			t.Logf("seconds: median %d, p95 %d, p99 %d", times[releases/2], times[releases*95/100], times[releases*99/100])
			if got := times[releases*95/100]; got > c.seconds {
				t.Errorf("p95 is %d s; want at most %d s", got, c.seconds)
			}
		})
	}
}

func TestCandidatesThatAreWorseByTheAllowedIncreaseDoNotPass(t *testing.T) {
	for name, length := range map[string]float64{"independent failures": 0, "spells of 10 seconds": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random, passes := rand.New(rand.NewPCG(5, 6)), 0
			for range releases {
				world{fails: 2 * stableFails, spell: length}.release(random, 600, func(s analysis.Statistic) bool {
					passed := s.Verdict() == analysis.Pass
					passes += count(passed)
					return passed || s.Failed != ""
				})
			}
			if passes > atMost(releases, 0.01) {
				t.Errorf("%d of %d passed", passes, releases)
			}
		})
	}
}

// nats is the score without a cap.
func nats(s analysis.Scores) float64 {
	best := math.Inf(-1)
	for i := range s.Ended {
		best = max(best, s.Ended[i]+s.Current[i])
	}
	return best
}

// atMost is the least k that more than k of n happen with a chance of 5 % or less, if each has the chance p.
func atMost(n int64, p float64) int {
	below := 0.0
	for k := range n {
		if below += binomial(n, k, p); below >= 0.95 {
			return int(k)
		}
	}
	return int(n)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
