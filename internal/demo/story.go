// Package demo tells a release and a scale-up on a running system, chapter by chapter, under recorded arrivals, and
// measures what happened. It changes only the example model of xiaoai and puts nothing of its own into the cluster but
// ModelVersions. Every figure it reports was measured in the run that reports it.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Story is what the chapters share.
type Story struct {
	// Client of the cluster, whose scheme knows suoke.life/v1 and the built-in kinds.
	Client client.Client
	// Namespace of the system.
	Namespace string
	// Traffic drives requests through the public edge.
	Traffic Edge
	// Out gets the running commentary.
	Out io.Writer

	began time.Time
}

// Row is a line of the report.
type Row struct {
	Chapter string `json:"chapter"`
	What    string `json:"what"`
	Value   string `json:"value"`
	// Good says whether the story kept its promise; a row that promises nothing is good.
	Good bool `json:"good"`
}

// Report is what happened.
type Report struct {
	Rows []Row `json:"rows"`
}

// Good is true if every row is.
func (r Report) Good() bool {
	for _, row := range r.Rows {
		if !row.Good {
			return false
		}
	}
	return true
}

// Run tells the whole story. The report holds the rows of the chapters that were told, also when one ends in an error.
func (s *Story) Run(ctx context.Context) (Report, error) {
	s.began = time.Now()
	var report Report
	for _, chapter := range []struct {
		title string
		tell  func(context.Context) ([]Row, error)
	}{
		{"a. baseline", s.baseline},
		{"b. a better version", s.better},
		{"c. a worse version", s.worse},
		{"d. a version that fails at run time", s.failing},
		{"e. more load", s.scaleUp},
	} {
		s.say("%s", chapter.title)
		rows, err := chapter.tell(ctx)
		for _, row := range rows {
			row.Chapter = chapter.title
			report.Rows = append(report.Rows, row)
		}
		if err != nil {
			return report, fmt.Errorf("chapter %s: %w", chapter.title, err)
		}
	}
	return report, nil
}

func (s *Story) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "%6.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}
