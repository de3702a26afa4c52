package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/record"
)

// recorded is the record of a release whose candidate answers well for ten seconds, and then fails half of its requests,
// with the verdict that a statistic gave at each second.
func recorded(t *testing.T) (text string, seconds []judgedSecond) {
	t.Helper()
	statistic := analysis.Statistic{}
	for unix := int64(1_699_999_000); unix < 1_700_000_000; unix++ { // stable's past
		statistic = statistic.Add(analysis.Second{Unix: unix, Pods: []analysis.PodSecond{{Pod: "a", Counts: analysis.Counts{Requests: 80}}}})
	}
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{Model: "digits", Stable: "v1", Candidate: "v2", Attempt: 1, Start: statistic})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(60) {
		stable, candidate := analysis.Counts{Requests: 80}, analysis.Counts{Requests: 20}
		if i >= 10 {
			candidate.Failures = 10
		}
		second := analysis.Second{Unix: 1_700_000_000 + i, Pods: []analysis.PodSecond{{Pod: "a", Counts: stable}, {Pod: "b", Candidate: true, Counts: candidate}}}
		if err := w.Write(record.Entry{Second: second}); err != nil {
			t.Fatal(err)
		}
		statistic = statistic.Add(second)
		seconds = append(seconds, judgedSecond{Second: second.Unix, Stable: stable, Candidate: candidate, Judgement: statistic.Judgement()})
	}
	if last := seconds[len(seconds)-1].Judgement.Verdict; last != analysis.Fail {
		t.Fatalf("the recorded release ends in %s", last)
	}
	return file.String(), seconds
}

// changes are the seconds at which the verdict is another than before.
func changes(seconds []judgedSecond) []judgedSecond {
	var some []judgedSecond
	for i, s := range seconds {
		if i == 0 || s.Judgement.Verdict != seconds[i-1].Judgement.Verdict {
			some = append(some, s)
		}
	}
	return some
}

func decodeSeconds(t *testing.T, out string) []judgedSecond {
	t.Helper()
	var all []judgedSecond
	for line := range strings.Lines(out) {
		var s judgedSecond
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, s)
	}
	return all
}

func TestAReplayGivesTheVerdictsThatWereGiven(t *testing.T) {
	t.Parallel()
	text, want := recorded(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "release.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := startArtifacts(t)
	registry.push(t, "records/digits:v2-1", map[string]string{"release.jsonl": text})
	for name, c := range map[string]struct {
		args []string
		want []judgedSecond
	}{
		"of a file":                {[]string{file}, want},
		"of standard input":        {[]string{"-"}, want},
		"of a file, the changes":   {[]string{file, "--at-changes"}, changes(want)},
		"of one from the registry": {[]string{"records/digits:v2-1", "--registry", registry.host}, want},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRootCommand()
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetIn(strings.NewReader(text))
			root.SetArgs(append([]string{"rollout", "replay", "-o", "json"}, c.args...))
			if err := root.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, decodeSeconds(t, out.String()), cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
				t.Errorf("-given +recomputed:\n%s", diff)
			}
		})
	}
}

func TestAReplayIsATable(t *testing.T) {
	t.Parallel()
	text, want := recorded(t)
	file := filepath.Join(t.TempDir(), "release.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runSuoke(t, "rollout", "replay", file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(want)+1 || !strings.Contains(lines[0], "STABLE v1") || !strings.Contains(lines[0], "CANDIDATE v2") {
		t.Fatalf("%d lines, the first %s; want a head and %d seconds", len(lines), lines[0], len(want))
	}
	for i, s := range want {
		for _, part := range []string{string(s.Judgement.Verdict), fmt.Sprintf("%d of 20", s.Candidate.Failures)} {
			if !strings.Contains(lines[i+1], part) {
				t.Errorf("line %s; want %s in it", lines[i+1], part)
			}
		}
	}
	if !strings.HasPrefix(lines[1], "2023-11-14T22:13:20Z") {
		t.Errorf("the first second is %s", lines[1])
	}
}

