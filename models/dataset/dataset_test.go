package dataset_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/models/dataset"
)

// numbered is a set whose rows are known by their first feature.
func numbered(answer string, y []float64) dataset.Set {
	s := dataset.Set{Features: []string{"number", "half"}, Answer: answer, Y: y}
	for i := range y {
		s.X = append(s.X, []float64{float64(i), float64(i) / 2})
	}
	return s
}

func TestSplitIsDisjointAndCoversTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 60).Draw(t, "labels")
		answer := rapid.SampledFrom([]string{dataset.Label, dataset.Target}).Draw(t, "answer")
		share, seed := rapid.Float64Range(0, 1).Draw(t, "share"), rapid.Uint64().Draw(t, "seed")
		y := make([]float64, len(labels))
		for i, label := range labels {
			y[i] = float64(label)
		}
		s := numbered(answer, y)
		train, test := s.Split(share, seed)
		seen, held := map[int]bool{}, map[float64]int{}
		for _, part := range []dataset.Set{train, test} {
			for i, x := range part.X {
				row := int(x[0])
				if seen[row] || part.Y[i] != y[row] {
					t.Errorf("row %d comes twice, or with another's %s", row, answer)
				}
				seen[row] = true
			}
		}
		for _, v := range test.Y {
			held[v]++
		}
		if len(seen) != len(y) {
			t.Errorf("%d rows of %d", len(seen), len(y))
		}
		if answer == dataset.Target {
			if want := int(math.Round(share * float64(len(y)))); len(test.Y) != want {
				t.Errorf("%d rows are held out, not %d", len(test.Y), want)
			}
		} else {
			total := map[float64]int{}
			for _, v := range y {
				total[v]++
			}
			for label, n := range total {
				if want := int(math.Round(share * float64(n))); held[label] != want {
					t.Errorf("label %g: %d of %d rows are held out, not %d", label, held[label], n, want)
				}
			}
		}
		train2, test2 := s.Split(share, seed)
		if diff := cmp.Diff([]dataset.Set{train, test}, []dataset.Set{train2, test2}); diff != "" {
			t.Errorf("the same seed splits otherwise (-first +second):\n%s", diff)
		}
	})
}

func TestSplitDrawsBySeed(t *testing.T) {
	s := numbered(dataset.Target, make([]float64, 40))
	_, one := s.Split(0.5, 1)
	_, two := s.Split(0.5, 2)
	if cmp.Equal(one, two) {
		t.Error("another seed draws the same rows")
	}
}

func TestHeadTakesAtMostWhatIsThere(t *testing.T) {
	s := numbered(dataset.Label, []float64{0, 1, 0})
	if got := s.Head(2); len(got.X) != 2 || len(got.Y) != 2 || got.X[1][0] != 1 {
		t.Errorf("the first two rows: %+v", got)
	}
	if got := s.Head(9); len(got.Y) != 3 {
		t.Errorf("%d rows of three", len(got.Y))
	}
}

func TestWhatIsWrittenIsReadBackExactly(t *testing.T) {
	want := dataset.Set{
		Features: []string{"a", "b"}, Answer: dataset.Target,
		X: [][]float64{{0.1, -3}, {1e-17, 12345.678}}, Y: []float64{25, 0.30000000000000004},
	}
	var file bytes.Buffer
	if err := want.Write(&file); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(file.String(), "a,b,target\n0.1,-3,25\n") {
		t.Errorf("written:\n%s", &file)
	}
	got, err := dataset.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	var rows bytes.Buffer
	if err := want.WriteFeatures(&rows); err != nil {
		t.Fatal(err)
	}
	if got, want := rows.String(), "a,b\n0.1,-3\n1e-17,12345.678\n"; got != want {
		t.Errorf("features alone:\n%s", got)
	}
}

func TestReadSaysWhatIsWrongWithATable(t *testing.T) {
	for name, c := range map[string]struct{ table, says string }{
		"nothing":                     {"", "0 lines"},
		"a header alone":              {"a,label\n", "1 lines"},
		"no column of what to answer": {"a,b\n1,2\n", `"b", not label or target`},
		"a word for a number":         {"a,label\n1,0\nmany,1\n", "line 3, column a"},
		"a row that is too short":     {"a,b,label\n1,0\n", "wrong number of fields"},
	} {
		if _, err := dataset.Read(strings.NewReader(c.table)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; must tell %q", name, err, c.says)
		}
	}
}

func TestInventDrawsTheSharesOfTheTable(t *testing.T) {
	const table = "# invented\nname,always,never,often\nfirst,1,0,0.8\nsecond,1,0,0.2\n"
	s, labels, err := dataset.Invent(strings.NewReader(table), 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"first", "second"}, labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"always", "never", "often"}, s.Features); diff != "" || s.Answer != dataset.Label || len(s.Y) != 4000 {
		t.Errorf("%d rows with the last column %s, features (-want +got):\n%s", len(s.Y), s.Answer, diff)
	}
	often := map[float64]float64{}
	for i, x := range s.X {
		if x[0] != 1 || x[1] != 0 {
			t.Fatalf("row %d: %v; the first is always 1, the second never", i, x)
		}
		often[s.Y[i]] += x[2] / 2000
	}
	// Five standard deviations of a share of 2000 are 0.045.
	if math.Abs(often[0]-0.8) > 0.045 || math.Abs(often[1]-0.2) > 0.045 {
		t.Errorf("shares %v, not 0.8 and 0.2", often)
	}
}

func TestInventSaysWhatIsWrongWithATable(t *testing.T) {
	for name, c := range map[string]struct{ table, says string }{
		"a single label":      {"name,a\nfirst,1\n", "not a header and two labels"},
		"a word for a share":  {"name,a\nfirst,1\nsecond,often\n", "second, a"},
		"a row of other size": {"name,a\nfirst,1\nsecond,1,1\n", "wrong number of fields"},
	} {
		if _, _, err := dataset.Invent(strings.NewReader(c.table), 1, 1); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; must tell %q", name, err, c.says)
		}
	}
}
