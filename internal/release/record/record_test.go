package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/record"
)

func TestARecordReadsAsAFile(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Model: "xiaoai", Stable: "v1", Candidate: "v2", Attempt: 2, CandidateDigest: "sha256:ab"})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range []record.Entry{
		{Second: analysis.Second{Unix: 100, Pods: []analysis.PodSecond{
			{Pod: "a", Counts: analysis.Counts{Requests: 80, Failures: 1}},
			{Pod: "b", Candidate: true, Counts: analysis.Counts{Requests: 20, Slow: 3, Mirrored: 9, Disagreed: 1}},
			{Pod: "c", Candidate: true},
		}}},
		{Historical: true, Second: analysis.Second{Unix: 102, Pods: []analysis.PodSecond{{Pod: "b", Candidate: true, Counts: analysis.Counts{Requests: 100}}}}},
	} {
		if err := w.Write(entry); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(file.String(), "\n")
	if !strings.HasPrefix(lines[0], `{"model":"xiaoai","stable":"v1","candidate":"v2","attempt":2,"candidateDigest":"sha256:ab"`) {
		t.Errorf("the header is %s", lines[0])
	}
	want := []string{
		`{"second":100,"version":"v1","pod":"a","requests":80,"failures":1,"slow":0}`,
		`{"second":100,"version":"v2","pod":"b","requests":20,"failures":0,"slow":3,"mirrored":9,"disagreed":1}`,
		`{"second":102,"historical":true}`,
		`{"second":102,"version":"v2","pod":"b","requests":100,"failures":0,"slow":0}`,
		"",
	}
	if diff := cmp.Diff(want, lines[1:]); diff != "" {
		t.Errorf("lines after the header (-want +got):\n%s", diff)
	}
}

// TestWhatWasWrittenIsReadAndJudgedAlike holds a record against the statistic that the operator keeps: the same seconds,
// and after each of them the same verdict, in whatever way the Pods answer.
func TestWhatWasWrittenIsReadAndJudgedAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		header := record.Header{Stable: "v1", Candidate: "v2", Start: analysis.Statistic{
			Config: analysis.Config{FalseRollbackRate: rapid.Float64Range(0.001, 0.2).Draw(t, "α"), Slow: rapid.Bool().Draw(t, "slow")},
		}.Add(rapid.SliceOfN(seconds(1), 0, 1).Draw(t, "before")...)}
		var file bytes.Buffer
		w, err := record.NewWriter(&file, header)
		if err != nil {
			t.Fatal(err)
		}
		live := header.Start
		var want []record.Entry
		var verdicts []analysis.Judgement
		unix := int64(1)
		for range rapid.IntRange(0, 60).Draw(t, "length") {
			unix += rapid.Int64Range(1, 12).Draw(t, "gap")
			entry := record.Entry{Historical: rapid.IntRange(0, 40).Draw(t, "historical") == 0, Second: seconds(unix).Draw(t, "second")}
			if err := w.Write(entry); err != nil {
				t.Fatal(err)
			}
			live = entry.AddTo(live)
			if entry.Pods = answering(entry.Pods); len(entry.Pods) > 0 || entry.Historical {
				want, verdicts = append(want, entry), append(verdicts, live.Judgement())
			}
		}
		got, again := readAll(t, &file)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seconds (-written +read):\n%s", diff)
		}
		if diff := cmp.Diff(verdicts, again, cmpopts.EquateApprox(1e-9, 1e-9), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("verdicts (-live +recomputed):\n%s", diff)
		}
	})
}

func seconds(unix int64) *rapid.Generator[analysis.Second] {
	return rapid.Custom(func(t *rapid.T) analysis.Second {
		second := analysis.Second{Unix: unix}
		for i := range rapid.IntRange(0, 4).Draw(t, "Pods") {
			requests, mirrored := rapid.Int64Range(0, 50).Draw(t, "requests"), rapid.Int64Range(0, 5).Draw(t, "mirrored")
			second.Pods = append(second.Pods, analysis.PodSecond{
				Pod: fmt.Sprint("pod-", i), Candidate: i%2 == 0,
				Counts: analysis.Counts{
					Requests: requests, Failures: rapid.Int64Range(0, requests).Draw(t, "failures"), Slow: rapid.Int64Range(0, requests).Draw(t, "slow"),
					Mirrored: mirrored, Disagreed: rapid.Int64Range(0, mirrored).Draw(t, "disagreed"),
				},
			})
		}
		return second
	})
}

func answering(all []analysis.PodSecond) []analysis.PodSecond {
	var some []analysis.PodSecond
	for _, pod := range all {
		if pod.Counts != (analysis.Counts{}) {
			some = append(some, pod)
		}
	}
	return some
}

func readAll(t *rapid.T, from io.Reader) (all []record.Entry, verdicts []analysis.Judgement) {
	r, err := record.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	statistic := r.Header.Start
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, verdicts
		}
		if err != nil {
			t.Fatal(err)
		}
		statistic = entry.AddTo(statistic)
		all, verdicts = append(all, entry), append(verdicts, statistic.Judgement())
	}
}

