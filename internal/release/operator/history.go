package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// Keys of the ConfigMap that holds a model's history.
const (
	historyKey   = "history"
	statisticKey = "statistic.json"
)

const (
	// saveEvery so often the history of a model is written while it grows; saveTick is when it is looked for those due.
	saveEvery = 15 * time.Minute
	saveTick  = time.Minute
	// savedAtEnd is how long the last writes of an operator that ends may take together.
	savedAtEnd = 10 * time.Second
	// savedAtOnce are written side by side then.
	savedAtOnce = 8
	// saveWithin is how long one write may take.
	saveWithin = 10 * time.Second
	// largestHistory in bytes: the API server takes objects up to 1 MiB.
	largestHistory = 900 << 10
	// waitingNews are kept while an hour of many models is packed; what comes beyond them is not history.
	waitingNews = 8192
	// longestHistoryName leaves room for what is appended to a model's name.
	longestHistoryName = 240
	// learnedFor is how long what was learned of a history holds, and learnedWithin how long a release waits for it.
	learnedFor    = time.Hour
	learnedWithin = 30 * time.Second
)

// histories keeps what stable's Pods of every model did over the last day, also outside releases, and what that teaches
// about judging the next one. It is written rarely, to ConfigMaps that no cache holds: one that is lost costs certainty and
// no more.
type histories struct {
	client client.Client
	live   client.Reader
	log    *slog.Logger
	clock  func() time.Time
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
}

// past is the history of one model.
type past struct {
	mu sync.Mutex
	// model that it belongs to, and its stable version, whose Pods are heard.
	model  *suokev1.AIModel
	stable rollout.ID
	// quantile and increase say what is slow.
	quantile, increase float64
	pace               pace
	// statistic of stable alone: what the next judgement begins with.
	statistic analysis.Statistic
	history   analysis.History
	// loaded says that what an operator before kept was read; changed that there is news since savedAt.
	loaded, changed bool
	savedAt         time.Time
	lessons         map[string]*lesson
}

// lesson is what was learned, for releases of one kind.
type lesson struct {
	config analysis.Config
	// asked is when it was asked for, at when it was learned; zero until then.
	asked, at time.Time
}

func newHistories(o *Operator, learned func(string)) *histories {
	return &histories{
		client: o.Client, live: o.Live, log: o.Log, clock: o.Now, learned: learned, shelf: hourShelf{o.disk()},
		news: make(chan news, waitingNews), models: map[string]*past{}, learning: make(chan struct{}, 1),
	}
}

func historyName(model string) string {
	if len(model) > longestHistoryName {
		model = strings.TrimRight(model[:longestHistoryName-64], "-.") + "-" + ref.LabelValue(model)
	}
	return model + "-history"
}

