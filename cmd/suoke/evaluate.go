package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/model/store"
)

const (
	// evaluateRefused is the exit status of an evaluation whose input must be written differently.
	evaluateRefused = 2
	// datasetAttempts at a registry that does not answer; the operator starts the evaluation again after that.
	datasetAttempts = 6
)

type evaluateOptions struct {
	registryFlags

	endpoint, stableEndpoint string
	name                     string
	dataset                  string
	task, protocol           string
	version, stableVersion   string
	modelDigest, runtime     string
	timeout                  time.Duration
	lastWords                string
	out                      io.Writer
	log                      *slog.Logger
}

func newEvaluateCommand() *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "evaluate --endpoint URL --name MODEL --dataset REFERENCE --task TASK",
		Short: "Measure a served model on a labelled data set",
		Long: `What the evaluation Job of a version runs. It asks the model server every row of the data set, and leaves one JSON document
in the termination message, or on standard output where there is none. Status 0 says that it was measured, whatever the
measures; 2 that the data set or the question must be written differently, as the document's "error" says; 1 that trying
again may help.

The data set is pushed with suoke model push. For a classification or a regression, which are asked over the Open Inference
Protocol, it has one CSV file with a header: the model's features by name, in any order, and a column label (the index of
the row's label) or target (a number). A file bands.json beside it makes classes of a regression's numbers:

  {"bands": [{"name": "low", "below": 100}, {"name": "normal", "below": 140}, {"name": "high"}]}

For a language model, which is asked over the OpenAI protocol, it has one .jsonl file with lines of either kind or both:

  {"prompt": "Is 38.5 degrees a fever? ", "label": "yes."}
  {"text": "What the model has not learnt from, of at most 16 KiB."}

Of a prompt the answer is the label that makes prompt and label together, written as they are, the likeliest.

  suoke evaluate --endpoint http://127.0.0.1:8080 --name xiaoai-digits --dataset datasets/xiaoai-digits --task classification
  suoke evaluate --endpoint http://127.0.0.1:8000 --name xiaoai-llm --dataset datasets/questions --task language --protocol openai`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.out, o.log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return runEvaluate(cmd.Context(), o)
		},
	}
	o.add(cmd.Flags())
	cmd.Flags().StringVar(&o.endpoint, "endpoint", "", "URL of a model server of the version to measure")
	cmd.Flags().StringVar(&o.stableEndpoint, "stable-endpoint", "", "URL of one of the version to compare with on the same rows")
	cmd.Flags().StringVar(&o.name, "name", "", "the model, as the server names it")
	cmd.Flags().StringVar(&o.dataset, "dataset", "", "reference of the data set; without a tag or digest it is the latest")
	cmd.Flags().StringVar(&o.task, "task", "", "classification, regression or language")
	cmd.Flags().StringVar(&o.protocol, "protocol", "oip", "how the model server is asked: oip, or openai for a language model")
	cmd.Flags().StringVar(&o.version, "version", "", "the version at --endpoint, for the document, where its server does not say it")
	cmd.Flags().StringVar(&o.stableVersion, "stable-version", "", "the same of --stable-endpoint")
	cmd.Flags().StringVar(&o.modelDigest, "model-digest", "", "digest of the model, for the document")
	cmd.Flags().StringVar(&o.runtime, "runtime", "", "image that serves the model, for the document")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 25*time.Minute, "longest time for the whole evaluation")
	cmd.Flags().StringVar(&o.lastWords, "termination-log", "/dev/termination-log", "file for the document, if it exists")
	for _, flag := range []string{"endpoint", "name", "dataset", "task"} {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // the flag was added a few lines above
		}
	}
	return cmd
}

func runEvaluate(ctx context.Context, o evaluateOptions) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	result, failed := o.evaluate(ctx)
	result.ModelDigest, result.Runtime = o.modelDigest, o.runtime
	if failed != nil {
		result.Error = failed.Error()
	}
	if err := o.leave(result); err != nil {
		return errors.Join(failed, err)
	}
	if evaluate.BadInput(failed) || store.Permanent(failed) || errors.Is(failed, store.ErrNotFound) {
		return exitError{evaluateRefused, failed}
	}
	return failed
}

// evaluate fetches the data set and asks its rows.
func (o evaluateOptions) evaluate(ctx context.Context) (evaluate.Result, error) {
	task, err := evaluate.ParseTask(o.task)
	if err != nil {
		return evaluate.Result{}, fmt.Errorf("--task: %w", err)
	}
	protocol, err := evaluate.ParseProtocol(o.protocol)
	if err != nil {
		return evaluate.Result{}, fmt.Errorf("--protocol: %w", err)
	}
	if err := evaluate.Suits(task, protocol); err != nil {
		return evaluate.Result{}, err // before the data set is fetched
	}
	dir, err := os.MkdirTemp("", "suoke-dataset-")
	if err != nil {
		return evaluate.Result{}, fmt.Errorf("making room for the data set: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	place := filepath.Join(dir, "dataset")
	digest, err := o.fetch(ctx, place)
	if err != nil {
		return evaluate.Result{}, err
	}
	result, err := o.ask(ctx, place, task, protocol)
	result.DatasetDigest = digest
	return result, err
}

// fetch brings the data set into a new directory and returns its digest.
func (o evaluateOptions) fetch(ctx context.Context, dir string) (string, error) {
	from, options, err := o.parse(o.dataset)
	if err != nil {
		return "", exitError{evaluateRefused, fmt.Errorf("--dataset: %w", err)}
	}
	if from.Tag == "" && from.Digest == "" {
		from.Tag = "latest"
	}
	options.Attempts = datasetAttempts
	found, err := store.Resolve(ctx, from, options)
	switch {
	case err != nil:
		return "", err
	case found.Kind != store.Dataset:
		return "", exitError{evaluateRefused, fmt.Errorf("%s is a model; write the reference of a data set", from)}
	case found.SizeBytes > evaluate.MaxDataset:
		return "", exitError{evaluateRefused, fmt.Errorf("%s has %s; a data set to evaluate on may have %s, so push one with fewer rows",
			from, bytesText(found.SizeBytes), bytesText(evaluate.MaxDataset))}
	}
	o.log.Info("fetching the data set", "reference", found.Reference, "size", bytesText(found.SizeBytes))
	if _, err := store.Pull(ctx, from.At(found.Digest), dir, options); err != nil {
		return found.Digest, err
	}
	return found.Digest, nil
}

func (o evaluateOptions) ask(ctx context.Context, dir string, task evaluate.Task, protocol evaluate.Protocol) (result evaluate.Result, err error) {
	dataset, err := evaluate.Open(dir, task)
	if err != nil {
		return evaluate.Result{}, err
	}
	defer func() { err = errors.Join(err, dataset.Rows.Close()) }()
	return evaluate.Run(ctx, evaluate.Config{
		Endpoint: o.endpoint, StableEndpoint: o.stableEndpoint, Version: o.version, StableVersion: o.stableVersion,
		Model: o.name, Task: task, Protocol: protocol, Rows: dataset.Rows, Bands: dataset.Bands, Log: o.log,
	})
}

// leave puts the document where the Pod's status shows it, or where a person sees it.
func (o evaluateOptions) leave(result evaluate.Result) error {
	text, err := result.Encode()
	if err != nil {
		return err
	}
	left, err := leaveWords(o.lastWords, text)
	if left || err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.out, "%s\n", text)
	return err
}
