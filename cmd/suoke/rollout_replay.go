package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/store"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/record"
)

type rolloutReplayOptions struct {
	rolloutOptions
	registryFlags

	atChanges, ofEvidence bool
	in                    io.Reader
}

// judgedSeconds are those of a record.
type judgedSeconds interface {
	// Next returns the next second; io.EOF after the last.
	Next() (record.Entry, error)
}

// replayable is what a record can be read from.
const replayable = "a file, - for standard input, or a record in the registry such as records/xiaoai-llm-model:v2.2.0-1"

const replayHelp = `Judge the record of a release again, and print the verdict of each second. FILE is
` + replayable + `.
With --evidence the last seconds that the status of an AIModel shows are judged again, and NAME is its name.

  suoke rollout replay records/xiaoai-llm-model:v2.2.0-1 --at-changes
  suoke rollout replay --evidence xiaoai-llm-model

STABLE and CANDIDATE say how many of a second's answers failed and, where there are any, how many were slow, and how many of
the mirrored ones disagreed. WORSE and GOOD ENOUGH are the nats of evidence for
either, and how many a Fail or a Pass takes.

A record is JSON lines, in rising order of seconds. The first says what was compared, each other one what a Pod answered in a
second, or that stable has no traffic from a second on:

  {"stable":"v1","candidate":"v2","start":{"config":{"slow":true,"allowedDisagreement":0.02}}}
  {"second":1700000000,"version":"v1","pod":"a","requests":80,"failures":0,"slow":4}
  {"second":1700000000,"version":"v2","pod":"b","requests":20,"failures":1,"slow":2,"mirrored":5,"disagreed":1}
  {"second":1700000600,"historical":true}
  {"second":1700000600,"version":"v2","pod":"b","requests":100}

Of the first line:
  stable, candidate   what the lines below call the versions; stable is left out where nothing served before
  start               what was known before the first second, as the operator writes it, and in its config what is judged and how:
                      slow answers (slow), disagreements (allowedDisagreement, a share of 1), and by which falseRollbackRate and
                      allowedIncrease; left out, nothing was known, and failures alone are judged
  model, attempt, stableDigest, candidateDigest   which release it was; they change no verdict

Of the others:
  second              Unix time; a second without a line is one in which no request ended
  version, pod        who answered; a Pod has one line in a second
  requests            that ended; of these, failures is how many failed, and slow how many took too long
  mirrored            requests that both versions answered; of these, disagreed is how many they answered differently
  historical          true, in a line of its own before those of its second's Pods: from then on stable has no traffic, and the
                      candidate is compared with what stable did in the quarter of an hour before

A count that is left out is 0. Any other field is refused, as a misspelt count would be one of 0.`

func newRolloutReplayCommand() *cobra.Command {
	var o rolloutReplayOptions
	cmd := &cobra.Command{
		Use:   "replay (FILE | --evidence NAME)",
		Short: "Judge the record of a release again, second by second",
		Long:  replayHelp,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1:
				return nil
			case o.ofEvidence:
				return unnamed(cmd, " --evidence")
			default:
				return fmt.Errorf("write one record: %s FILE, which is %s; or the name of an AIModel: %s --evidence NAME", cmd.CommandPath(), replayable, cmd.CommandPath())
			}
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if o.ofEvidence {
				return o.complete(cmd, args, begun)
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.in, o.out = cmd.InOrStdin(), cmd.OutOrStdout()
			if o.ofEvidence {
				return o.run(cmd, func(ctx context.Context) error { return o.again(ctx, args[0]) })
			}
			if err := o.file(cmd.Context(), args[0]); cmd.Context().Err() == nil {
				return err
			}
			return nil
		},
	}
	o.add(cmd.Flags())
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json (one object a line), or nothing for a table")
	cmd.Flags().BoolVar(&o.atChanges, "at-changes", false, "print only the seconds at which the verdict changes")
	cmd.Flags().BoolVar(&o.ofEvidence, "evidence", false, "judge again the last seconds that the status of the AIModel NAME shows, in place of a FILE")
	return cmd
}

// judgedSecond is a second of a record with the verdict after it.
type judgedSecond struct {
	Second int64 `json:"second"`
	// Stable and Candidate are what their Pods answered in it.
	Stable    analysis.Counts    `json:"stable"`
	Candidate analysis.Counts    `json:"candidate"`
	Judgement analysis.Judgement `json:"judgement"`
}

// file judges a file again.
func (o *rolloutReplayOptions) file(ctx context.Context, name string) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	file, err := o.open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	reader, err := record.NewReader(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if err := o.replay(ctx, reader.Header, reader); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// again judges again what a status shows.
func (o *rolloutReplayOptions) again(ctx context.Context, name string) error {
	header, seconds, err := o.evidence(ctx, name)
	if err != nil {
		return err
	}
	return o.replay(ctx, header, seconds)
}

// replay judges each second of a record and shows it.
func (o *rolloutReplayOptions) replay(ctx context.Context, header record.Header, seconds judgedSeconds) error {
	show := o.table(header)
	if o.output == outputJSON {
		encoder := json.NewEncoder(o.out)
		show = func(s judgedSecond) error { return encoder.Encode(s) }
	}
	statistic := header.Start
	for last := analysis.Verdict(""); ctx.Err() == nil; {
		entry, err := seconds.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		statistic = entry.AddTo(statistic)
		second := judgedSecond{Second: entry.Unix, Judgement: statistic.Judgement()}
		for _, pod := range entry.Pods {
			if pod.Candidate {
				second.Candidate = second.Candidate.Plus(pod.Counts)
			} else {
				second.Stable = second.Stable.Plus(pod.Counts)
			}
		}
		if o.atChanges && second.Judgement.Verdict == last {
			continue
		}
		last = second.Judgement.Verdict
		if err := show(second); err != nil {
			return err
		}
	}
	return nil
}

// open finds a record: standard input, a file, or an artifact.
func (o *rolloutReplayOptions) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(o.in), nil
	}
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(name, "records/") {
		if err != nil {
			return nil, fmt.Errorf("%w; write "+replayable, err)
		}
		return file, nil
	}
	return o.pull(ctx, name)
}

// pull brings a record from the registry. Its file is gone once it is closed.
func (o *rolloutReplayOptions) pull(ctx context.Context, name string) (io.ReadCloser, error) {
	from, options, err := o.parse(name)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "suoke-replay-")
	if err != nil {
		return nil, fmt.Errorf("making room for %s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := store.Pull(ctx, from, dir, options); err != nil {
		return nil, fmt.Errorf("%w%s", err, hint(err, from))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("%s is no record: it has %d files of JSON lines and not one", from, len(files))
	}
	// The name may go while the file is read.
	return os.Open(files[0])
}
