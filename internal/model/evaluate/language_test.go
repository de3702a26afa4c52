package evaluate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/model/evaluate"
)

// halves is the model of which a token again is one bit, and another six.
func halves() repeater { return repeater{name: "m", again: 0.5} }

func text(s string) string { return encoded(map[string]string{"text": s}) }

func labelled(prompt, label string) string {
	return encoded(map[string]string{"prompt": prompt, "label": label})
}

func encoded(line map[string]string) string {
	out, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	return string(out) + "\n"
}

func language(t *testing.T, m http.Handler, data string) (evaluate.Config, *heard) {
	t.Helper()
	c, log := config(t, evaluate.Language, serve(t, m), data)
	c.Version = "v2"
	return c, log
}

func TestBitsPerByteAreThoseOfTheModel(t *testing.T) {
	begun := halves()
	begun.begin = "<s>"
	paired := halves()
	paired.pairs = []string{"ab", "号码"}
	for sentence, x := range map[string]struct {
		model repeater
		data  string
		want  float64
	}{
		"characters of one byte":                  {halves(), text("aab"), (1 + 6) / 2.},
		"characters of three":                     {halves(), text("号号码"), (1 + 6) / 6.},
		"several texts count by their bytes":      {halves(), text("aab") + "\n" + text("号号码"), (7 + 7) / 8.},
		"tokens of several characters":            {paired, text("xababx"), (6 + 1 + 6) / 5.},
		"a first token of several":                {paired, text("号码号码a"), (1 + 6) / 7.},
		"a token before the text":                 {begun, text("aa"), (math.Log2(33) + 1) / 2},
		"such a token gives one character a bit":  {begun, text("号"), math.Log2(33) / 3},
		"quotation marks and lines are text, too": {halves(), text("\n\n\"\""), (1 + 6 + 1) / 3.},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, x.model, x.data)
			r, err := evaluate.Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if got := *r.Metrics.BitsPerByte; math.Abs(got-x.want) > 1e-9 {
				t.Errorf("%v bits per byte; want %v", got, x.want)
			}
			if i := r.Intervals["bitsPerByte"]; i.Low > x.want+1e-9 || i.High < x.want-1e-9 {
				t.Errorf("interval %v is beside %v", i, x.want)
			}
			if r.Task != evaluate.Language || r.Version != "v2" || r.Rows != strings.Count(x.data, "{") || r.Metrics.Accuracy != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestTheLikeliestLabelIsTheAnswer(t *testing.T) {
	joined := halves()
	joined.pairs = []string{"xy"}
	for sentence, x := range map[string]struct {
		model    repeater
		data     string
		accuracy float64
	}{
		"what goes on as before is likelier":                   {halves(), labelled("aab", "b") + labelled("aab", "c") + labelled("aac", "c") + labelled("aac", "c"), 0.75},
		"a label of several tokens is likely by all":           {halves(), labelled("ab", "bc") + labelled("ab", "cc"), 0.5}, // both take 13 bits: the first in order
		"the space before a label is the label's":              {halves(), labelled("a:", " yes") + labelled("a:", ":no"), 0.5},
		"a token across the end of the prompt counts as it is": {joined, labelled("aax", "y") + labelled("aaz", "x"), 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, x.model, x.data)
			r, err := evaluate.Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if *r.Metrics.Accuracy != x.accuracy || r.Metrics.BitsPerByte != nil {
				t.Errorf("accuracy %v; want %v", *r.Metrics.Accuracy, x.accuracy)
			}
			if _, found := r.Intervals["f1Score"]; !found {
				t.Errorf("intervals %v", r.Intervals)
			}
		})
	}
}

// bitsOf counts a text by hand: one bit for a character again, six for another.
func bitsOf(s string) (bits, size float64) {
	runes := []rune(s)
	for i := 1; i < len(runes); i++ {
		size += float64(len(string(runes[i])))
		bits += 6
		if runes[i] == runes[i-1] {
			bits -= 5
		}
	}
	return bits, size
}

