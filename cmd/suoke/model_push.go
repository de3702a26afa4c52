package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
)

type modelPushOptions struct {
	registryFlags

	models   string
	datasets string
	out      io.Writer
}

func newModelPushCommand() *cobra.Command {
	var o modelPushOptions
	cmd := &cobra.Command{
		Use:   "push DIR REFERENCE",
		Short: "Publish a directory as a model or data set, or with --all a tree of them",
		Long: `Publish the files of a directory under a tag. What the registry holds already is not sent again, so a push can be
repeated. A directory with weights (such as model.onnx) is a model; one with tables (.csv, .jsonl) and no weights a data set.

  suoke model push build/models/xiaoai-digits/v2.1.0 models/xiaoai-digits:v2.1.0
  suoke model push --all build/models --datasets build/datasets

--all publishes each <name>/<version> of a directory as models/<name>:<version>, --datasets each <name> as datasets/<name>:latest.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.out = cmd.OutOrStdout()
			return runModelPush(cmd.Context(), o, args)
		},
	}
	o.add(cmd.Flags())
	cmd.Flags().StringVar(&o.models, "all", "", "directory of models, <name>/<version>/…")
	cmd.Flags().StringVar(&o.datasets, "datasets", "", "directory of data sets, <name>/…")
	return cmd
}

// publication is a directory and the name it gets.
type publication struct{ dir, name string }

func runModelPush(ctx context.Context, o modelPushOptions, args []string) error {
	all, err := o.publications(args)
	if err != nil {
		return err
	}
	for _, p := range all {
		to, options, err := o.parse(p.name)
		if err != nil {
			return err
		}
		pushed, err := store.Push(ctx, p.dir, to, options)
		if err != nil {
			return fmt.Errorf("%w%s", err, hint(err, to))
		}
		if _, err := fmt.Fprintf(o.out, "%s  %s  %s  %s\n", p.name, pushed.Digest, bytesText(pushed.SizeBytes), happened(pushed)); err != nil {
			return err
		}
	}
	return nil
}

func happened(p store.Pushed) string {
	switch {
	case p.Moved != "":
		return "sent " + bytesText(p.SentBytes) + "; the tag was " + p.Moved
	case p.SentBytes > 0:
		return "sent " + bytesText(p.SentBytes)
	}
	return "is there already"
}

// hint says how to reach a registry in a cluster from outside it.
func hint(err error, to ref.Reference) string {
	if errors.Is(err, store.ErrUnreachable) && to.Host == personsRegistry {
		return "\nIs the cluster up? Elsewhere than on the local one, run: kubectl port-forward -n suoke-life deployment/model-registry 5000"
	}
	return ""
}

func (o modelPushOptions) publications(args []string) ([]publication, error) {
	trees := o.models != "" || o.datasets != ""
	switch {
	case trees && len(args) > 0:
		return nil, errors.New("write either DIR REFERENCE, or --all and --datasets")
	case !trees && len(args) != 2:
		return nil, errors.New("write a directory and a reference, such as build/models/digits/v1 models/digits:v1, or --all build/models")
	case !trees:
		return []publication{{args[0], args[1]}}, nil
	}
	models, err := directories(o.models, "*/*", "<name>/<version>")
	if err != nil {
		return nil, err
	}
	datasets, err := directories(o.datasets, "*", "<name>")
	if err != nil {
		return nil, err
	}
	var all []publication
	for _, dir := range datasets { // before the models that are evaluated on them
		all = append(all, publication{dir, ref.DatasetsPrefix + filepath.Base(dir) + ":latest"})
	}
	for _, dir := range models {
		all = append(all, publication{dir, ref.ModelsPrefix + filepath.Base(filepath.Dir(dir)) + ":" + filepath.Base(dir)})
	}
	return all, nil
}

// directories finds those below a root that match a pattern, which people know by a layout. An empty root has none.
func directories(root, pattern, layout string) ([]string, error) {
	if root == "" {
		return nil, nil
	}
	if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no directory %s; `make models` builds the examples into build", root)
	}
	names, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", root, err)
	}
	var found []string
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() && !strings.HasPrefix(filepath.Base(name), ".") {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s holds no directory %s; write the one above them", root, layout)
	}
	return found, nil
}
