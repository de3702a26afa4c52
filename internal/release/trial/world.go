package trial

import "math"

// World is a model's traffic, and how its Pods fail.
type World struct {
	// Name is the one to ask for; Title is the one in tables.
	Name, Title string
	// Rate is the requests per second of stable and candidate together.
	Rate float64
	// Pods is how many Pods stable had in its history. During a release the candidate has the Pods of its plan, and stable the others.
	Pods int
	// Plan is the candidate's way, in rising order of seconds since its first request.
	Plan []Step
	// Fails is the share of requests that fail outside all else; SlowAlways the share that are slow.
	Fails, SlowAlways float64
	// Spells in which a Pod's requests fail; Pauses in which they are slow.
	Spells, Pauses Spells
	// DriftTo is a rate that the whole world goes to from Fails and comes back from, in driftPeriod seconds; 0 is none.
	DriftTo float64
	// Differ is the standard deviation of the logarithm of a Pod's own rate.
	Differ float64
	// StartUp is what a new Pod does at first.
	StartUp StartUp
	// Clients that keep to a version; none where there are no sessions.
	Clients Clients
}

// Step of a release: from a second on the candidate has a share of the requests and a number of Pods.
type Step struct {
	From   int64
	Weight float64
	Pods   int
}

// Spells are times in which a Pod does badly.
type Spells struct {
	// Length in seconds; 0 is no spells.
	Length float64
	// Uneven lengths are exponentially distributed with mean Length.
	Uneven bool
	// OfTime is the share of its time that a Pod is in a spell, and Share the share of its requests that go wrong in it.
	OfTime, Share float64
	// Common spells hit all Pods at once.
	Common bool
}

// StartUp is what Pods do when they are new: in their first Seconds a share of the requests fails that falls evenly from
// Share to nothing. A Pod lives for an exponentially distributed time with mean Life seconds, and is then replaced.
type StartUp struct {
	Seconds, Share, Life float64
	// Unseen says that a rule with little history knows of no start.
	Unseen bool
}

// Clients are sessions. One that failed once at a version does not count there any more, as the router has it.
type Clients struct {
	// Sessions at any time; one lasts an exponentially distributed time with mean Life seconds.
	Sessions int
	Life     float64
	// Broken is the share of sessions whose requests always fail.
	Broken float64
}

const (
	// stableFails is the share of requests that fail in every world unless it says otherwise.
	stableFails = 0.005
	// driftPeriod is how long a drift takes there and back, in seconds.
	driftPeriod = 1200
)

// Worlds are all there are, in the order of the table.
func Worlds() []World {
	return []World{
		five("independent", "independent"),
		five("spells-1s", "spells of 1 s").with(spells(1)),
		five("spells-3s", "spells of 3 s").with(spells(3)),
		five("spells-10s", "spells of 10 s").with(spells(10)),
		five("spells-30s", "spells of 30 s").with(spells(30)),
		five("common-1s", "common cause, 1 s").with(common(1)),
		five("common-10s", "common cause, 10 s").with(common(10)),
		five("common-30s", "common cause, 30 s").with(common(30)),
		five("one-request", "1 request/s in all").with(func(w *World) { w.Rate = 1 }),
		five("one-pod-3s", "one Pod each, spells of 3 s").with(spells(3), onePod),
		five("one-pod-30s", "one Pod each, spells of 30 s").with(spells(30), onePod),
		five("drift", "rate drifts for both").with(func(w *World) { w.DriftTo = 0.05 }),
		five("pods-differ", "Pods differ for good").with(func(w *World) { w.Differ = 0.3 }),
		five("spells-uneven", "spells of 10 s on average").with(spells(10), func(w *World) { w.Spells.Uneven = true }),
		five("two-pods-3s", "two candidate Pods, spells of 3 s").with(spells(3), twoPods),
		five("two-pods-10s", "two candidate Pods, spells of 10 s").with(spells(10), twoPods),
		five("steps", "steps in weight").with(inSteps),
		five("steps-10s", "steps in weight, spells of 10 s").with(spells(10), inSteps),
		five("start-up", "fresh Pods fail at start-up").with(startUp(false)),
		five("start-up-unseen", "fresh Pods fail, starts not seen").with(startUp(true)),
		five("sticky", "sticky clients, some always fail").with(func(w *World) {
			w.Clients = Clients{Sessions: 500, Life: 300, Broken: 0.01}
		}),
	}
}

// five is the world that the others differ from: 100 requests/s to five Pods, of which the candidate has one and a fifth
// of the requests.
func five(name, title string) World {
	return World{Name: name, Title: title, Rate: 100, Pods: 5, Plan: []Step{{From: 1, Weight: 0.2, Pods: 1}}, Fails: stableFails}
}

func (w World) with(changes ...func(*World)) World {
	for _, change := range changes {
		change(&w)
	}
	return w
}

// spells of a length in which half of a Pod's requests fail, for 0.2 % of its time.
func spells(length float64) func(*World) {
	return func(w *World) { w.Spells = Spells{Length: length, OfTime: 0.002, Share: 0.5} }
}

func common(length float64) func(*World) {
	return func(w *World) { w.Spells = Spells{Length: length, OfTime: 0.002, Share: 0.5, Common: true} }
}

func startUp(unseen bool) func(*World) {
	return func(w *World) { w.StartUp = StartUp{Seconds: 20, Share: 0.3, Life: 4 * 3600, Unseen: unseen} }
}

// onePod: stable has one Pod, and the candidate another.
func onePod(w *World) { w.Pods = 1 }

func twoPods(w *World) { w.Plan = []Step{{From: 1, Weight: 0.4, Pods: 2}} }

func inSteps(w *World) {
	w.Plan = []Step{{From: 1, Weight: 0.05, Pods: 1}, {From: 601, Weight: 0.25, Pods: 2}, {From: 1201, Weight: 0.5, Pods: 3}}
}

// at is the step that a second of the release is in, and whether it begins with it.
func (w World) at(second int64) (step Step, begins bool) {
	for _, s := range w.Plan {
		if s.From <= second {
			step = s
		}
	}
	return step, step.From == second
}

// stablePods are those beside the candidate's: as many as history had, less the candidate's first ones, but one at least.
func (w World) stablePods() int { return max(1, w.Pods-w.Plan[0].Pods) }

// sigma is the standard deviation of the logarithm of answer times.
const sigma = 0.5

// slowShare is the share of lognormal answer times, times a factor, that are slower than 1.2 times their 95th percentile
// at factor 1.
func slowShare(factor float64) float64 {
	const p95 = 1.6448536269514722 // of the standard normal distribution
	return math.Erfc((p95+math.Log(1.2/factor)/sigma)/math.Sqrt2) / 2
}
