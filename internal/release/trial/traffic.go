package trial

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// Candidate is the quality of what is released.
type Candidate struct {
	// Fails is the share of its requests that fail from second From on; 0 is as good as stable.
	Fails float64
	From  int64
	// Slower is the factor by which its answers take longer than stable's; 0 is as long.
	Slower float64
}

// Second is what is counted in one second: each Pod's, and the totals.
type Second struct {
	analysis.Second

	Stable, Candidate analysis.Counts
}

// origin is the Unix second before the candidate's first request.
const origin = 1_000_000_000

// traffic plays a world second by second.
type traffic struct {
	world     World
	candidate Candidate
	random    *rand.Rand
	// second counts from the candidate's first, which is 1.
	second int64
	// released says that there will be a candidate.
	released bool
	phase    float64
	pods     []pod
	common   spell
	sessions *sessions
	loads    [2]*poisson // of one Pod of stable, and of one of the candidate
	step     Step
	now      Second
}

type pod struct {
	// place is what the Pods that follow each other have in common in their names.
	place, name string
	generation  int
	candidate   bool
	own         float64
	// born and dies are in seconds.
	born, dies     float64
	spells, pause  spell
	failures, slow hazard
	// chance that a request fails in this second.
	chance float64
}

// newHistory plays stable alone for some seconds until the candidate comes. The Pods' own rates are given.
func newHistory(w World, seconds int64, own []float64, random *rand.Rand) *traffic {
	return newTraffic(w, Candidate{}, seconds, own[:w.Pods], random)
}

// newRelease plays some seconds of stable beside no candidate, and then a release.
func newRelease(w World, c Candidate, lead int64, own []float64, random *rand.Rand) *traffic {
	t := newTraffic(w, c, lead, own[:w.stablePods()], random)
	t.released = true
	return t
}

// start lets all Pods begin now.
func (t *traffic) start() {
	for i := range t.pods {
		t.pods[i].born = float64(t.second)
	}
}

func newTraffic(w World, c Candidate, before int64, own []float64, random *rand.Rand) *traffic {
	t := &traffic{world: w, candidate: c, random: random, second: -before, phase: random.Float64()}
	begin := float64(t.second)
	t.common = w.Spells.begin(random, begin)
	for i := range own {
		p := t.newPod(fmt.Sprintf("stable-%d", i+1), false, own[i], begin)
		p.born -= random.ExpFloat64() * w.StartUp.Life
		t.pods = append(t.pods, p)
	}
	if w.Clients.Sessions > 0 {
		t.sessions = newSessions(w.Clients, random)
	}
	t.share()
	return t
}

func (t *traffic) newPod(name string, candidate bool, own, now float64) pod {
	p := pod{
		place: name, name: name, candidate: candidate, own: own, born: now, dies: math.Inf(1),
		failures: newHazard(t.random), slow: newHazard(t.random),
		spells: t.world.Spells.begin(t.random, now), pause: t.world.Pauses.begin(t.random, now),
	}
	if life := t.world.StartUp.Life; life > 0 {
		p.dies = now + t.random.ExpFloat64()*life
	}
	return p
}

// ownRates are the factors by which Pods differ for good.
func (w World) ownRates(random *rand.Rand) []float64 {
	own := make([]float64, w.Pods)
	for i := range own {
		own[i] = math.Exp(w.Differ * random.NormFloat64())
	}
	return own
}

// next plays the next second. What it returns is written over by the one after.
func (t *traffic) next() *Second {
	t.second++
	if step, begins := t.world.at(t.second); t.released && begins {
		t.take(step)
	}
	t.now.Unix, t.now.Pods = origin+t.second, t.now.Pods[:0]
	t.now.Stable, t.now.Candidate = analysis.Counts{}, analysis.Counts{}
	base, common := t.base(), t.common.in(t.random, t.world.Spells, float64(t.second))
	for i := range t.pods {
		p := &t.pods[i]
		t.replace(p)
		t.now.Pods = append(t.now.Pods, analysis.PodSecond{Pod: p.name, Candidate: p.candidate})
		p.chance = t.chance(p, base, common)
		if t.sessions == nil {
			t.now.Pods[i].Counts = t.count(p)
		}
	}
	if t.sessions != nil {
		t.sessions.count(t)
	}
	for i := range t.now.Pods {
		t.total(&t.now.Pods[i])
	}
	return &t.now
}

