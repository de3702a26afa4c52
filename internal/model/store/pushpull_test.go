package store_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/store"
)

func TestWhatIsPushedIsPulled(t *testing.T) {
	p := start(t)
	dir := modelDir(t)
	pushed := push(t, dir, p.ref(t, "models/digits:v1"))
	for name, from := range map[string]string{"by tag": "models/digits:v1", "by digest": "models/digits@" + pushed.Digest} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "new", "model")
			pulled, err := store.Pull(t.Context(), p.ref(t, from), to, quick())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(pushed.Artifact, pulled); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(contents(t, dir), contents(t, to)); diff != "" {
				t.Error(diff)
			}
			if left := contents(t, filepath.Dir(to)); len(left) != 3 {
				t.Errorf("the pull left %v", slices.Collect(maps.Keys(left)))
			}
		})
	}
	resolved, err := store.Resolve(t.Context(), p.ref(t, "models/digits:v1"), quick())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pushed.Artifact, resolved); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameFilesGiveTheSameDigestAndAreNotSentAgain(t *testing.T) {
	p := start(t)
	first := push(t, modelDir(t), p.ref(t, "models/digits:v1"))
	again := push(t, modelDir(t), p.ref(t, "models/digits:v1"))
	if first.Digest != again.Digest || first.SentBytes == 0 || again.SentBytes != 0 {
		t.Errorf("first %s (%d bytes), then %s (%d bytes)", first.Digest, first.SentBytes, again.Digest, again.SentBytes)
	}
	other := modelDir(t)
	if err := os.WriteFile(filepath.Join(other, "model.json"), []byte(`{}`), 0o644); err != nil {
		t.Fatal(err)
	}
	moved := push(t, other, p.ref(t, "models/digits:v1"))
	if moved.Digest == first.Digest || moved.Moved != first.Digest || moved.SentBytes > 1000 {
		t.Errorf("another model.json: %+v", moved)
	}
}

// A volume's mount point cannot be renamed away, and is there before the pull.
func TestADirectoryThatExistsIsFilled(t *testing.T) {
	p := start(t)
	dir := modelDir(t)
	push(t, dir, p.ref(t, "models/digits:v1"))
	to := t.TempDir()
	for range 2 { // again after a restart of the Pod's containers
		if _, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), to, quick()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, dir), contents(t, to)); diff != "" {
			t.Error(diff)
		}
	}
	other := dirOf(t, map[string]string{"notes.txt": "mine"})
	_, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), other, quick())
	if err == nil || !strings.Contains(err.Error(), "holds notes.txt") {
		t.Errorf("into a directory of something else: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"notes.txt": "mine"}, contents(t, other)); diff != "" {
		t.Error(diff)
	}
}

func TestADirectoryWithoutAModelIsNotPushed(t *testing.T) {
	p := start(t)
	link := modelDir(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(link, "extra.bin")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ dir, to, sentence string }{
		"empty":                {t.TempDir(), "models/a1:v1", "holds no model (such as model.onnx) and no data set"},
		"a README only":        {dirOf(t, map[string]string{"README.md": "x"}), "models/a1:v1", "holds no model"},
		"not there":            {"/nonexistent", "models/a1:v1", "no such file or directory"},
		"a link out of it":     {link, "models/a1:v1", "put the file itself there"},
		"a name without a tag": {modelDir(t), "models/a1", "write a tag and no digest"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Push(t.Context(), c.dir, p.ref(t, c.to), quick())
			if err == nil || !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("%v\nwant it to say %q", err, c.sentence)
			}
		})
	}
}

func TestAListingHasEveryTagAndAnInspectionEveryFile(t *testing.T) {
	p := start(t)
	push(t, modelDir(t), p.ref(t, "models/digits:v1"))
	push(t, modelDir(t), p.ref(t, "models/digits:v2"))
	push(t, dirOf(t, map[string]string{"data.csv": "a,label\n1,0\n"}), p.ref(t, "datasets/digits:latest"))
	entries, err := store.List(t.Context(), p.host, quick())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Repository+":"+e.Tag+" "+string(e.Kind))
	}
	want := []string{"datasets/digits:latest dataset", "models/digits:v1 model", "models/digits:v2 model"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d, err := store.Inspect(t.Context(), p.ref(t, "models/digits:v2"), quick())
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range d.Files {
		files = append(files, f.Path+" "+f.MediaType)
	}
	if diff := cmp.Diff([]string{
		"model.json application/vnd.cncf.model.weight.config.v1.raw",
		"model.onnx application/vnd.cncf.model.weight.v1.raw",
		"tokens/vocab.txt application/vnd.cncf.model.weight.config.v1.raw",
	}, files); diff != "" {
		t.Error(diff)
	}
	if d.Name != "digits" || d.Version != "v2" || d.Format != "onnx" {
		t.Errorf("described as %s %s %s", d.Name, d.Version, d.Format)
	}
}

func TestWhatIsNotThereIsNamedWithWhatIs(t *testing.T) {
	p := start(t)
	push(t, modelDir(t), p.ref(t, "models/digits:v1"))
	for name, c := range map[string]struct{ from, sentence string }{
		"another tag":        {"models/digits:v9", "has no tag v9; it has v1"},
		"another repository": {"models/letters:v1", "has no repository models/letters; push it with `suoke model push`"},
		"another digest":     {"models/digits@sha256:" + strings.Repeat("0", 64), "holds nothing with that digest"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Resolve(t.Context(), p.ref(t, c.from), quick())
			if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("%v\nwant it to say %q", err, c.sentence)
			}
		})
	}
}
