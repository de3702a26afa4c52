package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/registry"
	"github.com/suoke-life/suoke/internal/model/store"
)

// artifacts is a real registry on loopback, with a way for a test to step between it and its clients.
type artifacts struct {
	host, root string
	// step may answer in the registry's place; it says whether it did.
	step atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func startArtifacts(t *testing.T) *artifacts {
	t.Helper()
	a := &artifacts{root: t.TempDir()}
	inner, err := registry.NewServer(t.Context(), a.root, registry.NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if step := a.step.Load(); step == nil || !(*step)(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.Close()
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
	})
	a.host = strings.TrimPrefix(server.URL, "http://")
	return a
}

func (a *artifacts) between(step func(w http.ResponseWriter, r *http.Request) bool) {
	a.step.Store(&step)
}

// push publishes files and returns the digest.
func (a *artifacts) push(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	out, err := runSuoke(t, "model", "push", filesIn(t, files), name, "--registry", a.host)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)[1]
}

// runSuoke runs the command as main does, and returns what it writes to standard output.
func runSuoke(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := newRootCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(t.Output())
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func filesIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		name := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns the files below a directory, or none if it is not there.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		files[strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(dir)+"/")] = string(text)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

func digits() map[string]string {
	return map[string]string{"model.onnx": strings.Repeat("weights ", 5000), "model.json": `{"task":"classification"}`}
}

func TestAModelIsPushedListedInspectedAndPulled(t *testing.T) {
	a := startArtifacts(t)
	dir := filesIn(t, digits())
	pushed, err := runSuoke(t, "model", "push", dir, "models/digits:v1", "--registry", a.host)
	if err != nil || !strings.HasPrefix(pushed, "models/digits:v1  sha256:") || !strings.Contains(pushed, "39.1 KiB  sent 39.") {
		t.Fatalf("%q, %v", pushed, err)
	}
	digest := strings.Fields(pushed)[1]
	if again, err := runSuoke(t, "model", "push", dir, "models/digits:v1", "--registry", a.host); err != nil || !strings.HasSuffix(again, digest+"  39.1 KiB  is there already\n") {
		t.Errorf("pushed again: %q, %v", again, err)
	}
	a.push(t, "datasets/digits:latest", map[string]string{"data.csv": "a,label\n1,0\n"})

	listed, err := runSuoke(t, "model", "ls", a.host)
	want := [][]string{{"REPOSITORY", "TAG", "KIND", "SIZE", "DIGEST"}, {"datasets/digits", "latest", "dataset"}, {"models/digits", "v1", "model", "39.1", "KiB", digest}}
	lines := strings.Split(strings.TrimSpace(listed), "\n")
	if err != nil || len(lines) != len(want) {
		t.Fatalf("%q, %v", listed, err)
	}
	for i, line := range lines {
		if got := strings.Fields(line); !cmp.Equal(want[i], got[:len(want[i])]) {
			t.Errorf("line %d is %v; want %v", i, got, want[i])
		}
	}

	inspected, err := runSuoke(t, "model", "inspect", "models/digits:v1", "--registry", a.host)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"Reference:   " + a.host + "/models/digits@" + digest, "Kind:        model", "Name:        digits", "Version:     v1",
		"Format:      onnx", "Size:        39.1 KiB", "File:        model.json   25 B       sha256:",
	} {
		if !strings.Contains(inspected, row) {
			t.Errorf("%q is not in\n%s", row, inspected)
		}
	}

	for _, from := range []string{"models/digits:v1", a.host + "/models/digits@" + digest} {
		to := filepath.Join(t.TempDir(), "new")
		out, err := runSuoke(t, "model", "pull", from, to, "--registry", a.host)
		if want := digest + "  39.1 KiB  into " + to + "\n"; err != nil || out != want {
			t.Errorf("%s: %q, %v; want %q", from, out, err, want)
		}
		if diff := cmp.Diff(digits(), read(t, to)); diff != "" {
			t.Errorf("%s (-pushed +pulled):\n%s", from, diff)
		}
	}
}

