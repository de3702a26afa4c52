package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		"which line it is":       {[]string{file}, "line 2: 2 failures of 1 requests"},
		"that there is none":     {[]string{"nothing.jsonl"}, "write a file, - for standard input, or a record in the registry such as records/"},
		"that nothing was named": {nil, "accepts 1 arg(s), received 0"},
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