func TestWhatIsMeasuredIsWhatTheModelsBitsSay(t *testing.T) {
	endpoint := serve(t, halves())
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.StringOfN(rapid.SampledFrom([]rune("ab号\n")), 2, 20, -1)
		classes := []string{"a.", "b.", "号."}
		var data strings.Builder
		var right, answers []int
		var bits, size float64
		for range rapid.IntRange(1, 40).Draw(rt, "lines") {
			w := word.Draw(rt, "text")
			if rapid.Bool().Draw(rt, "is text") {
				data.WriteString(text(w))
				b, n := bitsOf(w)
				bits, size = bits+b, size+n
				continue
			}
			label := rapid.IntRange(0, 2).Draw(rt, "label")
			data.WriteString(labelled(w, classes[label]))
			best := 0
			for k, class := range classes {
				b, _ := bitsOf(w + class)
				if least, _ := bitsOf(w + classes[best]); b < least {
					best = k
				}
			}
			right, answers = append(right, label), append(answers, best)
		}
		for label, class := range classes { // so that each is a class
			data.WriteString(labelled("zz", class))
			right, answers = append(right, label), append(answers, 0)
		}
		c := evaluate.Config{
			Endpoint: endpoint, Model: "m", Task: evaluate.Language, Protocol: evaluate.OpenAI,
			Rows: strings.NewReader(data.String()), Log: slog.New(slog.DiscardHandler),
		}
		r, err := evaluate.Run(t.Context(), c)
		if err != nil {
			rt.Fatal(err)
		}
		want, _, err := evaluate.Classes(right, answers, len(classes))
		if err != nil {
			rt.Fatal(err)
		}
		if size > 0 {
			want.BitsPerByte = new(bits / size)
		}
		if diff := cmp.Diff(want, r.Metrics, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })); diff != "" {
			rt.Fatalf("of %s(-want +got):\n%s", data.String(), diff)
		}
	})
}