func TestAMalformedRecordSaysWhichLineAndWhatToWrite(t *testing.T) {
	const header = `{"stable":"v1","candidate":"v2"}` + "\n"
	const first = `{"second":5,"version":"v1","pod":"a","requests":8}` + "\n"
	for name, c := range map[string]struct{ file, want string }{
		"nothing":                        {"", "an empty record"},
		"blank lines only":               {"\n \n", "an empty record"},
		"no header":                      {first, `line 1: the first line names what was compared: write {"stable":"v1","candidate":"v2"}`},
		"a header that is cut off":       {`{"stable":"v1"`, "line 1: write one JSON object a line: unexpected EOF"},
		"one version twice":              {`{"stable":"v1","candidate":"v1"}`, "line 1: stable and candidate are both v1"},
		"a field there is not":           {header + first + `{"second":6,"version":"v2","pod":"b","request":8}`, `line 3: write one JSON object a line: json: unknown field "request"`},
		"not JSON":                       {header + "second 5: 8 requests", "line 2: write one JSON object a line"},
		"two objects in a line":          {header + strings.TrimSpace(first) + first, "line 2: write one JSON object a line"},
		"the last line cut off":          {header + first + `{"second":6,"ver`, "line 3: write one JSON object a line: unexpected EOF"},
		"a second before the last":       {header + first + "\n" + `{"second":4,"version":"v1","pod":"a","requests":8}`, "line 4: second 4 after second 5: write the lines in rising order"},
		"no second":                      {header + `{"version":"v1","pod":"a","requests":8}`, "line 2: second: write the Unix second"},
		"a version that is neither":      {header + `{"second":5,"version":"v3","pod":"a"}`, `line 2: version "v3" is neither stable's, "v1", nor the candidate's, "v2"`},
		"no version":                     {header + `{"second":5,"pod":"a"}`, `line 2: version "" is neither`},
		"a Pod twice":                    {header + first + first, "line 3: second 5 has Pod a twice"},
		"more failures than requests":    {header + `{"second":5,"version":"v1","pod":"a","requests":8,"failures":9}`, "line 2: 9 failures of 8 requests"},
		"more slow ones than requests":   {header + `{"second":5,"version":"v1","pod":"a","requests":8,"slow":9}`, "line 2: 9 slow of 8 requests"},
		"more disagreed than mirrored":   {header + `{"second":5,"version":"v2","pod":"a","disagreed":1}`, "line 2: 1 disagreed of 0 mirrored"},
		"less than nothing":              {header + `{"second":5,"version":"v1","pod":"a","requests":-1}`, "line 2: a count below 0"},
		"requests beyond all measure":    {header + `{"second":5,"version":"v1","pod":"a","requests":1000000001}`, "line 2: more than 1000000000 requests of one Pod in one second"},
		"a number that is no integer":    {header + `{"second":5,"version":"v1","pod":"a","requests":1.5}`, "line 2: write one JSON object a line: json: cannot unmarshal number 1.5"},
		"historical in a Pod's line":     {header + `{"second":5,"version":"v1","pod":"a","historical":true}`, "line 2: historical: write it in a line of its own"},
		"historical after a Pod's line":  {header + first + `{"second":5,"historical":true}`, "line 3: historical: write it in a line of its own"},
		"a line that never ends":         {header + strings.Repeat("x", 1<<20+1), "line 2: longer than 1048576 bytes"},
		"a thousand Pods and one more":   {header + pods(1001), "line 1002: more than 1000 Pods in second 5"},
		"a first version without stable": {`{"candidate":"v2"}` + "\n" + `{"second":5,"version":"","pod":"a"}`, `line 2: version "" is neither stable's, "", nor the candidate's, "v2"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := readThrough(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %s", err, c.want)
			}
		})
	}
	for name, file := range map[string]string{
		"blank lines, and no newline at the end": header + "\n" + strings.TrimSpace(first),
		"a header only":                          header,
		"both versions on a Pod of one name":     header + first + strings.Replace(first, "v1", "v2", 1),
		"a thousand Pods":                        header + pods(1000),
	} {
		t.Run(name, func(t *testing.T) {
			if err := readThrough(file); err != nil {
				t.Error(err)
			}
		})
	}
}

func pods(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, `{"second":5,"version":"v1","pod":"pod-%d","requests":1}`+"\n", i)
	}
	return all.String()
}

func readThrough(file string) error {
	r, err := record.NewReader(strings.NewReader(file))
	for err == nil {
		_, err = r.Next()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func TestARefusedSecondLeavesTheRecordAsItWas(t *testing.T) {
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Stable: "v1", Candidate: "v2"})
	if err != nil {
		t.Fatal(err)
	}
	good := analysis.PodSecond{Pod: "a", Counts: analysis.Counts{Requests: 1}}
	impossible := analysis.PodSecond{Pod: "b", Counts: analysis.Counts{Failures: 1}}
	before := file.String()
	for name, entry := range map[string]record.Entry{
		"counts that cannot be": {Historical: true, Second: analysis.Second{Unix: 7, Pods: []analysis.PodSecond{good, impossible}}},
		"a Pod twice":           {Second: analysis.Second{Unix: 7, Pods: []analysis.PodSecond{good, good}}},
		"no second":             {Second: analysis.Second{Pods: []analysis.PodSecond{good}}},
	} {
		if err := w.Write(entry); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if file.String() != before {
		t.Errorf("a refused second was written: %s", strings.TrimPrefix(file.String(), before))
	}
	if err := w.Write(record.Entry{Second: analysis.Second{Unix: 7, Pods: []analysis.PodSecond{good}}}); err != nil {
		t.Errorf("the second after them: %v", err)
	}
	if err := w.Write(record.Entry{Second: analysis.Second{Unix: 7, Pods: []analysis.PodSecond{good}}}); err == nil {
		t.Error("the same second twice: accepted")
	}
	if _, err := record.NewWriter(io.Discard, record.Header{Stable: "v1", Candidate: "v1"}); err == nil {
		t.Error("a record that compares a version with itself: accepted")
	}
}
