package serving

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestReadNumbersReadsWhatWasWritten: any finite matrix comes back exactly, flat or nested, with any white space.
func TestReadNumbersReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, width := rapid.IntRange(1, 5).Draw(t, "rows"), rapid.IntRange(1, 5).Draw(t, "width")
		want := rapid.SliceOfN(rapid.Float32(), rows*width, rows*width).Draw(t, "values")
		var tree any = want
		if rapid.Bool().Draw(t, "nested") {
			nested := make([][]float32, rows)
			for i := range nested {
				nested[i] = want[i*width : (i+1)*width]
			}
			tree = nested
		}
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "spaced") {
			text = []byte(strings.NewReplacer(",", " ,\n\t", "[", "[ ", "]", " ]\r\n").Replace(string(text)))
		}
		got, err := readNumbers(text, kind{bits: 32}, rows, width)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
	})
}

// FuzzReadNumbers: whatever valid JSON comes, the answer is all the numbers of the shape or an error.
func FuzzReadNumbers(f *testing.F) {
	for _, seed := range []string{"[1,2,3,4]", "[[1,2],[3,4]]", "[]", "[[]]", "[[[1]]]", `["]"]`, "{}", "1", "[1e999,2]", `[{"a":[1,2]},3]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		values, err := readNumbers([]byte(strings.TrimSpace(string(text))), kind{bits: 64}, 2, 2)
		if err == nil && len(values) != 4 {
			t.Errorf("%s: %v", text, values)
		}
	})
}
