package load

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	// timestampColumn of a trace, and how its times are written.
	timestampColumn = "TIMESTAMP"
	timestampLayout = "2006-01-02 15:04:05.9999999"
	// maxArrivals are read of a trace.
	maxArrivals = 1 << 20
)

// Pattern is when requests arrive, over and over. Its zero value is an even beat.
type Pattern struct {
	// offsets of the arrivals from the first, rising.
	offsets []time.Duration
	// period after which the pattern begins again: to the last arrival and one mean gap more.
	period time.Duration
}

// ReadTrace reads a Pattern from a CSV file with a header and a column TIMESTAMP.
func ReadTrace(r io.Reader) (Pattern, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return Pattern{}, fmt.Errorf("reading the trace's header: %w", err)
	}
	column := slices.Index(header, timestampColumn)
	if column < 0 {
		return Pattern{}, fmt.Errorf("the trace has the columns %v; name the one with times %s", slices.Clone(header), timestampColumn)
	}
	var times []time.Time
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Pattern{}, fmt.Errorf("reading the trace: %w", err)
		}
		at, err := time.Parse(timestampLayout, row[column])
		if err != nil {
			return Pattern{}, fmt.Errorf("reading the trace: write times such as 2023-11-16 18:15:46.68: %w", err)
		}
		if times = append(times, at); len(times) > maxArrivals {
			return Pattern{}, fmt.Errorf("the trace has more than %d arrivals; cut it", maxArrivals)
		}
	}
	return newPattern(times)
}

func newPattern(times []time.Time) (Pattern, error) {
	slices.SortFunc(times, time.Time.Compare)
	if len(times) < 2 || times[0].Equal(times[len(times)-1]) {
		return Pattern{}, errors.New("the trace needs at least two arrivals at different times")
	}
	p := Pattern{offsets: make([]time.Duration, len(times))}
	for i, at := range times {
		p.offsets[i] = at.Sub(times[0])
	}
	last := p.offsets[len(times)-1]
	p.period = last + last/time.Duration(len(times)-1)
	return p, nil
}

// At returns when request n arrives after the start, with time compressed so that rate requests a second arrive on
// average.
func (p Pattern) At(n int, rate float64) time.Duration {
	if len(p.offsets) == 0 {
		return seconds(float64(n) / rate)
	}
	rounds, i := n/len(p.offsets), n%len(p.offsets)
	recorded := float64(rounds)*p.period.Seconds() + p.offsets[i].Seconds()
	own := float64(len(p.offsets)) / p.period.Seconds()
	return seconds(recorded * own / rate)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
