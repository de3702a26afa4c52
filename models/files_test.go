package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/model/serving"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/traffic/load"
	"github.com/suoke-life/suoke/models/dataset"
)

var update = flag.Bool("update", false, "write SHA256SUMS anew")

// trained is what one training makes; tests that only look at it share it.
var trained = sync.OnceValues(func() (files, error) { return train(io.Discard) })

// built is a folder with everything that a run writes.
func built(t *testing.T) string {
	t.Helper()
	made, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := made.write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sums are the lines of sha256sum for the files below a folder.
func sums(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		path, err := filepath.Rel(dir, name)
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), filepath.ToSlash(path)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[sha256.Size*2:], b[sha256.Size*2:]) })
	return strings.Join(lines, "")
}

// A change of a weight, a row or a word shows here; where it is meant, -update writes the new hashes.
func TestEveryRunWritesTheBytesOfSHA256SUMS(t *testing.T) {
	again := t.TempDir()
	var progress bytes.Buffer
	if err := run(again, &progress); err != nil {
		t.Fatal(err)
	}
	for _, e := range examples() {
		for _, v := range e.versions {
			if !strings.Contains(progress.String(), e.name+" "+v.name+": ") {
				t.Errorf("the progress does not tell of %s %s:\n%s", e.name, v.name, &progress)
			}
		}
	}
	got := sums(t, again)
	if diff := cmp.Diff(sums(t, built(t)), got); diff != "" {
		t.Errorf("a second run wrote other bytes (-first +second):\n%s", diff)
	}
	if *update {
		if err := os.WriteFile("SHA256SUMS", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("what was written (-SHA256SUMS +got); if it is meant, run go test ./models -update:\n%s", diff)
	}
}

func TestVersionsOfAnEarlierTrainerAreRemoved(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join("models", "xiaoai-digits", "v0.1.0", "model.onnx")
	theirs := filepath.Join("models", "someone-elses", "v1", "model.onnx")
	if err := (files{old: []byte("x"), theirs: []byte("x")}).write(dir); err != nil {
		t.Fatal(err)
	}
	if err := clean(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, old)); err == nil {
		t.Error("a version of an earlier trainer is still there and would be published")
	}
	if _, err := os.Stat(filepath.Join(dir, theirs)); err != nil {
		t.Errorf("a model that is not of the examples is gone: %v", err)
	}
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	if err := made.write(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("writing below a file: %v; want an error that names it", err)
	}
}

func TestArtifactsAreWhatTheContractSays(t *testing.T) {
	dir := built(t)
	for _, e := range examples() {
		held := readRows(t, filepath.Join(dir, "datasets", e.name, e.name+".csv"))
		for _, v := range e.versions {
			about, err := serving.ReadManifest(filepath.Join(dir, "models", e.name, v.name, "model.json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(held.Features, about.Features); diff != "" {
				t.Errorf("%s %s: features (-data set +model.json):\n%s", e.name, v.name, diff)
			}
			if (held.Answer == dataset.Label) != (about.Task == serving.Classification) {
				t.Errorf("%s %s: a %s, but the data set's last column is %s", e.name, v.name, about.Task, held.Answer)
			}
			if !strings.HasPrefix(about.Description, v.about) || !strings.HasSuffix(about.Description, e.credit) {
				t.Errorf("%s %s: the description says neither what it is nor where the data come from: %s", e.name, v.name, about.Description)
			}
		}
		notice := content(t, filepath.Join(dir, "datasets", e.name, "NOTICE.txt"))
		if notice != e.credit+"\n" {
			t.Errorf("%s: the data set's notice is %q", e.name, notice)
		}
	}
}

// Whoever finds one of these files alone must learn that its cases are invented.
func TestSymptomsAreCalledSyntheticWhereverTheyAppear(t *testing.T) {
	dir := built(t)
	files, err := filepath.Glob(filepath.Join(dir, "models", "laoke-symptoms", "*", "*"))
	if err != nil || len(files) != 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	files = append(files, filepath.Join(dir, "datasets", "laoke-symptoms", "NOTICE.txt"), "README.md", "data/README.md", "data/symptoms.csv")
	for _, name := range files {
		if !strings.Contains(strings.ToUpper(content(t, name)), "SYNTHETIC") {
			t.Errorf("%s does not say that it is synthetic", name)
		}
	}
}

func TestHeldOutRowsWereNotLearntFrom(t *testing.T) {
	for _, e := range examples()[:2] { // whose rows are all different
		learnt, held, _, err := e.parts()
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, x := range learnt.X {
			known[fmt.Sprint(x)] = true
		}
		for i, x := range held.X {
			if known[fmt.Sprint(x)] {
				t.Errorf("%s: held-out row %d is in the training part too", e.name, i+1)
			}
		}
	}
}

// The live rows are the held-out rows, of which half have a value in the corner that no row of the table has.
func TestHalfOfTheLiveRowsHaveAGreyCorner(t *testing.T) {
	dir := built(t)
	bodies := readBodies(t, demo.RowFiles(filepath.Join(dir, "datasets"))["xiaoai"])
	held := readRows(t, filepath.Join(dir, "datasets", "xiaoai-digits", "xiaoai-digits.csv"))
	if len(bodies) != len(held.X) {
		t.Fatalf("%d live rows for %d held-out ones", len(bodies), len(held.X))
	}
	grey := 0
	for i, body := range bodies {
		var asked struct{ Inputs [][]float64 }
		if err := json.Unmarshal(body, &asked); err != nil {
			t.Fatal(err)
		}
		row := asked.Inputs[0]
		if held.X[i][0] != 0 {
			t.Errorf("held-out row %d has a corner of %g", i+1, held.X[i][0])
		}
		if diff := cmp.Diff(held.X[i][1:], row[1:]); diff != "" {
			t.Errorf("row %d is another beside its corner (-held out +live):\n%s", i+1, diff)
		}
		if row[0] < 0 || row[0] > 16 {
			t.Errorf("row %d has a corner of %g, which is no pixel", i+1, row[0])
		}
		if row[0] != 0 {
			grey++
		}
	}
	if grey != len(bodies)/2 {
		t.Errorf("%d of %d rows have a grey corner, not half", grey, len(bodies))
	}
}

// What the demo sends must be there for every agent, and be rows that the agent's model takes.
func TestTheDemoFindsRowsForEveryAgent(t *testing.T) {
	files := demo.RowFiles(filepath.Join(built(t), "datasets"))
	for _, agent := range profile.Embedded().Names() {
		if bodies := readBodies(t, files[agent]); len(bodies) < 100 {
			t.Errorf("%s: %d requests; too few to ask", agent, len(bodies))
		}
	}
}

func readBodies(t *testing.T, name string) [][]byte {
	t.Helper()
	bodies, err := load.ReadBodies(strings.NewReader(content(t, name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return bodies
}

func readRows(t *testing.T, name string) dataset.Set {
	t.Helper()
	set, err := dataset.Read(strings.NewReader(content(t, name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return set
}

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