func TestLanguageModelsAreComparedOnTheSameLines(t *testing.T) {
	opposite := repeater{name: "m", again: 1. / vocabulary} // each token is as likely as any other, so ties go to the first label
	for sentence, x := range map[string]struct {
		data string
		want evaluate.Comparison
	}{
		"text, by the bits that each needs": {
			strings.Repeat(text("aaaa"), 6) + text("abab"),
			evaluate.Comparison{CandidateOnly: 6, StableOnly: 1, Differ: new(int32(7)), PValue: 2 * 8. / 128},
		},
		"labelled prompts": {
			strings.Repeat(labelled("cb", "b"), 6) + labelled("cb", "a"),
			evaluate.Comparison{CandidateOnly: 6, StableOnly: 1, Differ: new(int32(7)), PValue: 2 * 8. / 128},
		},
		"labelled prompts, where there are both and they say the same": {
			text("abab") + labelled("cb", "b") + labelled("ca", "a"),
			evaluate.Comparison{CandidateOnly: 1, Differ: new(int32(1)), PValue: 1},
		},
		"texts, where the candidate needs more bits and is right as often": {
			strings.Repeat(text("abab"), 8) + labelled("cb", "b") + labelled("ca", "a"),
			evaluate.Comparison{StableOnly: 8, Differ: new(int32(8)), PValue: 2. / 256, Texts: true},
		},
		"labelled prompts, where it does well on texts": {
			strings.Repeat(text("aaaa"), 8) + labelled("cb", "a") + labelled("ca", "b"),
			evaluate.Comparison{StableOnly: 1, Differ: new(int32(1)), PValue: 1},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, halves(), x.data)
			c.StableEndpoint, c.StableVersion = serve(t, opposite), "v1"
			r, err := evaluate.Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			x.want.Version = "v1"
			if diff := cmp.Diff(&x.want, r.Comparison, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPassagesAreAskedOnceAndFewAtATime(t *testing.T) {
	var sizes []int
	asked := map[string]int{}
	inner := halves()
	endpoint := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			var q struct{ Prompt []string }
			if err := json.Unmarshal(body, &q); err != nil {
				t.Error(err)
			}
			sizes = append(sizes, len(q.Prompt))
			for _, p := range q.Prompt {
				asked[p]++
			}
			if total := len(strings.Join(q.Prompt, "")); total > 16<<10 {
				t.Errorf("%d bytes at once", total)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		inner.ServeHTTP(w, r)
	})
	var data strings.Builder
	for i := range 50 {
		data.WriteString(labelled(fmt.Sprintf("prompt %d", i), []string{"yes", "no"}[i%2]))
	}
	for i := range 3 {
		data.WriteString(text(strconv.Itoa(i) + strings.Repeat("x", 10_000)))
	}
	c, log := language(t, endpoint, data.String())
	if _, err := evaluate.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if want := []int{32, 32, 32, 5, 1, 1}; !slices.Equal(sizes, want) { // 100 of labelled prompts, and the long ones alone
		t.Errorf("batches of %v; want %v", sizes, want)
	}
	for passage, times := range asked {
		if times != 1 {
			t.Errorf("%.20q was asked %d times", passage, times)
		}
	}
	if len(asked) != 103 {
		t.Errorf("%d passages were asked", len(asked))
	}
	if said := strings.Count(log.String(), "msg=asked"); said == 0 || said > 10 {
		t.Errorf("progress was said %d times", said)
	}
}

func TestALineThatIsNoneOfADataSetIsNamed(t *testing.T) {
	var many strings.Builder
	for i := range 101 {
		many.WriteString(labelled("p", fmt.Sprintf("<%d>", i)))
	}
	good := text("aa")
	for sentence, x := range map[string]struct{ data, want string }{
		"nothing":                       {"", `the data set is empty; write {"prompt": "…", "label": "…"} or {"text": "…"} on each line`},
		"blank lines alone":             {"\n \n", "the data set is empty"},
		"no JSON":                       {good + "\nhello\n", `the data set: line 3, which is no JSON object or was cut off: write {"prompt"`},
		"a line that was cut":           {good + `{"text": "aa`, "line 2, which is no JSON object or was cut off"},
		"a list":                        {good + `["a", "b"]`, "line 2, which is no JSON object"},
		"two objects":                   {`{"text":"a"}{"text":"b"}`, "line 1, which is no JSON object"},
		"no UTF-8":                      {good + "{\"text\": \"a\xff\"}", "line 2, which is no JSON object"},
		"an empty object":               {"{}", "line 1, which lacks a prompt, a label or both"},
		"null":                          {"null", "line 1, which lacks a prompt, a label or both"},
		"a prompt without label":        {`{"prompt": "a"}`, "line 1, which lacks a prompt, a label or both"},
		"a label without prompt":        {`{"label": "a"}`, "line 1, which lacks a prompt, a label or both"},
		"a misspelt label":              {`{"prompt": "a", "lable": "b"}`, "line 1, which lacks a prompt, a label or both"},
		"both kinds on a line":          {`{"prompt": "a", "label": "b", "text": "c"}`, `line 1, which has a text and a prompt or label: write {"prompt": "…", "label": "…"} or {"text": "…"}, each on a line of its own`},
		"a number for a label":          {labelled("a", "b") + `{"prompt": "a", "label": 1}`, `line 2, "label": write text in quotation marks, not a number`},
		"an empty prompt":               {`{"prompt": "", "label": "b"}`, `line 1, "prompt": write at least one character`},
		"an empty label":                {`{"prompt": "a", "label": ""}`, `line 1, "label": write at least one character`},
		"an empty text":                 {`{"text": ""}`, `line 1, "text": write at least one character`},
		"one label":                     {labelled("a", "b") + labelled("c", "b"), `the data set has the label "b" only; write prompts of at least two labels`},
		"too many labels":               {many.String(), "the data set has 101 labels; write prompts of at most 100"},
		"a label that begins another":   {labelled("a", "1") + labelled("a", "2") + labelled("a", "10"), `the data set has the labels "1" and "10", of which the first is always the likelier; end each label with the same sign, such as a full stop`},
		"a long text":                   {good + text(strings.Repeat("x", 16<<10+1)), "line 2, which has 16385 bytes to be asked at once: write at most 16384, and a longer text on several lines"},
		"a long prompt with its label":  {labelled(strings.Repeat("x", 16<<10), "a") + labelled("x", "b"), "line 1, which has 16385 bytes"},
		"a line without end":            {good + strings.Repeat("x", 1<<20), "line 2 is longer than 262144 bytes"},
		"too large a file":              {strings.Repeat(strings.Repeat(" ", 1<<10)+"\n", 32<<10), "the data set is larger than 33554432 bytes"},
		"too many lines":                {strings.Repeat(`{"text":"aa"}`+"\n", 100_001), "the data set has more than the 100000 lines"},
		"too many prompts with labels":  {strings.Repeat(labelled("a", "b")+labelled("a", "c"), 25_001), "the data set asks for the likelihood of 100004 texts, as each prompt is asked with each of the 2 labels"},
		"too much text with the labels": {strings.Repeat(labelled(strings.Repeat("x", 10_000), "b")+labelled("a", "c"), 1_700), "the data set asks for the likelihood of more than 33554432 bytes, counting each prompt once for each label"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, halves(), x.data)
			r, err := evaluate.Run(t.Context(), c)
			if !evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v (bad input: %v)\nwant bad input, with %q in it", err, evaluate.BadInput(err), x.want)
			}
			if diff := cmp.Diff(evaluate.Result{}, r); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALineThatTheModelSeesTooLittleOfIsNamed(t *testing.T) {
	paired := halves()
	paired.pairs = []string{"ab"}
	for sentence, x := range map[string]struct{ data, want string }{
		"a text of one token":                         {text("aa") + text("ab"), `the data set: line 2, in which the model sees one token only, "ab", and nothing before it: write a longer text`},
		"a prompt that is one token with one label":   {labelled("a", "b") + labelled("a", "c"), `the data set: line 1, in which the model sees one token only, "ab"`},
		"a prompt whose first token is a label's too": {labelled("a", "bc") + labelled("a", "c"), "the data set: line 1, whose prompt is so short that the labels change its first token: write a longer prompt"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, paired, x.data)
			if _, err := evaluate.Run(t.Context(), c); !evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v\nwant bad input, with %q in it", err, x.want)
			}
		})
	}
}

