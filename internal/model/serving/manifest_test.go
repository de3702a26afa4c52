package serving_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/serving"
)

func TestReadManifest(t *testing.T) {
	cases := map[string]struct {
		text string
		want string // in the error; none if empty
	}{
		"a classification":           {`{"task":"classification","features":["a"],"labels":["no","yes"],"description":"d"}`, ""},
		"a regression":               {`{"task":"regression","features":["a","b"]}`, ""},
		"no JSON":                    {`task: regression`, "invalid character"},
		"an unknown task":            {`{"task":"ranking","features":["a"]}`, `"task" is "ranking"; write "classification" or "regression"`},
		"no features":                {`{"task":"regression"}`, `"features" is empty`},
		"a feature twice":            {`{"task":"regression","features":["a","b","a"]}`, `"features" names "a" twice`},
		"one label":                  {`{"task":"classification","features":["a"],"labels":["x"]}`, `"labels" needs at least two`},
		"a label twice":              {`{"task":"classification","features":["a"],"labels":["x","x"]}`, `"labels" names "x" twice`},
		"a regression with labels":   {`{"task":"regression","features":["a"],"labels":["x"]}`, `leave it out of a regression`},
		"features that are not text": {`{"task":"regression","features":[1]}`, "features"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "model.json")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := serving.ReadManifest(file)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
					t.Errorf("got %v; want the file and %q in it", err, c.want)
				}
				return
			}
			if err != nil || m.Features[0] != "a" {
				t.Errorf("got %v, %v", m, err)
			}
		})
	}
	if _, err := serving.ReadManifest(filepath.Join(t.TempDir(), "model.json")); err == nil || !strings.Contains(err.Error(), "model.json") {
		t.Errorf("a missing file: %v", err)
	}
	full := serving.Manifest{Task: "classification", Features: []string{"a"}, Labels: []string{"no", "yes"}}
	if diff := cmp.Diff("probabilities", full.Output()); diff != "" {
		t.Error(diff)
	}
}
