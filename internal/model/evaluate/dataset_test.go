package evaluate_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/evaluate"
)

func TestADataSetIsTheOneFileOfItsDirectoryThatTheTaskIsReadFrom(t *testing.T) {
	cases := map[string]struct {
		task  evaluate.Task
		files []string
		want  string
	}{
		"one among others":             {evaluate.Classification, []string{"README.md", "data.csv"}, ""},
		"one below":                    {evaluate.Regression, []string{"README.md", "test/DATA.CSV"}, ""},
		"lines beside a table":         {evaluate.Language, []string{"data.csv", "data.jsonl"}, ""},
		"none":                         {evaluate.Classification, []string{"data.jsonl"}, "the data set has 0 CSV files (.csv); push a directory with one, as a classification needs"},
		"two":                          {evaluate.Regression, []string{"test.csv", "train.csv"}, "the data set has 2 CSV files (.csv); push a directory with one, as a regression needs"},
		"a table for a language model": {evaluate.Language, []string{"data.csv"}, "the data set has 0 JSON lines files (.jsonl); push a directory with one, as a language model needs"},
	}
	for sentence, x := range cases {
		t.Run(sentence, func(t *testing.T) {
			files := map[string]string{}
			for _, name := range x.files {
				files[name] = name
			}
			d, err := evaluate.Open(directory(t, files), x.task)
			switch {
			case x.want != "":
				if !evaluate.BadInput(err) || err.Error() != x.want {
					t.Errorf("got %v; want %q", err, x.want)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			defer func() { _ = d.Rows.Close() }()
			if text, err := io.ReadAll(d.Rows); err != nil || string(text) != x.files[1] || d.Bands != nil {
				t.Errorf("read %q, bands %v, %v", text, d.Bands, err)
			}
		})
	}
	if _, err := evaluate.Open("/nonexistent", evaluate.Regression); err == nil || evaluate.BadInput(err) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestBandsStandBesideTheRowsOfARegression(t *testing.T) {
	files := map[string]string{
		"test/data.csv":   "x,target\n",
		"test/bands.json": `{"bands": [{"name": "low", "below": 100}, {"name": "normal", "below": 140.5}, {"name": "high"}]}`,
	}
	want := []evaluate.Band{{Name: "low", Below: new(100.)}, {Name: "normal", Below: new(140.5)}, {Name: "high"}}
	for task, bands := range map[evaluate.Task][]evaluate.Band{evaluate.Regression: want, evaluate.Classification: nil} {
		d, err := evaluate.Open(directory(t, files), task)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Rows.Close() }()
		if diff := cmp.Diff(bands, d.Bands); diff != "" {
			t.Errorf("of a %s (-want +got):\n%s", task, diff)
		}
	}
}

func TestBandsThatDoNotDivideAllNumbersAreRefused(t *testing.T) {
	for sentence, x := range map[string]struct{ bands, want string }{
		"no JSON":                    {`low, high`, `it cannot be read (invalid character 'l' looking for beginning of value); write {"bands": [`},
		"a misspelt field":           {`{"bands": [{"name": "low", "belwo": 1}, {"name": "high"}]}`, `unknown field "belwo"`},
		"a limit in quotation marks": {`{"bands": [{"name": "low", "below": "1"}, {"name": "high"}]}`, "it cannot be read"},
		"two files in one":           {`{"bands": []} {"bands": []}`, "something stands behind its end"},
		"none":                       {`{}`, "it names 0 bands; write 2 to 100"},
		"one":                        {`{"bands": [{"name": "all"}]}`, "it names 1 bands; write 2 to 100"},
		"too many":                   {`{"bands": [` + strings.Repeat(`{},`, 100) + `{}]}`, "it names 101 bands; write 2 to 100"},
		"no name":                    {`{"bands": [{"below": 1}, {"name": "high"}]}`, "bands[0].name: write a name that no other band has"},
		"a name twice":               {`{"bands": [{"name": "a", "below": 1}, {"name": "a"}]}`, "bands[1].name: write a name that no other band has"},
		"a gap at the top":           {`{"bands": [{"name": "a", "below": 1}, {"name": "b", "below": 2}]}`, "bands[1].below: leave it out, as the last band has no limit"},
		"an open band in the middle": {`{"bands": [{"name": "a"}, {"name": "b"}]}`, "bands[0].below: write a number; only the last band has no limit"},
		"limits that fall":           {`{"bands": [{"name": "a", "below": 2}, {"name": "b", "below": 2}, {"name": "c"}]}`, "bands[1].below: write a number above 2, the limit of the band before it"},
		"a limit beyond a float":     {`{"bands": [{"name": "a", "below": 1e999}, {"name": "b"}]}`, "it cannot be read"},
		"a vast file":                {strings.Repeat(" ", 65<<10), "it is larger than 65536 bytes"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := evaluate.Open(directory(t, map[string]string{"data.csv": "x,target\n", "bands.json": x.bands}), evaluate.Regression)
			if !evaluate.BadInput(err) || !strings.HasPrefix(err.Error(), "bands.json of the data set: ") || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v; want %q in it", err, x.want)
			}
		})
	}
}

// directory holds files by their paths.
func directory(t *testing.T, files map[string]string) string {
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
