package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
)

const (
	firstFetchWait   = time.Second
	longestFetchWait = 15 * time.Second
	// sayEvery is the time between two lines of progress.
	sayEvery = 2 * time.Second
	// fetchRefused is the exit status of a fetch that trying again cannot help.
	fetchRefused = 2
)

type modelFetchOptions struct {
	registryFlags

	reference string
	to        string
	// credentialsDir has a Secret's keys as files; empty: the registry is asked anonymously.
	credentialsDir string

	lastWords string
	log       *slog.Logger
}

func newModelFetchCommand() *cobra.Command {
	var o modelFetchOptions
	cmd := &cobra.Command{
		Use:   "fetch HOST/REPOSITORY@DIGEST --to DIR",
		Short: "Bring a model to a Pod: try until it is there",
		Long: `What a Pod's init container runs. A registry that does not answer, or does not hold the artifact yet, is asked again
until the command is killed; files that were verified are not fetched twice. What asking again cannot help, a digest that
does not match or an artifact that is no model, ends it with status 2 and the reason in the termination message.

  suoke model fetch model-registry.suoke-life.svc:5000/models/xiaoai-digits@sha256:… --to /model

A registry that asks for credentials gets those of a Secret that is mounted at --credentials-dir: the file token, or else
username and password. They are read anew at each attempt, so that they may come, or change, while it waits.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.reference, o.log = args[0], slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return runModelFetch(cmd.Context(), o)
		},
	}
	o.addPlain(cmd.Flags())
	cmd.Flags().StringVar(&o.to, "to", "", "directory for the files; it may exist")
	cmd.Flags().StringVar(&o.credentialsDir, "credentials-dir", "", "directory with the files token, or username and password")
	cmd.Flags().StringVar(&o.lastWords, "termination-log", "/dev/termination-log", "file for the reason of a refusal, if it exists")
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag was added two lines above
	}
	return cmd
}

func runModelFetch(ctx context.Context, o modelFetchOptions) error {
	from, options, err := o.parse(o.reference)
	if err != nil {
		return o.refuse(err)
	}
	options.KeepPartial = true
	options.Progress = sayProgress(o.log, from)
	wait := firstFetchWait
	for attempt := 1; ; attempt++ {
		artifact, err := o.pull(ctx, from, options)
		switch {
		case err == nil:
			o.log.Info("the model is there", "reference", artifact.Reference, "bytes", artifact.SizeBytes, "dir", o.to)
			return nil
		case ctx.Err() != nil:
			return err
		case !mayCome(err):
			return o.refuse(err)
		}
		o.log.Warn("not fetched yet; trying again", "registry", from.Host, "attempt", attempt, "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait = min(2*wait, longestFetchWait)
	}
}

// pull makes one attempt.
func (o modelFetchOptions) pull(ctx context.Context, from ref.Reference, options store.Options) (store.Artifact, error) {
	if o.credentialsDir == "" {
		return store.Pull(ctx, from, o.to, options)
	}
	proof, err := credentials.InDir(o.credentialsDir)
	if err != nil {
		return store.Artifact{}, err
	}
	options.Credentials = proof
	artifact, err := store.Pull(ctx, from, o.to, options)
	if errors.Is(err, store.ErrDenied) {
		err = fmt.Errorf("%w than those in %s", err, o.credentialsDir)
	}
	return artifact, err
}

// mayCome says whether what an attempt lacked may be there at a later one.
func mayCome(err error) bool {
	return errors.Is(err, store.ErrUnreachable) || errors.Is(err, store.ErrNotFound) || errors.Is(err, credentials.ErrMissing)
}

// refuse leaves the reason where the Pod's status shows it.
func (o modelFetchOptions) refuse(err error) error {
	if _, writeErr := leaveWords(o.lastWords, []byte(err.Error())); writeErr != nil {
		o.log.Warn("the reason could not be left", "error", writeErr)
	}
	return exitError{fetchRefused, err}
}

// leaveWords writes a container's termination message, if its file is there: outside a container nobody reads it.
func leaveWords(name string, text []byte) (left bool, err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0) //nolint:gosec // the kubelet's file, or the caller's own
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("leaving the termination message: %w", err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return false, fmt.Errorf("leaving the termination message: %w", err)
	}
	return true, nil
}

// sayProgress logs how far a transfer is, but not at each of its many steps.
func sayProgress(log *slog.Logger, from ref.Reference) func(done, total int64) {
	pace := make(chan time.Time, 1)
	pace <- time.Now()
	return func(done, total int64) {
		select {
		case last := <-pace:
			if time.Since(last) >= sayEvery {
				last = time.Now()
				log.Info("fetching", "registry", from.Host, "done", bytesText(done), "of", bytesText(total),
					"percent", fmt.Sprintf("%.0f", 100*float64(done)/float64(max(total, 1))))
			}
			pace <- last
		default: // another file's goroutine is saying it
		}
	}
}
