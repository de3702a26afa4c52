package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// maxRows of one request.
const maxRows = 1024

// inputError is a request that its client must write differently.
type inputError struct{ says string }

func (e inputError) Error() string { return e.says }

func wrong(format string, args ...any) error { return inputError{fmt.Sprintf(format, args...)} }

// request is what a client sends: rows, or one case by feature name.
type request struct {
	rows  [][]float64
	named map[string]*float64
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
	switch {
	case err != nil:
		return noNumbers(err)
	case len(r.rows) == 0 && len(r.named) == 0:
		return wrong("inputs: write at least one row of numbers, or one number by feature name")
	case len(r.rows) > maxRows:
		return wrong("inputs: write at most %d rows at a time, not %d", maxRows, len(r.rows))
	case r.rows != nil && bytes.Contains(envelope.Inputs, []byte("null")):
		return wrong("inputs: write numbers only; a value is null") // encoding/json would make a 0 of it
	}
	return nil
}

// noNumbers is the sentence for inputs that are JSON but no numbers.
func noNumbers(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &kind) || kind.Type.Kind() != reflect.Float64:
		return wrong("inputs: write rows of numbers such as [[1, 2, 3]], or numbers by feature name")
	case strings.HasPrefix(kind.Value, "number "):
		return wrong("inputs: %s is too large", kind.Value)
	default:
		return wrong("inputs: write numbers only; a value is of the type %s", kind.Value)
	}
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
	if width == 0 {
		return nil, wrong("inputs[0]: write at least one number")
	}
	for i, row := range r.rows {
		if len(row) != width {
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
		if value := r.named[name]; value != nil {
			row[i] = *value
		} else {
			missing = append(missing, name)
		}
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
