package operator

import (
	"context"
	"hash/fnv"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// waitingNews are kept while an hour of many models is packed; what comes beyond them is not history.
const waitingNews = 8192

// histories keeps what stable's Pods of every model did over the last day, also outside releases, and what that teaches
// about judging the next one. It is written rarely, to ConfigMaps that no cache holds: one that is lost costs certainty and
// no more.
type histories struct {
	client   client.Client
	live     client.Reader
	log      *slog.Logger
	clock    func() time.Time
	counting *counting
	// learned wakes a model.
	learned func(model string)
	// shelf takes the hours that are over.
	shelf analysis.Shelf
	// news waits to be taken in.
	news chan news

	mu     sync.Mutex
	models map[string]*past
	// learning takes much of a processor, so one at a time.
	learning chan struct{}
}

// news are complete seconds of a model.
type news struct {
	model   string
	seconds []heardSecond
	// missed says that seconds before them were not passed on.
	missed bool
}

// past is the history of one model.
type past struct {
	mu sync.Mutex
	// model that it belongs to, and its stable version, whose Pods are heard; of those that were refused nothing is learned.
	model   *suokev1.AIModel
	stable  rollout.ID
	refused map[rollout.ID]rollout.Refusal
	// gap says that the latest seconds were not passed on.
	gap atomic.Bool
	// quantile and increase say what is slow.
	quantile, increase float64
	pace               pace
	// rate of all requests.
	rate requestRate
	// statistic of stable alone: what the next judgement begins with.
	statistic analysis.Statistic
	history   analysis.History
	// loaded says that what an operator before kept was read; changed that there is news since savedAt.
	loaded, changed bool
	savedAt         time.Time
	lessons         map[string]*lesson
}

func newHistories(o *Operator, learned func(string)) *histories {
	return &histories{
		client: o.Client, live: o.Live, log: o.Log, clock: o.Now, counting: o.countingClock(), learned: learned, shelf: o.disk(),
		news: make(chan news, waitingNews), models: map[string]*past{}, learning: make(chan struct{}, 1),
	}
}

func (h *histories) of(model string) *past {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.models[model] == nil {
		p := &past{savedAt: h.clock().Add(-spread(model, saveEvery))}
		p.reset(h.shelf)
		h.models[model] = p
	}
	return h.models[model]
}

// reset forgets the model and all that was heard of it.
func (p *past) reset(shelf analysis.Shelf) {
	p.model, p.loaded, p.changed = nil, false, false
	p.stable, p.pace, p.rate, p.statistic, p.history, p.lessons = "", pace{}, requestRate{}, forStable(), analysis.History{}, map[string]*lesson{}
	p.history.Shelve(shelf)
}

// spread gives every model its own part of a time, so that not all are due at once.
func spread(model string, over time.Duration) time.Duration {
	return time.Duration(float64(hashed(model)) / (1 << 32) * float64(over))
}

func hashed(model string) uint32 {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(model)) // a hash takes all that it is given
	return sum.Sum32()
}

// forStable is a statistic that knows nothing yet.
func forStable() analysis.Statistic { return analysis.Statistic{Config: analysis.Config{Slow: true}} }

// forget drops all that is known of a model. Its ConfigMap goes with its owner.
func (h *histories) forget(model string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.models, model)
}

// know says which version of a model is stable, which are refused, and what is slow. The first time, what was kept is read.
func (h *histories) know(ctx context.Context, model *suokev1.AIModel, state rollout.State, how suokev1.Analysis) {
	p := h.of(model.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.model != nil && p.model.UID != model.UID { // another one of the same name
		p.reset(h.shelf)
	}
	if p.model == nil {
		p.model = model.DeepCopy()
	}
	if !p.loaded {
		p.load(ctx, h)
	}
	if p.loaded && state.Stable == "" {
		p.history.Whole() // nothing has had traffic yet
	}
	if p.stable != "" && p.stable != state.Stable {
		// Another version has another rate; how its Pods come and go is much the same.
		p.statistic, p.pace = forStable(), pace{}
	}
	p.stable, p.quantile, p.increase = state.Stable, how.LatencyQuantile, how.MaxLatencyIncrease
	p.refused = maps.Clone(state.Refused)
	for id := range p.refused { // also one that was stable for a while
		if p.history.Forget(func(pod string) bool { return strings.HasPrefix(pod, string(id)+"-") }) {
			p.changed = true
		}
	}
}

// tell passes on complete seconds of a model. It does not wait.
func (h *histories) tell(model string, seconds []heardSecond) {
	p := h.of(model)
	select {
	case h.news <- news{model: model, seconds: seconds, missed: p.gap.Swap(false)}:
	default:
		p.gap.Store(true)
		h.log.Warn("the history of a model has a gap: too much waits to be taken in", "model", model)
	}
}

// hear takes seconds of a model in.
func (h *histories) hear(n news) {
	p := h.of(n.model)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.loaded {
		return
	}
	if n.missed {
		p.history.Missed()
	}
	for _, heard := range n.seconds {
		slow := p.pace.slowAfter(p.quantile, p.increase) // of seconds before
		second := analysis.Second{Unix: heard.unix}
		p.rate.add(heard.unix, heard.requests())
		for _, pod := range heard.pods {
			counts := pod.judged(slow)
			if _, refused := p.refused[pod.id]; refused {
				continue
			}
			if pod.id != p.stable {
				p.history.AddCandidate(heard.unix, pod.pod, counts)
				continue
			}
			counts.Mirrored, counts.Disagreed = 0, 0
			p.history.Add(heard.unix, pod.pod, counts)
			p.pace.add(heard.unix, pod.times)
			second.Pods = append(second.Pods, analysis.PodSecond{Pod: pod.pod, Counts: counts})
			p.changed = true
		}
		if len(second.Pods) > 0 {
			p.statistic = p.statistic.Add(second)
		}
	}
}

// requestRate is how many requests a second a model was asked in the last minute.
func (h *histories) requestRate(model string) float64 {
	p := h.of(model)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate.perSecond(h.counting.now())
}

// statistic is what is known of a model's stable version now.
func (h *histories) statistic(model string) analysis.Statistic {
	p := h.of(model)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.statistic
}

// slowAfter is what a model's stable version takes of late, and what may be taken beyond it; 0 where that is not known yet.
func (h *histories) slowAfter(model string, how suokev1.Analysis) time.Duration {
	p := h.of(model)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace.slowAfter(how.LatencyQuantile, how.MaxLatencyIncrease)
}

// Start keeps histories until ctx ends, and then writes those that have news.
func (h *histories) Start(ctx context.Context) error {
	var writing sync.WaitGroup
	writing.Go(func() { h.write(ctx) })
	for {
		select {
		case n := <-h.news:
			h.hear(n)
		case <-ctx.Done():
			writing.Wait()
			h.saveAll()
			return nil
		}
	}
}

// NeedLeaderElection says that only the leader, who hears, writes.
func (*histories) NeedLeaderElection() bool { return true }