// spoilt is a server whose answers are changed.
func spoilt(change func(*answer)) http.Handler {
	m := halves()
	m.spoil = change
	return m
}

// answering gives one path an answer of its own.
func answering(path string, code int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			halves().ServeHTTP(w, r)
			return
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

func TestAServerThatCannotGiveLikelihoodsIsTold(t *testing.T) {
	const choose = "choose a runtime that does so, such as vLLM"
	other := halves()
	other.name = "/model"
	for sentence, x := range map[string]struct {
		server http.Handler
		want   []string
	}{
		"no log probabilities": {spoilt(func(a *answer) { a.Choices[1].Logprobs = nil }), []string{"the server gave no log probabilities", choose}},
		"log probabilities of no token": {
			spoilt(func(a *answer) { a.Choices[0].Logprobs = &logprobs{} }),
			[]string{"the server gave no log probabilities", choose},
		},
		"what it wrote in place of the prompt": {
			spoilt(func(a *answer) { a.Choices[0].Text = "hello" }),
			[]string{`the server answered "hello" and did not give the prompt back`, choose},
		},
		"what it wrote after the prompt": {
			spoilt(func(a *answer) { a.Choices[0].Text += "!" }),
			[]string{"the server wrote on after a prompt, though asked for no token", choose},
		},
		"a token without one in the middle": {
			spoilt(func(a *answer) { a.Choices[0].Logprobs.TokenLogprobs[1] = nil }),
			[]string{"the server gave token 2 of a prompt no log probability", choose},
		},
		"probabilities in place of them": {
			spoilt(func(a *answer) { a.Choices[0].Logprobs.TokenLogprobs[1] = new(0.5) }),
			[]string{"the server gave token 2 of a prompt the log probability 0.5, which is above 0", choose},
		},
		"no completions": {
			answering("/v1/completions", http.StatusNotFound, `{"detail":"Not Found"}`),
			[]string{"lines 1 to 2: the server answered 404;", choose},
		},
		"no echo": {
			answering("/v1/completions", http.StatusBadRequest, `{"object":"error","message":"echo is not supported"}`),
			[]string{"the server answered 400: echo is not supported"},
		},
		"a longer text than it takes": {
			answering("/v1/completions", http.StatusBadRequest, `{"error":{"message":"maximum context length is 2 tokens","code":400}}`),
			[]string{"lines 1 to 2: the server answered 400: maximum context length is 2 tokens"},
		},
		"another name": {other, []string{`the server lists the models "other" and "/model" and not "m"`, "--served-model-name={model}"}},
		"another protocol": {
			http.NotFoundHandler(),
			[]string{"the server answered 404 at /v1/models, so it does not speak the protocol openai"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, x.server, text("aab")+text("abb"))
			_, err := evaluate.Run(t.Context(), c)
			if !evaluate.BadInput(err) {
				t.Fatalf("no bad input: %v", err)
			}
			for _, want := range x.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %q in it", err, want)
				}
			}
		})
	}
}