func (t *traffic) total(p *analysis.PodSecond) {
	side := &t.now.Stable
	if p.Candidate {
		side = &t.now.Candidate
	}
	side.Requests += p.Requests
	side.Failures += p.Failures
	side.Slow += p.Slow
}

// take goes on to a step of the release.
func (t *traffic) take(step Step) {
	for n := t.step.Pods; n < step.Pods; n++ {
		own := math.Exp(t.world.Differ * t.random.NormFloat64())
		t.pods = append(t.pods, t.newPod(fmt.Sprintf("candidate-%d", n+1), true, own, float64(t.second-1)))
	}
	t.step = step
	t.share()
}

// share tells each Pod's load.
func (t *traffic) share() {
	stable := float64(len(t.pods) - t.step.Pods)
	t.loads[0] = newPoisson(t.world.Rate * (1 - t.step.Weight) / stable)
	if t.step.Pods > 0 {
		t.loads[1] = newPoisson(t.world.Rate * t.step.Weight / float64(t.step.Pods))
	}
}

// replace puts a new Pod in the place of one whose life has ended.
func (t *traffic) replace(p *pod) {
	if now := float64(t.second - 1); p.dies <= now {
		generation := p.generation + 1
		*p = t.newPod(p.place, p.candidate, p.own, now)
		p.generation, p.name = generation, fmt.Sprintf("%s.%d", p.place, generation)
	}
}

// base is the failure rate that all Pods share in this second.
func (t *traffic) base() float64 {
	if t.world.DriftTo == 0 {
		return t.world.Fails
	}
	way := (1 - math.Cos(2*math.Pi*(float64(t.second)/driftPeriod+t.phase))) / 2
	return t.world.Fails * math.Pow(t.world.DriftTo/t.world.Fails, way)
}

// chance that a request to a Pod fails in this second.
func (t *traffic) chance(p *pod, base, common float64) float64 {
	w := t.world
	chance := base * p.own
	if p.candidate && t.candidate.Fails > 0 && t.second >= t.candidate.From {
		chance = t.candidate.Fails
	}
	if age := float64(t.second) - 0.5 - p.born; age < w.StartUp.Seconds {
		chance += w.StartUp.Share * (1 - age/w.StartUp.Seconds)
	}
	if w.Spells.Length > 0 {
		if !w.Spells.Common {
			common = p.spells.in(t.random, w.Spells, float64(t.second))
		}
		chance += w.Spells.Share * common
	}
	return chance
}

func (t *traffic) count(p *pod) analysis.Counts {
	load, slow := t.loads[0], t.world.SlowAlways
	if p.candidate {
		load = t.loads[1]
		if t.candidate.Slower > 0 {
			slow = slowShare(t.candidate.Slower)
		}
	}
	c := analysis.Counts{Requests: load.draw(t.random)}
	c.Failures = p.failures.among(t.random, c.Requests, p.chance)
	if t.world.SlowAlways > 0 {
		if t.world.Pauses.Length > 0 {
			slow += t.world.Pauses.Share * p.pause.in(t.random, t.world.Pauses, float64(t.second))
		}
		c.Slow = p.slow.among(t.random, c.Requests, slow)
	}
	return c
}

// spell is the one that a Pod is in or will be in next, in seconds.
type spell struct{ from, to float64 }

func (s Spells) begin(random *rand.Rand, now float64) spell {
	if s.Length == 0 {
		return spell{math.Inf(1), math.Inf(1)}
	}
	if random.Float64() < s.OfTime {
		return spell{now, now + s.rest(random)}
	}
	return s.next(random, now)
}

// rest is how long a spell that is found under way still lasts.
func (s Spells) rest(random *rand.Rand) float64 {
	if s.Uneven {
		return s.Length * random.ExpFloat64()
	}
	return s.Length * random.Float64()
}

func (s Spells) next(random *rand.Rand, after float64) spell {
	from := after + random.ExpFloat64()*s.Length*(1-s.OfTime)/s.OfTime
	if s.Uneven {
		return spell{from, from + s.Length*random.ExpFloat64()}
	}
	return spell{from, from + s.Length}
}

// in is the share of the second that ends at t which is in a spell.
func (s *spell) in(random *rand.Rand, of Spells, t float64) float64 {
	share := 0.0
	for s.from < t {
		share += max(0, min(s.to, t)-max(s.from, t-1))
		if s.to > t {
			break
		}
		*s = of.next(random, s.to)
	}
	return share
}
