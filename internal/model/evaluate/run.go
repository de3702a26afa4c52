package evaluate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"
)

const (
	// readyWithin is how long a candidate that has just started may take to be ready; stableWithin how long a stable that
	// serves may not answer before it is left out.
	readyWithin  = 2 * time.Minute
	stableWithin = 10 * time.Second
	// batchRows and batchNumbers bound one question: a stable answers its users at the same time, and a server takes only
	// so large a body.
	batchRows    = 32
	batchNumbers = 64 << 10
)

// Config says what to evaluate.
type Config struct {
	// Endpoint is the URL of a server of the candidate, StableEndpoint one of the version to compare with, if any.
	Endpoint, StableEndpoint string
	// Model is its name at both.
	Model string
	Task  Task
	// Table is a CSV with a header: the features by name in any order, and a column label or target.
	Table io.Reader
	// Transport replaces the default one, which knows no proxy.
	Transport http.RoundTripper
	Log       *slog.Logger
}

// Run asks every row of the table and measures the answers. What the result is bound to is the caller's to fill in.
func Run(ctx context.Context, c Config) (Result, error) {
	client, done := c.client()
	defer done()
	candidate, err := c.meet(ctx, client, c.Endpoint, readyWithin)
	if err != nil {
		return Result{}, fmt.Errorf("asking %s for %s: %w", c.Endpoint, c.Model, err)
	}
	t, err := readTable(c.Table, candidate.Parameters)
	if err != nil {
		return Result{}, err
	}
	a := newAnswers(t, candidate)
	stable := c.stable(ctx, client, t, candidate)
	c.Log.InfoContext(ctx, "asking", "endpoint", c.Endpoint, "rows", t.rows(), "compared", stable != nil)
	tenths := 0
	for first := 0; first < t.rows(); first += a.batch {
		if err := a.ask(ctx, first); err != nil {
			return Result{}, fmt.Errorf("asking %s for %s: %w", c.Endpoint, c.Model, err)
		}
		if stable != nil {
			if err := stable.ask(ctx, first); err != nil {
				c.Log.WarnContext(ctx, "stable is left out: it was not answered", "endpoint", c.StableEndpoint, "error", err)
				stable = nil
			}
		}
		if asked := min(first+a.batch, t.rows()); 10*asked/t.rows() > tenths {
			tenths = 10 * asked / t.rows()
			c.Log.InfoContext(ctx, "asked", "rows", asked, "of", t.rows())
		}
	}
	return measured(t, a, stable)
}

// meet makes a server's acquaintance and checks that it can be evaluated.
func (c Config) meet(ctx context.Context, client *http.Client, endpoint string, patience time.Duration) (*server, error) {
	model, err := modelURL(endpoint, c.Model)
	if err != nil {
		return nil, err
	}
	s := &server{model: model, client: client, log: c.Log}
	if err := s.meet(ctx, patience); err != nil {
		return nil, err
	}
	return s, s.suits(c.Task)
}

// stable is the version to compare with, nil where there is none or the comparison would mean nothing.
func (c Config) stable(ctx context.Context, client *http.Client, t *table, candidate *server) *answers {
	if c.StableEndpoint == "" {
		return nil
	}
	s, err := c.meet(ctx, client, c.StableEndpoint, stableWithin)
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
		c.Log.WarnContext(ctx, "stable is left out of the evaluation", "endpoint", c.StableEndpoint, "why", why)
		return nil
	}
	return newAnswers(t, s)
}

func (c Config) client() (client *http.Client, done func()) {
	transport, done := c.Transport, func() {}
	if transport == nil {
		own := &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
		transport, done = own, own.CloseIdleConnections
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, done
}

// answers of one version to the rows of a table.
type answers struct {
	table  *table
	server *server
	// order of the server's features among the table's columns.
	order   []int
	batch   int
	version string
	// labels of a classification, or numbers of a regression.
	labels  []int
	numbers []float64
}

func newAnswers(t *table, s *server) *answers {
	return &answers{table: t, server: s, order: t.order(s.Parameters.Features), batch: max(1, min(batchRows, batchNumbers/len(t.columns)))}
}

// ask asks the next rows.
func (a *answers) ask(ctx context.Context, first int) error {
	rows, width := min(a.batch, a.table.rows()-first), max(1, len(a.server.Parameters.Labels))
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

// measured is the result of the answers.
func measured(t *table, a, stable *answers) (Result, error) {
	r := Result{Task: a.server.Parameters.Task, Version: a.version, Rows: t.rows()}
	var err error
	if r.Task == Regression {
		r.Metrics, r.Intervals, err = Numbers(t.targets, a.numbers)
	} else {
		r.Metrics, r.Intervals, err = Classes(t.labels, a.labels, len(a.server.Parameters.Labels))
	}
	if err != nil {
		return Result{}, inputError{err.Error()}
	}
	if stable == nil {
		return r, nil
	}
	c := compareClasses(t.labels, a.labels, stable.labels)
	if r.Task == Regression {
		c = compareNumbers(t.targets, a.numbers, stable.numbers)
	}
	c.Version = stable.version
	r.Comparison = &c
	return r, nil
}
