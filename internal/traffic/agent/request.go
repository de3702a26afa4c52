package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxRows of one request.
const maxRows = 1024

// errInput is a request that its client must write differently.
type errInput struct{ says string }

func (e errInput) Error() string { return e.says }

func wrong(format string, args ...any) error { return errInput{fmt.Sprintf(format, args...)} }

// request is what a client sends: rows, or one case by feature name.
type request struct {
	rows  [][]float64
	named map[string]float64
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *request) UnmarshalJSON(data []byte) error {
	var envelope struct {
		Inputs json.RawMessage `json:"inputs"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil || len(envelope.Inputs) == 0 {
		return wrong(`write {"inputs": [[1, 2, 3]]} with one row of numbers a case, or {"inputs": {"feature": 1}} for one case by name`)
	}
	var err error
	if envelope.Inputs[0] == '{' {
		err = json.Unmarshal(envelope.Inputs, &r.named)
	} else {
		err = json.Unmarshal(envelope.Inputs, &r.rows)
	}
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return wrong("inputs: write numbers only, not a %s", kind.Value)
	case err != nil:
		return wrong("inputs: write rows of numbers, or numbers by feature name")
	case len(r.rows) == 0 && len(r.named) == 0:
		return wrong("inputs: write at least one row of numbers, or one number by feature name")
	case len(r.rows) > maxRows:
		return wrong("inputs: write at most %d rows at a time, not %d", maxRows, len(r.rows))
	}
	return nil
}

// matrix returns the request's rows as the model's features want them.
func (r *request) matrix(names []string) ([][]float64, error) {
	if r.named != nil {
		row, err := r.ordered(names)
		return [][]float64{row}, err
	}
	width := len(names)
	if width == 0 {
		width = len(r.rows[0])
	}
	for i, row := range r.rows {
		if len(row) == 0 || len(row) != width {
			return nil, wrong("inputs[%d]: write %d numbers, not %d%s", i, width, len(row), named(names))
		}
	}
	return r.rows, nil
}

func (r *request) ordered(names []string) ([]float64, error) {
	if len(names) == 0 {
		return nil, wrong("inputs: the model does not name its features; write rows of numbers")
	}
	row := make([]float64, len(names))
	var missing []string
	for i, name := range names {
		value, found := r.named[name]
		if !found {
			missing = append(missing, name)
		}
		row[i] = value
	}
	if len(missing) > 0 {
		return nil, wrong("inputs: write a number for each of %s", shortened(missing))
	}
	for name := range r.named {
		if !slices.Contains(names, name) {
			return nil, wrong("inputs: the model has no feature %q%s", name, named(names))
		}
	}
	return row, nil
}

func named(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + shortened(names) + ")"
}

// shortened lists the first names and says how many more there are.
func shortened(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
