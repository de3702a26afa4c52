package evaluate_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/model/evaluate"
)

func TestAResultIsReadAsItWasWritten(t *testing.T) {
	want := against(classified(), 3, 1, 0.625)
	want.ModelDigest, want.DatasetDigest = "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	want.Runtime = "suoke.local/suoke-model-server:dev"
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var got evaluate.Result
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnErrorIsShortenedAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := classified()
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<", "\x80", "\"", "\x01", "号", "…", "plain words "})).Draw(t, "piece")
		r.Error = strings.Repeat(piece, rapid.IntRange(0, 6000).Draw(t, "times"))
		text, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > evaluate.MaxResult {
			t.Fatalf("%d bytes", len(text))
		}
		var got evaluate.Result
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		whole := strings.ToValidUTF8(r.Error, "�")
		kept, cut := strings.CutSuffix(got.Error, "…")
		switch {
		case !utf8.ValidString(got.Error):
			t.Fatalf("%q is cut within a character", got.Error)
		case got.Error == whole:
		case !cut || !strings.HasPrefix(whole, kept):
			t.Fatalf("%q is not the beginning of %q", got.Error, whole)
		case len(text) < evaluate.MaxResult-100 && !strings.HasPrefix(piece, "…"):
			t.Fatalf("only %d bytes are used", len(text))
		}
		if got.Error = ""; !cmp.Equal(got, classified()) {
			t.Fatal(cmp.Diff(classified(), got))
		}
	})
}

func TestWhatDoesNotFitIsAnError(t *testing.T) {
	long := classified()
	long.Runtime, long.Error = strings.Repeat("x", evaluate.MaxResult), "broken"
	endless := classified()
	endless.Metrics.Accuracy = new(math.NaN())
	for sentence, r := range map[string]evaluate.Result{"a long image": long, "no number": endless} {
		if text, err := r.Encode(); err == nil {
			t.Errorf("%s gave %s", sentence, text)
		}
	}
}

func TestATaskIsNamedInFull(t *testing.T) {
	for _, text := range []string{"classification", "regression", "language"} {
		if task, err := evaluate.ParseTask(text); err != nil || string(task) != text {
			t.Errorf("%s is %s, %v", text, task, err)
		}
	}
	if _, err := evaluate.ParseTask("llm"); !evaluate.BadInput(err) || err.Error() != `task "llm": write classification, regression or language` {
		t.Errorf("llm: %v", err)
	}
}
