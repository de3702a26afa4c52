package manifest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
)

// committed is where each size's files stand in the repository.
func committed() map[string]string {
	return map[string]string{profile.Production: "../../k8s", profile.Local: "../../k8s/local"}
}

func TestCommittedFilesAreWhatIsRendered(t *testing.T) {
	for size, dir := range committed() {
		for _, f := range render(t, size) {
			want, err := os.ReadFile(filepath.Join(dir, f.Name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(f.Data)); diff != "" {
				t.Errorf("%s/%s is not what is rendered; run `make generate` (-committed +rendered):\n%s", dir, f.Name, diff)
			}
		}
	}
}

func TestWriteLeavesAnEqualFileAlone(t *testing.T) {
	dir := t.TempDir()
	files := []manifest.File{{Name: "a.yaml", Data: []byte("a: 1\n")}}
	if err := manifest.Write(dir, files); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.yaml")
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := manifest.Write(dir, files); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !before.ModTime().Equal(after.ModTime()) {
		t.Error("the file was written again")
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, test := range map[string]struct{ agents, size, want string }{
		"a size that there is not":         {string(profile.EmbeddedYAML()), "huge", "write production or local"},
		"a profile that does not parse":    {"agents: 7", profile.Local, "parsing the agents' profile"},
		"a profile that its checks refuse": {"agents: []", profile.Local, "write at least one agent"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Render([]byte(test.agents), test.size)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// A fifth agent is one entry in one file: from then on every file knows it.
func TestAFifthAgentIsOneEntry(t *testing.T) {
	text := string(profile.EmbeddedYAML())
	start, end := strings.Index(text, "  - name: laoke"), strings.Index(text, "  - name: soer")
	entry := strings.NewReplacer("laoke", "xiaowu", "tcm_diagnosis", "nutrition_advice").Replace(text[start:end])
	files, err := manifest.Render([]byte(text+"\n"+entry), profile.Production)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range files {
		for _, o := range objects(t, f) {
			found[o.GetKind()+"/"+o.GetName()] = true
		}
	}
	for _, want := range []string{
		"Deployment/xiaowu-agent", "Service/xiaowu-agent", "PodDisruptionBudget/xiaowu-agent",
		"HorizontalPodAutoscaler/xiaowu-hpa", "VerticalPodAutoscaler/xiaowu-vpa",
	} {
		if !found[want] {
			t.Errorf("no %s", want)
		}
	}
}

func render(t *testing.T, size string) []manifest.File {
	t.Helper()
	files, err := manifest.Render(profile.EmbeddedYAML(), size)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// objects reads every object of a file.
func objects(t *testing.T, f manifest.File) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(f.Data), 4096)
	for {
		var document runtime.RawExtension
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if len(document.Raw) == 0 || string(document.Raw) == "null" {
			continue // a document of comments
		}
		var o unstructured.Unstructured
		if err := o.UnmarshalJSON(document.Raw); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		all = append(all, &o)
	}
}