func (h *histories) of(model string) *past {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.models[model] == nil {
		p := &past{lessons: map[string]*lesson{}, statistic: forStable(), savedAt: h.clock().Add(-spread(model, saveEvery))}
		p.history.Shelve(h.shelf)
		h.models[model] = p
	}
	return h.models[model]
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

// know says which version of a model is stable, and what is slow. The first time, what was kept is read.
func (h *histories) know(ctx context.Context, model *suokev1.AIModel, stable rollout.ID, how suokev1.Analysis) {
	p := h.of(model.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.model == nil || p.model.UID != model.UID {
		p.model, p.loaded = model.DeepCopy(), false
	}
	if !p.loaded {
		p.load(ctx, h)
	}
	if p.loaded && stable == "" {
		p.history.Whole() // nothing has had traffic yet
	}
	if p.stable != "" && p.stable != stable {
		// Another version has another rate; how its Pods come and go is much the same.
		p.statistic, p.pace = forStable(), pace{}
	}
	p.stable, p.quantile, p.increase = stable, how.LatencyQuantile, how.MaxLatencyIncrease
}

// load reads what was kept. Without it there is only less to judge by.
func (p *past) load(ctx context.Context, h *histories) {
	var object corev1.ConfigMap
	err := h.live.Get(ctx, client.ObjectKey{Namespace: p.model.Namespace, Name: historyName(p.model.Name)}, &object)
	if err != nil && !apierrors.IsNotFound(err) {
		h.log.Warn("reading the history of a model", "model", p.model.Name, "error", err)
		return
	}
	p.loaded = true
	if err != nil || !metav1.IsControlledBy(&object, p.model) {
		return
	}
	var history analysis.History
	history.Shelve(h.shelf)
	statistic := forStable()
	if err := errors.Join(history.UnmarshalBinary(object.BinaryData[historyKey]), json.Unmarshal([]byte(object.Data[statisticKey]), &statistic)); err != nil {
		h.log.Warn("the history of a model cannot be read, so its next release is judged by the rule for little history",
			"model", p.model.Name, "error", err)
		return
	}
	p.history, p.statistic = history, statistic
	h.log.Info("history read", "model", p.model.Name, "Pod-hours", history.PodHours())
}

// tell passes on complete seconds of a model. It does not wait.
func (h *histories) tell(model string, seconds []heardSecond) {
	select {
	case h.news <- news{model, seconds}:
	default:
		h.log.Warn("the history of a model has a gap: too much waits to be taken in", "model", model)
	}
}

// hear takes seconds of a model in.
func (h *histories) hear(model string, seconds []heardSecond) {
	p := h.of(model)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.loaded {
		return
	}
	for _, heard := range seconds {
		slow := p.pace.slowAfter(p.quantile, p.increase) // of seconds before
		second := analysis.Second{Unix: heard.unix}
		for _, pod := range heard.pods {
			counts := pod.judged(slow)
			counts.Mirrored, counts.Disagreed = 0, 0
			if pod.id != p.stable {
				p.history.AddCandidate(heard.unix, pod.pod, counts)
				continue
			}
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

// learn returns a configuration with the limits that the history teaches for a release of these steps. While they are being
// found out, known is false, and the model is woken when they are. Where many wait for theirs, one goes on without.
func (h *histories) learn(model string, config analysis.Config, steps []analysis.Step) (learned analysis.Config, known bool) {
	p := h.of(model)
	p.mu.Lock()
	defer p.mu.Unlock()
	key := fmt.Sprint(config, steps, p.history.StartsKnown())
	if l := p.lessons[key]; l != nil {
		if l.at.IsZero() {
			return config, h.clock().Sub(l.asked) >= learnedWithin
		}
		if h.clock().Sub(l.at) < learnedFor {
			return l.config, true
		}
	}
	text, err := p.history.MarshalBinary()
	if err != nil || p.history.PodHours() == 0 {
		if err != nil {
			h.log.Warn("learning from the history of a model", "model", model, "error", err)
		}
		p.lessons = map[string]*lesson{key: {config: config, at: h.clock()}}
		return config, true
	}
	p.lessons = map[string]*lesson{key: {asked: h.clock()}}
	go func() {
		h.learning <- struct{}{}
		defer func() { <-h.learning }()
		learned := config
		var history analysis.History
		if err := history.UnmarshalBinary(text); err == nil { // it was marshalled above
			learned = history.Learn(config, steps...)
		}
		p.mu.Lock()
		p.lessons = map[string]*lesson{key: {config: learned, at: h.clock()}}
		p.mu.Unlock()
		h.learned(model)
		h.save(context.Background(), p)
	}()
	return config, false
}

// Start keeps histories until ctx ends, and then writes those that have news.
func (h *histories) Start(ctx context.Context) error {
	var writing sync.WaitGroup
	writing.Go(func() { h.write(ctx) })
	for {
		select {
		case n := <-h.news:
			h.hear(n.model, n.seconds)
		case <-ctx.Done():
			writing.Wait()
			h.saveAll()
			return nil
		}
	}
}

// write writes histories when they are due.
func (h *histories) write(ctx context.Context) {
	tick := time.NewTicker(saveTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, p := range h.due(h.clock().Add(-saveEvery)) {
			h.save(ctx, p)
		}
	}
}

// NeedLeaderElection says that only the leader, who hears, writes.
func (*histories) NeedLeaderElection() bool { return true }

// due are the histories that have news and were not written since.
func (h *histories) due(since time.Time) []*past {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*past
	for _, p := range h.models {
		p.mu.Lock()
		if p.changed && p.model != nil && !p.savedAt.After(since) {
			all = append(all, p)
		}
		p.mu.Unlock()
	}
	return all
}

// saveAll writes what has news when the operator ends.
func (h *histories) saveAll() {
	ctx, cancel := context.WithTimeout(context.Background(), savedAtEnd)
	defer cancel()
	slots := make(chan struct{}, savedAtOnce)
	var saving sync.WaitGroup
	for _, p := range h.due(h.clock()) {
		slots <- struct{}{}
		saving.Go(func() {
			h.save(ctx, p)
			<-slots
		})
	}
	saving.Wait()
}

// save writes one history. If that does not succeed it is tried again when it is due next.
func (h *histories) save(ctx context.Context, p *past) {
	ctx, cancel := context.WithTimeout(ctx, saveWithin)
	defer cancel()
	object, err := p.object(h.clock())
	if err == nil {
		err = h.replace(ctx, object)
	}
	if err != nil {
		p.mu.Lock()
		p.changed = true
		p.mu.Unlock()
		h.log.Warn("writing the history of a model", "error", err)
	}
}

func (p *past) object(now time.Time) (*corev1.ConfigMap, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed, p.savedAt = false, now
	history, err := p.history.MarshalBinary()
	for err == nil && len(history) > largestHistory && p.history.DropOldest() {
		history, err = p.history.MarshalBinary()
	}
	if err != nil {
		return nil, fmt.Errorf("writing the history of %s: %w", p.model.Name, err)
	}
	statistic, err := json.Marshal(p.statistic)
	if err != nil {
		return nil, fmt.Errorf("writing the history of %s: %w", p.model.Name, err)
	}
	label := ref.LabelValue(p.model.Name)
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: historyName(p.model.Name), Namespace: p.model.Namespace,
			Labels: map[string]string{
				manifest.LabelModel: label, "app.kubernetes.io/name": label,
				"app.kubernetes.io/part-of": "suoke", "app.kubernetes.io/component": "history",
			},
			Annotations:     map[string]string{manifest.AnnotationModel: p.model.Name},
			OwnerReferences: []metav1.OwnerReference{owner(p.model)},
		},
		Data:       map[string]string{statisticKey: string(statistic)},
		BinaryData: map[string][]byte{historyKey: history},
	}, nil
}

// replace writes over whatever stands there: only the leader writes, and what it knows is the longer history.
func (h *histories) replace(ctx context.Context, object *corev1.ConfigMap) error {
	err := h.client.Update(ctx, object, client.FieldOwner(FieldManager))
	if apierrors.IsNotFound(err) {
		err = h.client.Create(ctx, object, client.FieldOwner(FieldManager))
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s: %w", object.Name, err)
	}
	return nil
}
