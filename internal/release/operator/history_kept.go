package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/analysis"
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
	// longestHistoryName leaves room for what is appended to a model's name.
	longestHistoryName = 240
)

func historyName(model string) string {
	if len(model) > longestHistoryName {
		model = strings.TrimRight(model[:longestHistoryName-64], "-.") + "-" + ref.LabelValue(model)
	}
	return model + "-history"
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
	h.counting.known(statistic.Last)
	h.log.Info("history read", "model", p.model.Name, "Pod-hours", history.PodHours())
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

// due are the histories that have news and were not written since.
func (h *histories) due(since time.Time) []*past {
	h.mu.Lock()
	models := slices.Collect(maps.Values(h.models)) // one of them may be locked for as long as the API server takes to answer
	h.mu.Unlock()
	var all []*past
	for _, p := range models {
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
