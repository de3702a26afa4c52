package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// benchJudgement runs the command with arguments, and returns what it prints and what it says meanwhile.
func benchJudgement(t *testing.T, args ...string) (out, notes string, err error) {
	t.Helper()
	var printed, said strings.Builder
	cmd := newBenchCommand()
	cmd.SetOut(&printed)
	cmd.SetErr(&said)
	cmd.SetArgs(append([]string{"judgement", "--releases", "20", "--detections", "5", "--histories", "2"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return printed.String(), said.String(), err
}

func TestBenchJudgementPrintsTables(t *testing.T) {
	out, notes, err := benchJudgement(t, "--only", "spells-30s", "--only", "late", "--rule", "plain", "--rule", "60s-x1")
	if err != nil {
		t.Fatal(err)
	}
	want := `
False rollbacks: % of 20 releases of 30 minutes whose candidate is as good as stable (upper 95 % bound)

world                   plain         60s-x1
spells of 30 s  15.00 (34.37)  60.00 (78.29)

To read: α is 1 %; of such bounds, 95 of 100 are above the true share. 0.00 (0.03) is none of 10,000.

A candidate that fails from minute 10 on (5 releases each; seconds and requests since then)

Seconds until it is returned, median/p99:

                       5 %   20 %   50 %
information bound      3.2   0.41   0.12
plain, independent   19/34    5/6    2/2
60s-x1, independent  60/60  60/60  60/60

Its failed requests until then, median/p99:

                            5 %     20 %     50 %
at the information bound      3        2        1
plain, independent        25/27    15/22    19/29
60s-x1, independent       62/70  231/242  593/613

The median, in times the information bound:

                      5 %   20 %   50 %
plain, independent    5.9   12.2   17.0
60s-x1, independent  18.5  146.8  510.3

To read: the bound is ln(1/α)/(requests/s · KL), for whom stable's rate is known and failures are independent; rules end at whole seconds;
> is that it was not returned within 30 minutes, – that it had always been returned before.
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// Eight blocks: two histories of a world and of three bad candidates.
	if got := strings.Split(strings.TrimSpace(notes), "\n"); len(got) != 8 || got[0] != "10 % of the releases are played" || got[7] != "100 % of the releases are played" {
		t.Errorf("meanwhile it says %q", got)
	}
}

func TestBenchJudgementPrintsJSON(t *testing.T) {
	want := `{
  "seed": 1,
  "releases": 20,
  "detections": 5,
  "histories": 2,
  "falseRollbacks": [
    {
      "world": "spells-30s",
      "title": "spells of 30 s",
      "rule": "plain",
      "releases": 20,
      "returned": 3,
      "percent": 15,
      "upperPercent": 34.3664
    }
  ]
}
`
	for _, workers := range []string{"1", "3"} {
		out, _, err := benchJudgement(t, "-o", "json", "--only", "spells-30s", "--rule", "plain", "--workers", workers)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("%s workers, -want +got:\n%s", workers, diff)
		}
	}
}

func TestBenchJudgementSaysWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown output": {[]string{"-o", "yaml"}, "--output yaml: write json, or leave it out"},
		"an unknown world":  {[]string{"--only", "mars"}, `bench judgement: world or table "mars": write one of ["independent"`},
		"no releases":       {[]string{"--releases", "0"}, "bench judgement: releases: write a number of at least 1, not 0"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := benchJudgement(t, c.args...); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("it says %v; want %s", err, c.want)
			}
		})
	}
}