func TestModelsAreDescribedAsJSONToo(t *testing.T) {
	a := startArtifacts(t)
	digest := a.push(t, "models/digits:v1", digits())
	listed, err := runSuoke(t, "model", "ls", "--registry", a.host, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var entries []store.Entry
	if err := json.Unmarshal([]byte(listed), &entries); err != nil || len(entries) != 1 || entries[0].Tag != "v1" || entries[0].Digest != digest {
		t.Errorf("%+v, %v", entries, err)
	}
	inspected, err := runSuoke(t, "model", "inspect", "models/digits:v1", "--registry", a.host, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var described store.Description
	if err := json.Unmarshal([]byte(inspected), &described); err != nil || described.Digest != digest || len(described.Files) != 2 {
		t.Errorf("%+v, %v", described, err)
	}
}

func TestATreeOfModelsIsPushedByItsDirectories(t *testing.T) {
	a := startArtifacts(t)
	models := filesIn(t, map[string]string{
		"digits/v1/model.onnx": "one", "digits/v2/model.onnx": "two", "letters/v1/model.onnx": "three",
		"digits/.cache/model.onnx": "hidden", "README.md": "not a model",
	})
	datasets := filesIn(t, map[string]string{"digits/data.csv": "a,label\n1,0\n"})
	out, err := runSuoke(t, "model", "push", "--all", models, "--datasets", datasets, "--registry", a.host)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(out) {
		names = append(names, strings.Fields(line)[0])
	}
	want := []string{"datasets/digits:latest", "models/digits:v1", "models/digits:v2", "models/letters:v1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	moved, err := runSuoke(t, "model", "push", filesIn(t, map[string]string{"model.onnx": "other"}), "models/digits:v1", "--registry", a.host)
	if err != nil || !strings.Contains(moved, "; the tag was sha256:") {
		t.Errorf("%q, %v", moved, err)
	}
}

func TestModelCommandsSayWhatToWrite(t *testing.T) {
	a := startArtifacts(t)
	a.push(t, "models/digits:v1", digits())
	dir := filesIn(t, digits())
	cases := map[string]struct {
		args []string
		want string
	}{
		"a push of nothing":               {[]string{"push"}, "write a directory and a reference, such as"},
		"a push without a reference":      {[]string{"push", dir}, "write a directory and a reference, such as"},
		"a push of one and of all":        {[]string{"push", dir, "models/a:v1", "--all", dir}, "write either DIR REFERENCE, or --all and --datasets"},
		"a push without a tag":            {[]string{"push", dir, "models/digits"}, "write a tag and no digest"},
		"a push of a tree not there":      {[]string{"push", "--all", filepath.Join(dir, "none")}, "`make models` builds the examples"},
		"a push of a tree of no models":   {[]string{"push", "--all", dir}, "holds no directory <name>/<version>; write the one above them"},
		"a reference of no sense":         {[]string{"pull", "Models/Digits", t.TempDir()}, `reference "Models/Digits"`},
		"a pull without a tag":            {[]string{"pull", "models/digits", t.TempDir()}, "write a tag or a digest"},
		"a pull of a tag not there":       {[]string{"pull", "models/digits:v9", t.TempDir()}, "has no tag v9; it has v1"},
		"a pull into another's files":     {[]string{"pull", "models/digits:v1", filesIn(t, map[string]string{"notes.txt": ""})}, "holds notes.txt, which is not of this artifact"},
		"an inspection of what is not":    {[]string{"inspect", "models/letters:v1"}, "has no repository models/letters; push it with `suoke model push`"},
		"a listing in another format":     {[]string{"ls", "-o", "yaml"}, "--output yaml: write json, or leave it out"},
		"an inspection in another format": {[]string{"inspect", "models/digits:v1", "-o", "yaml"}, "--output yaml: write json, or leave it out"},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			out, err := runSuoke(t, append(append([]string{"model"}, c.args...), "--registry", a.host)...)
			if err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != 1 {
				t.Errorf("%v (status %d)\nwant status 1, and %q in it; %s", err, exitCode(err), c.want, out)
			}
		})
	}
}

func TestAPersonIsToldHowToReachTheClustersRegistry(t *testing.T) {
	unreachable := fmt.Errorf("listing: %w", store.ErrUnreachable)
	if said := hint(unreachable, ref.Reference{Host: personsRegistry}); !strings.Contains(said, "kubectl port-forward -n suoke-life deployment/model-registry 5000") {
		t.Errorf("said %q", said)
	}
	if said := hint(unreachable, ref.Reference{Host: "registry.example"}) + hint(store.ErrNotFound, ref.Reference{Host: personsRegistry}); said != "" {
		t.Errorf("said %q, which does not help there", said)
	}
}

func TestSizesAreSaidAsPeopleReadThem(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 40025: "39.1 KiB", 1 << 20: "1.0 MiB", 3 << 29: "1.5 GiB", 5 << 50: "5120.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %q; want %q", n, got, want)
		}
	}
}
