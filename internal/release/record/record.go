// Package record reads and writes what a release was judged on, as JSON lines, so that anyone can judge it again.
//
// The first line is a Header: what was compared, under which parameters, and what was known of stable before. Each line
// after it is what one Pod answered in one second, in rising order of seconds:
//
//	{"second":1700000000,"version":"v2","pod":"xiaoai-v2-a1b2c3-0","requests":20,"failures":1,"slow":0}
//
// with mirrored and disagreed where answers were compared. A second without a line is one in which no request ended. The
// line {"second":1700000600,"historical":true} says that from that second on stable has no traffic and its past is
// compared with.
//
// Whatever a Writer wrote, a Reader reads back: adding every Entry to Header.Start gives the verdict of each second.
// A Reader holds one second in memory, whatever the length of the file, and says in which line something is wrong. The
// package neither judges nor does it open files.
package record

import (
	"errors"
	"fmt"
	"slices"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

const (
	// longestLine is the most bytes of a line. A header with what was learned of stable takes a few thousand.
	longestLine = 1 << 20
	// mostPods is the most Pods of one second; a version has at most a few tens.
	mostPods = 1000
	// mostRequests of a Pod in a second.
	mostRequests = 1_000_000_000
)

// Header says what was compared.
type Header struct {
	// Model is the name of the AIModel.
	Model string `json:"model,omitempty"`
	// Stable and Candidate are what the lines after this one call the versions: the version as people write it, or the
	// ID where two Pod templates of the same version were compared. Stable is empty where nothing served before.
	Stable    string `json:"stable,omitempty"`
	Candidate string `json:"candidate"`
	// Attempt counts the releases of the candidate that were begun, this one included.
	Attempt int `json:"attempt,omitempty"`
	// StableDigest and CandidateDigest are those of the artifacts.
	StableDigest    string `json:"stableDigest,omitempty"`
	CandidateDigest string `json:"candidateDigest,omitempty"`
	// Start is the statistic before the first second below: the parameters, and stable's past. In the record of an
	// operator that was started again in mid-release it holds what was judged before.
	Start analysis.Statistic `json:"start,omitzero"`
}

// check says what to write instead.
func (h Header) check() error {
	switch h.Candidate {
	case "":
		return errors.New(`the first line names what was compared: write {"stable":"v1","candidate":"v2"}, with the versions as the lines below name them`)
	case h.Stable:
		return fmt.Errorf("stable and candidate are both %s: write names that tell them apart", h.Candidate)
	}
	return nil
}

// Entry is one second of a release.
type Entry struct {
	// Historical says that stable has no traffic from this second on.
	Historical bool
	analysis.Second
}

// AddTo takes the second into a statistic.
func (e Entry) AddTo(s analysis.Statistic) analysis.Statistic {
	if e.Historical {
		s = s.Historical()
	}
	return s.Add(e.Second)
}

// add takes in what one Pod answered.
func (e *Entry) add(pod analysis.PodSecond) error {
	if len(e.Pods) == mostPods {
		return fmt.Errorf("more than %d Pods in second %d", mostPods, e.Unix)
	}
	same := func(p analysis.PodSecond) bool { return p.Pod == pod.Pod && p.Candidate == pod.Candidate }
	if slices.ContainsFunc(e.Pods, same) {
		return fmt.Errorf("second %d has Pod %s twice", e.Unix, pod.Pod)
	}
	e.Pods = append(e.Pods, pod)
	return check(pod.Counts)
}

// check says which counts cannot be.
func check(c analysis.Counts) error {
	switch {
	case min(c.Requests, c.Failures, c.Slow, c.Mirrored, c.Disagreed) < 0:
		return errors.New("a count below 0")
	case max(c.Requests, c.Mirrored) > mostRequests:
		return fmt.Errorf("more than %d requests of one Pod in one second", mostRequests)
	case c.Failures > c.Requests:
		return fmt.Errorf("%d failures of %d requests", c.Failures, c.Requests)
	case c.Slow > c.Requests:
		return fmt.Errorf("%d slow of %d requests", c.Slow, c.Requests)
	case c.Disagreed > c.Mirrored:
		return fmt.Errorf("%d disagreed of %d mirrored", c.Disagreed, c.Mirrored)
	}
	return nil
}

// podLine is what one Pod answered in one second.
type podLine struct {
	Second    int64  `json:"second"`
	Version   string `json:"version"`
	Pod       string `json:"pod"`
	Requests  int64  `json:"requests"`
	Failures  int64  `json:"failures"`
	Slow      int64  `json:"slow"`
	Mirrored  int64  `json:"mirrored,omitempty"`
	Disagreed int64  `json:"disagreed,omitempty"`
}

// historicalLine says that stable has no traffic from a second on.
type historicalLine struct {
	Second     int64 `json:"second"`
	Historical bool  `json:"historical"`
}