func TestAServerThatMayAnswerAnotherTimeIsNoBadInput(t *testing.T) {
	for sentence, x := range map[string]struct {
		server http.Handler
		want   string
	}{
		"an answer that it failed":    {answering("/v1/completions", http.StatusInternalServerError, `{"error":{"message":"out of memory"}}`), "lines 1 to 2: the server answered 500: out of memory"},
		"an answer of no sense":       {answering("/v1/completions", http.StatusOK, "hello"), "reading the answer"},
		"an answer that was cut":      {answering("/v1/completions", http.StatusOK, `{"choices":[{"index":0,"te`), "reading the answer: unexpected end of JSON input"},
		"a list of models of none":    {answering("/v1/models", http.StatusOK, "hello"), "reading the list of models"},
		"fewer choices":               {spoilt(func(a *answer) { a.Choices = a.Choices[:1] }), "the answer has 1 choices for 2 prompts"},
		"a choice twice":              {spoilt(func(a *answer) { a.Choices[1].Index = 0 }), "the answer's choices are not numbered from 0 to 1"},
		"a choice that was not asked": {spoilt(func(a *answer) { a.Choices[1].Index = 2 }), "the answer's choices are not numbered from 0 to 1"},
		"fewer numbers than tokens": {
			spoilt(func(a *answer) { a.Choices[0].Logprobs.TokenLogprobs = a.Choices[0].Logprobs.TokenLogprobs[:2] }),
			"the answer has 3 tokens and 2 log probabilities",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := language(t, x.server, text("aab")+text("abb"))
			if _, err := evaluate.Run(t.Context(), c); err == nil || evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v (bad input: %v)\nwant no bad input, and %q in it", err, evaluate.BadInput(err), x.want)
			}
		})
	}
	t.Run("a disk that fails", func(t *testing.T) {
		c, _ := language(t, halves(), "")
		c.Rows = iotest.ErrReader(io.ErrClosedPipe)
		if _, err := evaluate.Run(t.Context(), c); err == nil || evaluate.BadInput(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestChoicesMayComeInAnyOrder(t *testing.T) {
	c, _ := language(t, spoilt(func(a *answer) { slices.Reverse(a.Choices) }), text("aaaa")+text("ab"))
	r, err := evaluate.Run(t.Context(), c)
	if err != nil || math.Abs(*r.Metrics.BitsPerByte-9./4) > 1e-9 {
		t.Errorf("%+v, %v", r.Metrics, err)
	}
}

func TestALanguageModelsServerIsWaitedForAndAskedAgain(t *testing.T) {
	type fault = func(http.ResponseWriter, *http.Request) error
	failing := func(code int) fault {
		return func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(code); return nil }
	}
	reset := func(http.ResponseWriter, *http.Request) error { return syscall.ECONNRESET }
	cut := func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cut", "yes")
		halves().ServeHTTP(w, r)
		return nil
	}
	for sentence, x := range map[string]struct {
		path  string
		fault fault
		times int
		want  string
	}{
		"it fails while it loads its model":      {"/v1/models", failing(http.StatusInternalServerError), 20, ""},
		"it does not listen while it starts":     {"/v1/models", reset, 20, ""},
		"it never loads it":                      {"/v1/models", failing(http.StatusServiceUnavailable), 1000, "the model is not ready: the server answered 503"},
		"connections are reset four times":       {"/v1/completions", reset, 4, ""},
		"it is full four times":                  {"/v1/completions", failing(http.StatusTooManyRequests), 4, ""},
		"it is full a fifth time":                {"/v1/completions", failing(http.StatusTooManyRequests), 5, "the server answered 429"},
		"answers are cut off four times":         {"/v1/completions", cut, 4, ""},
		"what it failed is not asked once again": {"/v1/completions", failing(http.StatusInternalServerError), 1, "the server answered 500"},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				faults := 0
				c, _ := config(t, evaluate.Language, "http://candidate", text("aab"))
				c.Transport = wire{"candidate": func(r *http.Request) (*http.Response, error) {
					if r.URL.Path != x.path || faults >= x.times {
						return answered(halves(), r)
					}
					faults++
					recorder := httptest.NewRecorder()
					if err := x.fault(recorder, r); err != nil {
						return nil, err
					}
					response := recorder.Result()
					if response.Header.Get("Cut") != "" {
						response.Body = io.NopCloser(io.MultiReader(io.LimitReader(response.Body, 20), iotest.ErrReader(io.ErrUnexpectedEOF)))
					}
					return response, nil
				}}
				start := time.Now()
				r, err := evaluate.Run(t.Context(), c)
				switch {
				case x.want == "" && (err != nil || *r.Metrics.BitsPerByte != 3.5):
					t.Errorf("%+v, %v", r.Metrics, err)
				case x.want != "" && (err == nil || evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want)):
					t.Errorf("%v; want %q in it", err, x.want)
				}
				if took := time.Since(start); took > 2*time.Minute {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestASlowServerEndsWithHowFarItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := config(t, evaluate.Language, "http://candidate", strings.Repeat(text("aab"), 320))
		c.Transport = wire{"candidate": func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				select {
				case <-time.After(4 * time.Minute):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return answered(halves(), r)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
		defer cancel()
		_, err := evaluate.Run(ctx, c)
		if want := "the time for the evaluation was up after 192 of 320 passages; push a smaller data set"; err == nil || evaluate.BadInput(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q in it", err, want)
		}
	})
}

func TestAStableLanguageModelThatDoesNotAnswerIsLeftOut(t *testing.T) {
	asked := 0
	other := halves()
	other.name = "other"
	for sentence, x := range map[string]struct {
		stable http.Handler
		want   string
	}{
		"it has another name":              {other, `and not \"m\"`},
		"it has no log probabilities":      {spoilt(func(a *answer) { a.Choices[0].Logprobs = nil }), "the server gave no log probabilities"},
		"it speaks another protocol":       {larger().server(t), "so it does not speak the protocol openai"},
		"it fails in the middle":           {spoilt(func(a *answer) { asked++; a.Choices = a.Choices[:len(a.Choices)-asked/2] }), "choices for 8 prompts"},
		"it sees a text as a single token": {repeater{name: "m", again: 0.5, pairs: []string{"aab"}}, "in which the model sees one token only"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, log := language(t, halves(), strings.Repeat(text("aab"), 40))
			c.StableEndpoint, c.StableVersion = serve(t, x.stable), "v1"
			r, err := evaluate.Run(t.Context(), c)
			if err != nil || r.Comparison != nil || math.Abs(*r.Metrics.BitsPerByte-3.5) > 1e-9 {
				t.Fatalf("%+v, %v", r, err)
			}
			if said := log.String(); !strings.Contains(said, "stable is left out") || !strings.Contains(said, x.want) {
				t.Errorf("the log does not say %q:\n%s", x.want, said)
			}
		})
	}
}

func TestATaskIsEvaluatedOverOneProtocol(t *testing.T) {
	for sentence, x := range map[string]struct {
		task     evaluate.Task
		protocol evaluate.Protocol
		want     string
	}{
		"a classification over openai": {evaluate.Classification, evaluate.OpenAI, "a classification is evaluated over the protocol oip, on rows of numbers, and not over openai; choose a runtime of protocol oip, or modelType llm with a data set of labelled prompts"},
		"a regression over openai":     {evaluate.Regression, evaluate.OpenAI, "a regression is evaluated over the protocol oip, on rows of numbers, and not over openai; choose a runtime of protocol oip, or modelType llm with a data set of labelled prompts"},
		"a language model over oip":    {evaluate.Language, evaluate.OIP, "a language model is evaluated over the protocol openai, which gives the log probabilities of a text, and not over oip; choose a runtime of protocol openai"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, _ := config(t, x.task, "http://127.0.0.1:1", "")
			c.Protocol = x.protocol
			if _, err := evaluate.Run(t.Context(), c); !evaluate.BadInput(err) || err.Error() != x.want {
				t.Errorf("%v\nwant %q", err, x.want)
			}
		})
	}
	for text, want := range map[string]evaluate.Protocol{"": evaluate.OIP, "oip": evaluate.OIP, "openai": evaluate.OpenAI} {
		if got, err := evaluate.ParseProtocol(text); got != want || err != nil {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
	if _, err := evaluate.ParseProtocol("grpc"); !evaluate.BadInput(err) || err.Error() != `protocol "grpc": write oip or openai` {
		t.Errorf("grpc: %v", err)
	}
}

// FuzzLines holds that whatever a file has, it is evaluated or refused with a sentence, and that what is evaluated is what a
// plain reading of the file finds.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		text("aab"), labelled("a", "b") + labelled("a", "c"), "\uFEFF" + text("号号"), "{}\n", `{"text":"a","text":"bb"}`, "[\n", `{"Text":"aa"}`, `{"text":"\ud800a"}`, `{"text":null}`,
	} {
		f.Add(seed)
	}
	server := halves()
	f.Fuzz(func(t *testing.T, data string) {
		r, err := evaluate.Run(t.Context(), evaluate.Config{
			Endpoint: "http://candidate", Model: "m", Task: evaluate.Language, Protocol: evaluate.OpenAI, Rows: strings.NewReader(data),
			Transport: wire{"candidate": func(r *http.Request) (*http.Response, error) { return answered(server, r) }},
			Log:       slog.New(slog.DiscardHandler),
		})
		if err != nil {
			if !evaluate.BadInput(err) {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		lines := 0
		for line := range strings.Lines(data) {
			if strings.Contains(line, "{") {
				lines++
			}
		}
		if r.Rows != lines || r.Metrics.Accuracy == nil && r.Metrics.BitsPerByte == nil {
			t.Errorf("%q has %d lines: %+v", data, lines, r)
		}
		if b := r.Metrics.BitsPerByte; b != nil && (*b < 0.25 || *b > 6) { // of the smallest and greatest character, one and six bits
			t.Errorf("%q: %v bits per byte", data, *b)
		}
	})
}
