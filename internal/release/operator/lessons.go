package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

const (
	// learnedFor is how long what was learned of a history holds, and learnedWithin how long a release waits for it.
	learnedFor    = time.Hour
	learnedWithin = 30 * time.Second
)

// lesson is what was learned, for releases of one kind.
type lesson struct {
	config analysis.Config
	// asked is when it was asked for, at when it was learned; zero until then.
	asked, at time.Time
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
	if p.history.Empty() { // there may be one in a moment
		return config, true
	}
	p.lessons = map[string]*lesson{key: {asked: h.clock()}}
	go func() {
		h.learning <- struct{}{}
		defer func() { <-h.learning }()
		learned := config
		history, err := p.copied()
		if err != nil {
			h.log.Warn("learning from the history of a model", "model", model, "error", err)
		} else {
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

// copied is the history by itself, as learning from it takes long.
func (p *past) copied() (*analysis.History, error) {
	p.mu.Lock()
	text, err := p.history.MarshalBinary()
	p.mu.Unlock()
	var history analysis.History
	if err == nil {
		err = history.UnmarshalBinary(text)
	}
	return &history, err
}