func TestTheTableShowsWhatElseWasWrongWithAnswers(t *testing.T) {
	t.Parallel()
	const head = `{"stable":"v1","candidate":"v2","start":{"config":{"slow":true,"allowedDisagreement":0.02}}}`
	const answers = `
{"second":1700000000,"version":"v1","pod":"a","requests":80,"slow":4}
{"second":1700000000,"version":"v1","pod":"c","requests":20,"failures":1,"slow":3}
{"second":1700000000,"version":"v2","pod":"b","requests":20,"failures":1,"slow":2,"mirrored":5,"disagreed":1}
{"second":1700000001,"version":"v1","pod":"a","requests":80}
{"second":1700000001,"version":"v2","pod":"b","requests":20,"mirrored":5}
`
	for name, c := range map[string]struct{ head, want string }{
		"in columns with room for what is judged": {head, `SECOND                STABLE v1                   CANDIDATE v2                                     VERDICT                WORSE     GOOD ENOUGH  RULE
2023-11-14T22:13:20Z  1 of 100, 7 slow            1 of 20, 2 slow, 1 of 5 disagreed                Inconclusive     0.0 of 20.0      0.0 of 4.6  young
2023-11-14T22:13:21Z  0 of 80                     0 of 20                                          Inconclusive     0.0 of 20.0      0.0 of 4.6  young
`},
		"though it is not judged": {`{"stable":"v1","candidate":"v2"}`, `SECOND                STABLE v1         CANDIDATE v2      VERDICT                WORSE     GOOD ENOUGH  RULE
2023-11-14T22:13:20Z  1 of 100, 7 slow  1 of 20, 2 slow, 1 of 5 disagreed  Inconclusive     0.0 of 20.0      0.0 of 4.6  young
2023-11-14T22:13:21Z  0 of 80           0 of 20           Inconclusive     0.0 of 20.0      0.0 of 4.6  young
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "release.jsonl")
			if err := os.WriteFile(file, []byte(c.head+answers), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := runSuoke(t, "rollout", "replay", file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestTheHelpDescribesARecord takes the example out of the help, which must be read, and holds the fields that it explains
// against those that a record can have.
func TestTheHelpDescribesARecord(t *testing.T) {
	t.Parallel()
	help, err := runSuoke(t, "rollout", "replay", "--help")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(help) {
		if strings.HasPrefix(line, "  {") {
			example.WriteString(line)
		}
	}
	root := newRootCommand()
	var out strings.Builder
	root.SetOut(&out)
	root.SetIn(strings.NewReader(example.String()))
	root.SetArgs([]string{"rollout", "replay", "-"})
	if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), "1 of 5 disagreed") || !strings.Contains(out.String(), analysis.Historical) {
		t.Errorf("the example gives %v and\n%s", err, out.String())
	}
	_, explained, _ := strings.Cut(help, "Of the first line:")
	for _, field := range recordFields(t) {
		if !slices.Contains(strings.FieldsFunc(explained, func(r rune) bool { return !unicode.IsLetter(r) }), field) {
			t.Errorf("%s is not explained", field)
		}
	}
	if want := "suoke rollout replay (FILE | --evidence NAME) [flags]"; !strings.Contains(help, want) {
		t.Errorf("the usage is not %s", want)
	}
}

// recordFields are those of a record in which everything is said.
func recordFields(t *testing.T) []string {
	t.Helper()
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.Header{
		Model: "digits", Stable: "v1", Candidate: "v2", Attempt: 1, StableDigest: digestOf("1"), CandidateDigest: digestOf("2"), Start: analysis.Statistic{Last: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := analysis.Counts{Requests: 9, Failures: 1, Slow: 1, Mirrored: 1, Disagreed: 1}
	if err := w.Write(record.Entry{Historical: true, Second: analysis.Second{Unix: 2, Pods: []analysis.PodSecond{{Pod: "b", Candidate: true, Counts: answers}}}}); err != nil {
		t.Fatal(err)
	}
	fields := map[string]json.RawMessage{}
	for line := range strings.Lines(file.String()) {
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Sorted(maps.Keys(fields))
}

func TestAReplaySaysWhatIsWrongWithAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "release.jsonl")
	if err := os.WriteFile(file, []byte(`{"stable":"v1","candidate":"v2"}`+"\n"+`{"second":1,"version":"v2","pod":"b","requests":1,"failures":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"which line it is":   {[]string{file}, "line 2: 2 failures of 1 requests"},
		"that there is none": {[]string{"nothing.jsonl"}, "write a file, - for standard input, or a record in the registry such as records/"},
		"what to name":       {nil, "write one record: suoke rollout replay FILE, which is a file, - for standard input, or a record in the registry such as records/"},
		"what else to name":  {nil, "; or the name of an AIModel: suoke rollout replay --evidence NAME"},
		"that one is enough": {[]string{file, file}, "write one record: suoke rollout replay FILE"},
		"what has evidence":  {[]string{"--evidence"}, "write the name of one AIModel: suoke rollout replay --evidence NAME; `suoke rollout list` shows them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := runSuoke(t, append([]string{"rollout", "replay"}, c.args...)...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestTheEvidenceOfAStatusIsJudgedAgain writes a status as the operator does, with the statistic before its last seconds.
func TestTheEvidenceOfAStatusIsJudgedAgain(t *testing.T) {
	t.Parallel()
	text, want := recorded(t)
	reader, err := record.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	start, err := json.Marshal(reader.Header.Start)
	if err != nil {
		t.Fatal(err)
	}
	evidence := &suokev1.Evidence{Attempt: 1, StableVersion: "v1", Statistic: &runtime.RawExtension{Raw: start}}
	for _, s := range want {
		shown := suokev1.EvidenceSecond{Second: s.Second, Stable: []int64{s.Stable.Requests}, Candidate: []int64{s.Candidate.Requests}}
		if s.Candidate.Failures > 0 {
			shown.Candidate = append(shown.Candidate, s.Candidate.Failures)
		}
		evidence.Seconds = append(evidence.Seconds, shown)
	}
	d := newDigits(t, nil)
	d.version(t, "v2", suokev1.VersionCanary, 1, nil)
	var version suokev1.ModelVersion
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: d.namespace, Name: "digits-v2"}, &version); err != nil {
		t.Fatal(err)
	}
	version.Status.Evidence = evidence
	d.status(t, &version)
	out, err := d.run(t, "replay", "--evidence", "digits", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, decodeSeconds(t, out), cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
		t.Errorf("-given +recomputed:\n%s", diff)
	}
}
