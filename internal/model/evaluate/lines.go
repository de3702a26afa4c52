package evaluate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxText is the longest text that the likelihood is asked of, in bytes, and maxBatchText the most that is asked at once.
	maxText      = 16 << 10
	maxBatchText = 16 << 10
	// maxAsked is the most text that is asked in all, in bytes: a prompt counts once for each label.
	maxAsked = MaxDataset
	// maxLabels of labelled prompts.
	maxLabels = 100
	// maxLine is the longest line, in bytes; JSON may write a byte as six.
	maxLine = 16 * maxText

	linesForm = `write {"prompt": "…", "label": "…"} or {"text": "…"}`
)

// passage is a text whose likelihood is asked, and the line of the data set that it comes from.
type passage struct {
	line int
	text string
}

// lines is a data set for a language model: labelled prompts, and text that it has not learnt from.
type lines struct {
	// labels are the classes, in their own order; right is the index of each labelled prompt's.
	labels []string
	right  []int
	// texts is how many there are.
	texts int
	// passages are each labelled prompt followed by each label, and then the texts.
	passages []passage
}

func (d *lines) rows() int { return len(d.right) + d.texts }

// batch is how many passages are asked at once, from one on.
func (d *lines) batch(first int) int {
	rows, size := 1, len(d.passages[first].text)
	for ; rows < batchRows && first+rows < len(d.passages); rows++ {
		if size += len(d.passages[first+rows].text); size > maxBatchText {
			break
		}
	}
	return rows
}

// entry is one line of the file.
type entry struct {
	Prompt *string `json:"prompt"`
	Label  *string `json:"label"`
	Text   *string `json:"text"`
}

// readLines reads JSON lines, each a labelled prompt or a text.
func readLines(from io.Reader) (*lines, error) {
	limited := &io.LimitedReader{R: from, N: MaxDataset + 1}
	var prompts, labels, texts []passage
	in := bufio.NewScanner(limited)
	in.Buffer(nil, maxLine)
	number := 0
	for in.Scan() {
		number++
		line := bytes.TrimSpace(bytes.TrimPrefix(in.Bytes(), []byte("\uFEFF"))) // which some editors write before UTF-8
		if len(line) == 0 {
			continue
		}
		e, err := readEntry(line)
		if err != nil {
			return nil, wrong("the data set: line %d, %v", number, err)
		}
		if e.Text != nil {
			texts = append(texts, passage{number, *e.Text})
		} else {
			prompts, labels = append(prompts, passage{number, *e.Prompt}), append(labels, passage{number, *e.Label})
		}
		if len(prompts)+len(texts) > maxRows {
			return nil, wrong("the data set has more than the %d lines that are evaluated; write fewer", maxRows)
		}
	}
	switch err := in.Err(); {
	case limited.N <= 0:
		return nil, wrong("the data set is larger than %d bytes; write fewer lines", MaxDataset)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, wrong("the data set: line %d is longer than %d bytes; %s", number+1, maxLine, linesForm)
	case err != nil:
		return nil, unread(err)
	}
	return arrange(prompts, labels, texts)
}

// readEntry reads one line, and says what is wrong with it.
func readEntry(line []byte) (entry, error) {
	var e entry
	err := json.Unmarshal(line, &e)
	mistyped, isMistyped := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case isMistyped && mistyped.Field != "":
		return entry{}, fmt.Errorf("%q: write text in quotation marks, not a %s", mistyped.Field, mistyped.Value)
	case err != nil || !utf8.Valid(line):
		return entry{}, fmt.Errorf("which is no JSON object or was cut off: %s", linesForm)
	case e.Text != nil && (e.Prompt != nil || e.Label != nil):
		return entry{}, fmt.Errorf("which has a text and a prompt or label: %s, each on a line of its own", linesForm)
	case e.Text == nil && (e.Prompt == nil || e.Label == nil):
		return entry{}, fmt.Errorf("which lacks a prompt, a label or both: %s", linesForm)
	}
	for _, field := range []struct {
		name string
		text *string
	}{{"text", e.Text}, {"prompt", e.Prompt}, {"label", e.Label}} {
		if field.text != nil && *field.text == "" {
			return entry{}, fmt.Errorf("%q: write at least one character", field.name)
		}
	}
	return e, nil
}

// arrange lists what is to be asked, and holds it against what an evaluation may ask.
func arrange(prompts, labels, texts []passage) (*lines, error) {
	if len(prompts)+len(texts) == 0 {
		return nil, wrong("the data set is empty; %s on each line", linesForm)
	}
	d := &lines{texts: len(texts)}
	for _, label := range labels {
		d.labels = append(d.labels, label.text)
	}
	slices.Sort(d.labels)
	d.labels = slices.Compact(d.labels)
	if err := checkLabels(d.labels); err != nil {
		return nil, err
	}
	if n := len(prompts)*len(d.labels) + len(texts); n > maxRows {
		return nil, wrong("the data set asks for the likelihood of %d texts, as each prompt is asked with each of the %d labels; write so few lines that it is %d at most",
			n, len(d.labels), maxRows)
	}
	for i, prompt := range prompts {
		d.right = append(d.right, slices.Index(d.labels, labels[i].text))
		for _, label := range d.labels {
			d.passages = append(d.passages, passage{prompt.line, prompt.text + label})
		}
	}
	d.passages = append(d.passages, texts...)
	size := 0
	for _, p := range d.passages {
		if len(p.text) > maxText {
			return nil, wrong("the data set: line %d, which has %d bytes to be asked at once: write at most %d, and a longer text on several lines", p.line, len(p.text), maxText)
		}
		if size += len(p.text); size > maxAsked {
			return nil, wrong("the data set asks for the likelihood of more than %d bytes, counting each prompt once for each label; write fewer lines", maxAsked)
		}
	}
	return d, nil
}

// checkLabels says why labels cannot be told apart by likelihood. Of two labels one of which begins with the other, the
// shorter is always at least as likely.
func checkLabels(labels []string) error {
	switch {
	case len(labels) == 1:
		return wrong("the data set has the label %q only; write prompts of at least two labels", short(labels[0]))
	case len(labels) > maxLabels:
		return wrong("the data set has %d labels; write prompts of at most %d", len(labels), maxLabels)
	}
	for i := 1; i < len(labels); i++ { // in order, a label stands right before one that begins with it
		if strings.HasPrefix(labels[i], labels[i-1]) {
			return wrong("the data set has the labels %q and %q, of which the first is always the likelier; end each label with the same sign, such as a full stop",
				short(labels[i-1]), short(labels[i]))
		}
	}
	return nil
}
