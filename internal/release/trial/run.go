package trial

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// Options of a Run.
type Options struct {
	Seed uint64
	// Releases with a candidate as good as stable, of each world; Detections of each bad candidate.
	Releases, Detections int
	// Histories of a day from which limits are learned, of each world: the releases of a block share one.
	Histories int
	// Workers play releases at once.
	Workers int
	// Only what is named is measured, of Names; none is all. Rules are those that judge; none is all.
	Only, Rules []string
	// Progress is told each time that a block of releases has been played, by one worker at a time.
	Progress func(done, total int)
}

// check says what to write differently.
func (o Options) check() error {
	for _, c := range []struct {
		name  string
		value int
	}{{"releases", o.Releases}, {"detections", o.Detections}, {"histories", o.Histories}, {"workers", o.Workers}} {
		if c.value < 1 {
			return fmt.Errorf("%s: write a number of at least 1, not %d", c.name, c.value)
		}
	}
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("world or table %q: write one of %q", name, Names())
		}
	}
	return nil
}

// Run plays all that the options ask for.
func Run(ctx context.Context, o Options) (Report, error) {
	report := Report{Seed: o.Seed, Releases: o.Releases, Detections: o.Detections, Histories: o.Histories}
	if err := o.check(); err != nil {
		return report, err
	}
	rules, err := rulesOf(o.Rules)
	if err != nil {
		return report, err
	}
	studies := o.studies(rules)
	if err := o.play(ctx, studies); err != nil {
		return report, err
	}
	for _, s := range studies {
		s.write(&report, s)
	}
	return report, nil
}

// block is a part of a study whose releases share a history.
type block struct {
	study  *study
	number int
}

// play lets the workers take blocks until none is left.
func (o Options) play(ctx context.Context, studies []*study) error {
	var blocks []block
	for _, s := range studies {
		for number := range min(o.Histories, s.runs) {
			blocks = append(blocks, block{s, number})
		}
	}
	learned := &lessons{seed: o.Seed, known: map[lesson]func() analysis.Config{}}
	next, done := make(chan block), 0
	var workers sync.WaitGroup
	var progress sync.Mutex
	for range o.Workers {
		workers.Go(func() {
			for b := range next {
				o.playBlock(ctx, b, learned)
				progress.Lock()
				done++
				if o.Progress != nil {
					o.Progress(done, len(blocks))
				}
				progress.Unlock()
			}
		})
	}
	for _, b := range blocks {
		if ctx.Err() != nil {
			break
		}
		next <- b
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// playBlock plays the releases of a study that share a history: every so manieth.
func (o Options) playBlock(ctx context.Context, b block, learned *lessons) {
	w := b.study.world
	past := Past{Config: w.config(), Learned: learned.of(w, b.number, historySeconds), Recent: learned.of(w, b.number, recentSeconds)}
	for run := b.number; run < b.study.runs && ctx.Err() == nil; run += o.Histories {
		b.study.play(o.Seed, b.number, run, past)
	}
}
