package evaluate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxDataset is the greatest size of a data set's files in bytes. With it, maxRows and maxNumbers keep an evaluation
	// within the memory and the time of its Job.
	MaxDataset = 32 << 20
	maxRows    = 100_000
	maxNumbers = 8 << 20
	// named columns of a list in an error; the rest is counted.
	named = 8

	columnLabel  = "label"
	columnTarget = "target"
)

// inputError is a fault of the data set, or of what was asked for, that asking again cannot cure.
type inputError struct{ says string }

func (e inputError) Error() string { return e.says }

func wrong(format string, args ...any) error { return inputError{fmt.Sprintf(format, args...)} }

// BadInput says whether asking again cannot help: the data set or the question must be written differently.
func BadInput(err error) bool {
	var input inputError
	return errors.As(err, &input)
}

// Dataset is an opened data set: the file with its rows, and the bands of a regression, if it names any.
type Dataset struct {
	Rows  io.ReadCloser
	Bands []Band
}

// Open opens the one file of a data set's directory that has the rows of the task: a CSV file, or one of JSON lines for a
// language model.
func Open(dir string, task Task) (Dataset, error) {
	kind, suffix := "CSV", ".csv"
	if task == Language {
		kind, suffix = "JSON lines", ".jsonl"
	}
	var found []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.EqualFold(filepath.Ext(name), suffix) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		return Dataset{}, unread(err)
	}
	if len(found) != 1 {
		return Dataset{}, wrong("the data set has %d %s files (%s); push a directory with one, as %s needs", len(found), kind, suffix, task.model())
	}
	var d Dataset
	if task == Regression {
		if d.Bands, err = openBands(filepath.Join(filepath.Dir(found[0]), bandsFile)); err != nil {
			return Dataset{}, err
		}
	}
	if d.Rows, err = os.Open(found[0]); err != nil {
		return Dataset{}, unread(err)
	}
	return d, nil
}

// table is a labelled data set: the columns that a model needs, and of each row what the right answer is.
type table struct {
	columns []string
	// values of the columns, one row after another, as exact as the model takes them.
	values []float32
	// labels of a classification, or targets of a regression.
	labels  []int
	targets []float64
}

func (t *table) rows() int { return max(len(t.labels), len(t.targets)) }

// readTable reads the columns of a CSV with a header that a model's metadata names, in the model's order.
func readTable(from io.Reader, m meaning) (*table, error) {
	limited := &io.LimitedReader{R: from, N: MaxDataset + 1}
	in := csv.NewReader(limited)
	in.TrimLeadingSpace, in.ReuseRecord = true, true
	t := &table{columns: m.Features}
	err := t.read(in, m)
	if limited.N <= 0 {
		return nil, wrong("the data set is larger than %d bytes; write fewer rows", MaxDataset)
	}
	if broken, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, wrong("the data set is no CSV or was cut off: line %d: %v", broken.Line, broken.Err)
	}
	if err != nil {
		return nil, err
	}
	if t.rows() == 0 {
		return nil, wrong("the data set has no rows; write at least one below the header")
	}
	return t, nil
}

func (t *table) read(in *csv.Reader, m meaning) error {
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return wrong("the data set is empty; write a header that names the columns, and rows")
	}
	if err != nil {
		return unread(err)
	}
	place, err := m.find(header)
	if err != nil {
		return err
	}
	for {
		record, err := in.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unread(err)
		case t.rows() == maxRows || len(t.values)+len(place.features) > maxNumbers:
			return wrong("the data set has more than the %d rows, or %d numbers, that are evaluated; write fewer rows", maxRows, maxNumbers)
		}
		if err := t.add(record, place, m); err != nil {
			line, _ := in.FieldPos(0)
			return wrong("the data set: line %d, %v", line, err)
		}
	}
}

func unread(err error) error { return fmt.Errorf("reading the data set: %w", err) }

// add reads one row.
func (t *table) add(record []string, p place, m meaning) error {
	for i, column := range p.features {
		v, err := strconv.ParseFloat(strings.TrimSpace(record[column]), 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("column %q: write a finite number, not %q", t.columns[i], short(record[column]))
		}
		t.values = append(t.values, float32(v))
	}
	text := strings.TrimSpace(record[p.answer])
	v, err := strconv.ParseFloat(text, 64)
	if m.Task == Regression {
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("column %q: write a finite number, not %q", columnTarget, short(text))
		}
		t.targets = append(t.targets, v)
		return nil
	}
	if last := len(m.Labels) - 1; err != nil || v != math.Trunc(v) || v < 0 || v > float64(last) {
		return fmt.Errorf("column %q: write the index of one of the model's %d labels, 0 to %d, not %q", columnLabel, len(m.Labels), last, short(text))
	}
	t.labels = append(t.labels, int(v))
	return nil
}

// place says in which columns of a file the features and the right answer are.
type place struct {
	features []int
	answer   int
}

// find looks a model's features up in a header.
func (m meaning) find(header []string) (place, error) {
	at := map[string]int{}
	names := make([]string, len(header))
	for i, name := range header {
		if i == 0 {
			name = strings.TrimPrefix(name, "\uFEFF") // which spreadsheets write before UTF-8
		}
		names[i] = strings.TrimSpace(name)
		if _, twice := at[names[i]]; twice {
			return place{}, wrong("the data set has the column %q twice; name each once", short(names[i]))
		}
		at[names[i]] = i
	}
	answer, meant := columnLabel, "the index of each row's label"
	if m.Task == Regression {
		answer, meant = columnTarget, "each row's true value"
	}
	var missing []string
	p := place{features: make([]int, len(m.Features))}
	for i, name := range m.Features {
		column, found := at[name]
		if !found {
			missing = append(missing, name)
		}
		p.features[i] = column
	}
	if len(missing) > 0 {
		return place{}, wrong("the data set lacks %s that the model needs: %s; it has %s", plural(len(missing), "the column"), quoted(missing), quoted(names))
	}
	column, found := at[answer]
	if !found {
		return place{}, wrong("the data set has no column %q; write one with %s, as a %s needs", answer, meant, m.Task)
	}
	p.answer = column
	return p, nil
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// quoted lists names, but not more of them than a person reads.
func quoted(names []string) string {
	var words []string
	for _, name := range names[:min(len(names), named)] {
		words = append(words, strconv.Quote(short(name)))
	}
	if more := len(names) - named; more > 0 {
		return strings.Join(words, ", ") + fmt.Sprintf(" and %d more", more)
	}
	return list(words)
}

// short is the beginning of a text that a file holds in place of a name or number.
func short(text string) string {
	const longest = 40
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}

// same says whether two lists name the same things, in any order.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// batchFrom is how many rows are asked at once, from one on.
func (t *table) batchFrom(first int) int {
	return min(max(1, min(batchRows, batchNumbers/len(t.columns))), t.rows()-first)
}

// batch is the values of some rows, in the order in which a model takes the columns.
func (t *table) batch(first, rows int, order []int) []float32 {
	width := len(t.columns)
	values := make([]float32, 0, rows*width)
	for row := first; row < first+rows; row++ {
		for _, column := range order {
			values = append(values, t.values[row*width+column])
		}
	}
	return values
}

// order of a model's features among the columns of the table.
func (t *table) order(features []string) []int {
	order := make([]int, len(features))
	for i, name := range features {
		order[i] = slices.Index(t.columns, name)
	}
	return order
}
