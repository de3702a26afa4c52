package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"
)

const (
	// readyWithin is how long a candidate that has just started may take to be ready; stableWithin how long a stable that
	// serves may not answer before it is left out, or stableSlower times as long as the candidate took for the same
	// questions if that is longer. stableShare is the part of the time, one in so many, that it may use in all.
	readyWithin  = 2 * time.Minute
	stableWithin = 10 * time.Second
	stableSlower = 2
	stableShare  = 3
	// batchRows and batchNumbers bound one question: a stable answers its users at the same time, and a server takes only
	// so large a body.
	batchRows    = 32
	batchNumbers = 64 << 10
)

// Config says what to evaluate.
type Config struct {
	// Endpoint is the URL of a server of the candidate, StableEndpoint one of the version to compare with, if any.
	Endpoint, StableEndpoint string
	// Version and StableVersion are the versions at the two. A server of the Open Inference Protocol says it itself, and is
	// believed.
	Version, StableVersion string
	// Model is its name at both.
	Model    string
	Task     Task
	Protocol Protocol
	// Rows of the data set: a CSV with a header, the features by name in any order and a column label or target; for a
	// language model JSON lines.
	Rows io.Reader
	// Bands of a regression, if the data set names any.
	Bands []Band
	// Transport replaces the default one, which knows no proxy.
	Transport http.RoundTripper
	Log       *slog.Logger
}

// ofCandidate and ofStable are the patience with the two: the evaluation is the candidate's, and is not held up by a stable
// that does not answer.
var (
	ofCandidate = patience{ready: readyWithin, attempts: attempts} //nolint:gochecknoglobals // never written to
	ofStable    = patience{ready: stableWithin, attempts: 1}       //nolint:gochecknoglobals // never written to
)

// Run asks every row of the data set and measures the answers. What the result is bound to is the caller's to fill in.
func Run(ctx context.Context, c Config) (Result, error) {
	if err := Suits(c.Task, c.Protocol); err != nil {
		return Result{}, err
	}
	client, done := c.client()
	defer done()
	if c.Task == Language {
		return c.runLanguage(ctx, client)
	}
	return c.runTable(ctx, client)
}

// candidate says of whom an answer was not to be had.
func (c Config) candidate(err error) error {
	return fmt.Errorf("asking %s for %s: %w", c.Endpoint, c.Model, err)
}

// leftOut tells why stable is not compared with.
func (c Config) leftOut(ctx context.Context, why string) {
	c.Log.WarnContext(ctx, "stable is left out of the evaluation", "endpoint", c.StableEndpoint, "why", why)
}

// questions are what each version is asked.
type questions struct {
	total int
	// unit is what they are called in the log.
	unit string
	// batch is how many are asked at once, from one on.
	batch func(first int) int
}

// interview asks the candidate, and stable if it is there, every question. It says whether stable answered them all: where
// it fails it is left out.
func (c Config) interview(ctx context.Context, q questions, candidate, stable func(ctx context.Context, first, rows int) error) (compared bool, err error) {
	c.Log.InfoContext(ctx, "asking", "endpoint", c.Endpoint, q.unit, q.total, "compared", stable != nil)
	tenths, beside := 0, guest{ask: stable, left: math.MaxInt64}
	if end, bounded := ctx.Deadline(); bounded {
		beside.left = time.Until(end) / stableShare
	}
	for first := 0; first < q.total; {
		rows, began := q.batch(first), time.Now()
		if err := candidate(ctx, first, rows); err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				err = fmt.Errorf("the time for the evaluation was up after %d of %d %s; push a smaller data set: %w", first, q.total, q.unit, err)
			}
			return false, err
		}
		if beside.ask != nil {
			if err := beside.answer(ctx, first, rows, time.Since(began)); err != nil {
				c.leftOut(ctx, err.Error())
				beside.ask = nil
			}
		}
		first += rows
		if 10*first/q.total > tenths {
			tenths = 10 * first / q.total
			c.Log.InfoContext(ctx, "asked", q.unit, first, "of", q.total)
		}
	}
	return beside.ask != nil, nil
}

// guest is stable in an interview.
type guest struct {
	ask func(ctx context.Context, first, rows int) error
	// left is what is left of its share of the time.
	left time.Duration
}

// answer asks stable what the candidate took so long for.
func (g *guest) answer(ctx context.Context, first, rows int, took time.Duration) error {
	limit := min(max(stableWithin, stableSlower*took), g.left)
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	err := g.ask(asking, first, rows)
	g.left -= time.Since(began)
	switch {
	case err == nil || !errors.Is(err, context.DeadlineExceeded):
		return err
	case g.left <= 0:
		return fmt.Errorf("its share of the time, one part of %d, is used up: %w", stableShare, err)
	default:
		return fmt.Errorf("it is too slow: %w", err)
	}
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
