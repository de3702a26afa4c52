package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// Reader reads the record of a release, a second at a time.
type Reader struct {
	// Header is the first line.
	Header Header

	lines  *bufio.Scanner
	number int
	// ahead was read and belongs to the next second; last is the second that was read before.
	ahead *line
	last  int64
}

// line is either kind of line.
type line struct {
	podLine

	Historical bool `json:"historical"`
}

// NewReader reads the header.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{lines: bufio.NewScanner(from)}
	r.lines.Buffer(nil, longestLine)
	text, err := r.text()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("an empty record: it begins with a line that says what was compared")
	}
	if err != nil {
		return nil, err
	}
	// A line of a second in its place says nothing that a header does: the message of check is the better one.
	if err := strict(text, &r.Header); err != nil && (r.Header.Candidate != "" || !json.Valid(text)) {
		return nil, r.wrong(err)
	}
	if err := r.Header.check(); err != nil {
		return nil, r.wrong(err)
	}
	return r, nil
}

// Next returns the next second; io.EOF after the last.
func (r *Reader) Next() (Entry, error) {
	first, err := r.take()
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{Second: analysis.Second{Unix: first.Second}}
	for l := first; ; {
		if err := r.add(&entry, l); err != nil {
			return Entry{}, r.wrong(err)
		}
		if l, err = r.take(); errors.Is(err, io.EOF) {
			return entry, nil
		}
		if err != nil {
			return Entry{}, err
		}
		if l.Second != entry.Unix {
			r.ahead = l
			return entry, nil
		}
	}
}

// take returns the next line.
func (r *Reader) take() (*line, error) {
	if l := r.ahead; l != nil {
		r.ahead = nil
		return l, nil
	}
	text, err := r.text()
	if err != nil {
		return nil, err
	}
	var l line
	if err := strict(text, &l); err != nil {
		return nil, r.wrong(err)
	}
	switch {
	case l.Second <= 0:
		return nil, r.wrong(errors.New("second: write the Unix second that the line is of"))
	case l.Second < r.last:
		return nil, r.wrong(fmt.Errorf("second %d after second %d: write the lines in rising order", l.Second, r.last))
	}
	r.last = l.Second
	return &l, nil
}

// add takes a line into its second.
func (r *Reader) add(entry *Entry, l *line) error {
	if l.Historical {
		if l.podLine != (podLine{Second: l.Second}) || len(entry.Pods) > 0 {
			return errors.New("historical: write it in a line of its own, before those of the second's Pods")
		}
		entry.Historical = true
		return nil
	}
	if l.Version == "" || l.Version != r.Header.Candidate && l.Version != r.Header.Stable {
		return fmt.Errorf("version %q is neither stable's, %q, nor the candidate's, %q", l.Version, r.Header.Stable, r.Header.Candidate)
	}
	return entry.add(analysis.PodSecond{
		Pod: l.Pod, Candidate: l.Version == r.Header.Candidate,
		Counts: analysis.Counts{Requests: l.Requests, Failures: l.Failures, Slow: l.Slow, Mirrored: l.Mirrored, Disagreed: l.Disagreed},
	})
}

// text returns the next line that is not blank; io.EOF after the last.
func (r *Reader) text() ([]byte, error) {
	for r.lines.Scan() {
		r.number++
		if text := bytes.TrimSpace(r.lines.Bytes()); len(text) > 0 {
			return text, nil
		}
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		r.number++
		return nil, r.wrong(fmt.Errorf("longer than %d bytes", longestLine))
	default:
		return nil, err
	}
}

func (r *Reader) wrong(err error) error { return fmt.Errorf("line %d: %w", r.number, err) }

// strict reads one JSON value and refuses what it does not know: a misspelt count would be a count of 0.
func strict(text []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return fmt.Errorf("write one JSON object a line: %w", err)
	}
	if decoder.More() {
		return errors.New("write one JSON object a line")
	}
	return nil
}
