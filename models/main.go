// Command models trains the models of the examples and writes them, with the data sets that they are evaluated on, as
// `suoke model push` publishes them. Every run on every machine writes the same bytes, whose hashes stand in SHA256SUMS.
// README.md tells what the models are and what they are not.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "build", "folder that gets models/ and datasets/")
	flag.Parse()
	if err := run(*out, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "models:", err)
		os.Exit(1)
	}
}

// run trains everything before it writes anything, so that a run which is cut short leaves what was there.
func run(out string, progress io.Writer) error {
	made, err := train(progress)
	if err != nil {
		return err
	}
	if err := clean(out); err != nil {
		return err
	}
	if err := made.write(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(progress, "%d files, %d KiB, in %s\n", len(made), made.size()>>10, out)
	return err
}

// train makes the files of all examples.
func train(progress io.Writer) (files, error) {
	made := files{}
	for _, e := range examples() {
		if err := e.make(made, progress); err != nil {
			return nil, fmt.Errorf("making %s: %w", e.name, err)
		}
	}
	return made, nil
}

// clean removes what an earlier trainer made of the examples, so that it is not published with what is made now.
func clean(out string) error {
	for _, e := range examples() {
		for _, kind := range []string{"models", "datasets"} {
			if err := os.RemoveAll(filepath.Join(out, kind, e.name)); err != nil {
				return fmt.Errorf("making room for %s: %w", e.name, err)
			}
		}
	}
	return nil
}

// files are contents by slash-separated path.
type files map[string][]byte

func (f files) write(dir string) error {
	for path, content := range f {
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // these are published
			return fmt.Errorf("writing %s: %w", path, err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil { //nolint:gosec // these are published
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return nil
}

func (f files) size() (n int) {
	for _, content := range f {
		n += len(content)
	}
	return n
}
