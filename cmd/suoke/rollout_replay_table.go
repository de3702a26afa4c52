package main

import (
	"fmt"
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/record"
)

// table shows seconds in columns of a width known beforehand, as a record may be long.
func (o *rolloutReplayOptions) table(header record.Header) func(judgedSecond) error {
	stable, candidate := answersWidths(header.Start.Config)
	columns := fmt.Sprintf("%%-20s  %%-%ds  %%-%ds  %%-12s  %%14s  %%14s  %%s\n", stable, candidate)
	began := false
	return func(s judgedSecond) error {
		if !began {
			began = true
			if _, err := fmt.Fprintf(o.out, columns, "SECOND", "STABLE "+header.Stable, "CANDIDATE "+header.Candidate, "VERDICT", "WORSE", "GOOD ENOUGH", "RULE"); err != nil {
				return err
			}
		}
		j := s.Judgement
		note := ""
		if j.Verdict == analysis.Fail || o.atChanges {
			note = "  " + j.Message
		}
		_, err := fmt.Fprintf(o.out, columns, time.Unix(s.Second, 0).UTC().Format(time.RFC3339), answersText(s.Stable), answersText(s.Candidate), j.Verdict,
			fmt.Sprintf("%.1f of %.1f", max(0, j.Score), j.Threshold), fmt.Sprintf("%.1f of %.1f", max(0, j.NoWorse), j.NoWorseThreshold), j.Rule+note)
		return err
	}
}

// answersWidths leave room for what is judged; only the candidate's answers can disagree.
func answersWidths(c analysis.Config) (stable, candidate int) {
	stable = len("CANDIDATE v2.2.0")
	if c.Slow {
		stable += len(", 999 slow")
	}
	candidate = stable
	if c.AllowedDisagreement > 0 {
		candidate += len(", 99 of 999 disagreed")
	}
	return stable, candidate
}

// answersText are the failures of the requests, with what else was wrong with answers.
func answersText(c analysis.Counts) string {
	text := fmt.Sprintf("%d of %d", c.Failures, c.Requests)
	if c.Slow > 0 {
		text += fmt.Sprintf(", %d slow", c.Slow)
	}
	if c.Disagreed > 0 {
		text += fmt.Sprintf(", %d of %d disagreed", c.Disagreed, c.Mirrored)
	}
	return text
}
