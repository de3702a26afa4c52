package evaluate

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// runTable asks every row of the table, and measures the answers.
func (c Config) runTable(ctx context.Context, client *http.Client) (Result, error) {
	candidate, err := c.meet(ctx, client, c.Endpoint, ofCandidate)
	if err != nil {
		return Result{}, c.candidate(err)
	}
	t, err := readTable(c.Rows, candidate.Parameters)
	if err != nil {
		return Result{}, err
	}
	own, ask := newAnswers(t, candidate), (func(context.Context, int, int) error)(nil)
	stable := c.stable(ctx, client, t, candidate)
	if stable != nil {
		ask = stable.ask
	}
	compared, err := c.interview(ctx, questions{total: t.rows(), unit: "rows", batch: t.batchFrom}, own.ask, ask)
	if err != nil {
		return Result{}, c.candidate(err)
	}
	if !compared {
		stable = nil
	}
	return measured(t, own, stable, c.Bands)
}

// meet makes a server's acquaintance and checks that it can be evaluated.
func (c Config) meet(ctx context.Context, client *http.Client, endpoint string, with patience) (*inferrer, error) {
	if err := checkAddress(endpoint, c.Model); err != nil {
		return nil, err
	}
	s := &inferrer{server: server{modelURL(endpoint, c.Model), inferredWithin, with, client, c.Log}}
	if err := s.meet(ctx); err != nil {
		return nil, err
	}
	return s, s.suits(c.Task)
}

// stable is the version to compare with, nil where there is none or the comparison would mean nothing.
func (c Config) stable(ctx context.Context, client *http.Client, t *table, candidate *inferrer) *answers {
	if c.StableEndpoint == "" {
		return nil
	}
	meeting, cancel := context.WithTimeout(ctx, ofStable.ready)
	defer cancel()
	s, err := c.meet(meeting, client, c.StableEndpoint, ofStable)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case !same(s.Parameters.Features, candidate.Parameters.Features):
		why = "it has other features than the candidate"
	case !slices.Equal(s.Parameters.Labels, candidate.Parameters.Labels):
		why = "it has other labels than the candidate"
	}
	if why != "" {
		c.leftOut(ctx, why)
		return nil
	}
	return newAnswers(t, s)
}

// answers of one version to the rows of a table.
type answers struct {
	table  *table
	server *inferrer
	// order of the server's features among the table's columns.
	order   []int
	version string
	// labels of a classification, or numbers of a regression.
	labels  []int
	numbers []float64
}

func newAnswers(t *table, s *inferrer) *answers {
	return &answers{table: t, server: s, order: t.order(s.Parameters.Features)}
}

// ask asks the next rows.
func (a *answers) ask(ctx context.Context, first, rows int) error {
	width := max(1, len(a.server.Parameters.Labels))
	given, version, err := a.server.infer(ctx, rows, a.table.batch(first, rows, a.order), width)
	if err != nil {
		return fmt.Errorf("rows %d to %d: %w", first+1, first+rows, err)
	}
	if first > 0 && version != a.version {
		return fmt.Errorf("rows %d to %d: version %s answered, and %s before it; ask one Pod", first+1, first+rows, version, a.version)
	}
	a.version = version
	if a.server.Parameters.Task == Regression {
		a.numbers = append(a.numbers, given...)
		return nil
	}
	for row := range slices.Chunk(given, width) {
		a.labels = append(a.labels, likeliest(row))
	}
	return nil
}

// likeliest is the first label that none exceeds.
func likeliest(probabilities []float64) int {
	best := 0
	for i, p := range probabilities {
		if p > probabilities[best] {
			best = i
		}
	}
	return best
}

// measured is the result of the answers. Bands make classes of a regression's numbers; versions are compared by how close
// they come all the same.
func measured(t *table, a, stable *answers, bands []Band) (Result, error) {
	r := Result{Task: a.server.Parameters.Task, Version: a.version, Rows: t.rows(), Intervals: map[string]Interval{}}
	var err error
	if r.Task == Classification {
		err = r.add(Classes(t.labels, a.labels, len(a.server.Parameters.Labels)))
	} else {
		err = r.add(Numbers(t.targets, a.numbers))
		if err == nil && len(bands) > 0 {
			err = r.add(Classes(bandsOf(bands, t.targets), bandsOf(bands, a.numbers), len(bands)))
		}
	}
	if err != nil {
		return Result{}, err
	}
	if stable == nil {
		return r, nil
	}
	if r.Task == Classification {
		r.Comparison = new(compareClasses(t.labels, a.labels, stable.labels))
	} else {
		r.Comparison = new(compareNumbers(t.targets, a.numbers, stable.numbers))
	}
	r.Comparison.Version = stable.version
	return r, nil
}
