package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/release/view"
)

// rolloutEvery is how often the release is looked at.
const rolloutEvery = time.Second

func newRolloutGetCommand() *cobra.Command {
	var o rolloutOptions
	watch := false
	cmd := o.named("get", "Show a release as a tree: versions with their weights, Pods, and evidence", `Show a release as a tree: each version with its phase and weight, its Pods, and what it is judged by. A bar of evidence
that is full returns the version; one called good enough passes it.

With --watch a terminal shows it as it changes; elsewhere each change is appended.`,
		func(ctx context.Context, name string) error {
			if watch {
				return o.watch(ctx, name)
			}
			seen, err := o.look(ctx, name)
			if err != nil {
				return err
			}
			release := view.Of(seen.Seen)
			if o.output == outputJSON {
				return writeJSON(o.out, release)
			}
			_, err = fmt.Fprint(o.out, release.Tree(time.Now()))
			return err
		})
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing it as it changes")
	return cmd
}

// watch shows the release until the context ends. What one look cannot read, the next one may: only the first must succeed.
func (o *rolloutOptions) watch(ctx context.Context, name string) error {
	on, last := newScreen(o.out), ""
	for first := true; ; first = false {
		seen, err := o.look(ctx, name)
		switch {
		case err != nil && first || ctx.Err() != nil:
			return err
		case err != nil:
			if err := on.show(fmt.Sprintf("%v\ntrying again\n", err)); err != nil {
				return err
			}
		default:
			if err := o.frame(on, view.Of(seen.Seen), &last); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rolloutEvery):
		}
	}
}

// frame shows one look. Where looks are appended, only one that differs from the last is; the passing of time is no
// difference.
func (o *rolloutOptions) frame(on *screen, release view.Release, last *string) error {
	text, err := json.Marshal(release)
	if err != nil {
		return fmt.Errorf("showing %s: %w", release.Model, err)
	}
	changed := string(text) != *last
	*last = string(text)
	switch {
	case o.output == outputJSON && changed:
		return writeJSON(o.out, release)
	case o.output == outputJSON, !changed && !on.terminal:
		return nil
	case on.terminal:
		return on.show(release.Tree(time.Now()))
	default:
		return on.show(time.Now().UTC().Format(time.RFC3339) + "\n" + release.Tree(time.Now()))
	}
}
