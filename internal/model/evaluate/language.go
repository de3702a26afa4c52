package evaluate

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
)

// runLanguage asks how likely the model finds the passages of the data set, and measures that.
func (c Config) runLanguage(ctx context.Context, client *http.Client) (Result, error) {
	candidate, err := c.meetCompleter(ctx, client, c.Endpoint, ofCandidate)
	if err != nil {
		return Result{}, c.candidate(err)
	}
	d, err := readLines(c.Rows)
	if err != nil {
		return Result{}, err
	}
	own, ask := &judgements{lines: d, completer: candidate}, (func(context.Context, int, int) error)(nil)
	others := &judgements{lines: d}
	if c.StableEndpoint != "" {
		if others.completer, err = c.meetCompleter(ctx, client, c.StableEndpoint, ofStable); err != nil {
			c.leftOut(ctx, err.Error())
		} else {
			ask = others.ask
		}
	}
	compared, err := c.interview(ctx, questions{total: len(d.passages), unit: "passages", batch: d.batch}, own.ask, ask)
	if err != nil {
		return Result{}, c.candidate(err)
	}
	if !compared {
		others = nil
	}
	return c.measuredLanguage(own, others)
}

func (c Config) meetCompleter(ctx context.Context, client *http.Client, endpoint string, with patience) (*completer, error) {
	if err := checkAddress(endpoint, c.Model); err != nil {
		return nil, err
	}
	s := &completer{server{strings.TrimSuffix(endpoint, "/"), completedWithin, with, client, c.Log}, c.Model}
	return s, s.meet(ctx)
}

// judgements are the likelihoods that one version gave to the passages.
type judgements struct {
	*lines

	completer *completer
	all       []likelihood
}

// ask asks the next passages. Those of one prompt must begin with the same token, as its probability is not known.
func (j *judgements) ask(ctx context.Context, first, rows int) error {
	asked := j.passages[first : first+rows]
	texts := make([]string, rows)
	for i, p := range asked {
		texts[i] = p.text
	}
	given, err := j.completer.score(ctx, texts)
	if err != nil {
		return fmt.Errorf("lines %d to %d: %w", asked[0].line, asked[rows-1].line, err)
	}
	for i, l := range given {
		p := asked[i]
		if l.tokens == 0 {
			return wrong("the data set: line %d, in which the model sees one token only, %q, and nothing before it: write a longer text", p.line, short(p.text))
		}
		if at := first + i; at > 0 && j.passages[at-1].line == p.line && j.all[at-1].first != l.first {
			return wrong("the data set: line %d, whose prompt is so short that the labels change its first token: write a longer prompt", p.line)
		}
		j.all = append(j.all, l)
	}
	return nil
}

// answers to the labelled prompts: the label that makes prompt and label together the likeliest. The probability of the
// prompt is a factor of each, so this is the label that is likeliest after the prompt; but it also holds where a token
// spans the end of the prompt and the beginning of the label.
func (j *judgements) answers() []int {
	answers := make([]int, len(j.right))
	of := make([]float64, len(j.labels))
	for i := range answers {
		for k := range of {
			of[k] = j.all[i*len(of)+k].logp
		}
		answers[i] = likeliest(of)
	}
	return answers
}

// bits that the version needs for each of the texts, and the bytes that they tell.
func (j *judgements) bits() (bits, bytes []float64) {
	for at := len(j.passages) - j.texts; at < len(j.passages); at++ {
		bits = append(bits, -j.all[at].logp/math.Ln2)
		bytes = append(bytes, float64(j.all[at].bytes(j.passages[at].text)))
	}
	return bits, bytes
}

// measuredLanguage is the result of what the versions said; stable is nil where it is not compared with. They are compared
// on the labelled prompts and on the texts, as far as there are any.
func (c Config) measuredLanguage(own, stable *judgements) (Result, error) {
	r := Result{Task: Language, Version: c.Version, Rows: own.rows(), Texts: own.texts, Intervals: map[string]Interval{}}
	if len(own.right) > 0 {
		if err := r.add(Classes(own.right, own.answers(), len(own.labels))); err != nil {
			return Result{}, err
		}
	}
	bits, bytes := own.bits()
	if own.texts > 0 {
		if err := r.add(Bits(bits, bytes)); err != nil {
			return Result{}, err
		}
	}
	if stable == nil {
		return r, nil
	}
	stableBits, stableBytes := stable.bits()
	byBits := compareBits(rates(bits, bytes), rates(stableBits, stableBytes))
	r.Comparison = &byBits
	if len(own.right) > 0 {
		byBits.Texts = true
		r.Comparison = new(compareClasses(own.right, own.answers(), stable.answers()))
		if r.mixed() {
			r.Comparison = new(worst(*r.Comparison, byBits))
		}
	}
	r.Comparison.Version = c.StableVersion
	return r, nil
}

// rates are the bits per byte of each text.
func rates(bits, bytes []float64) []float64 {
	all := make([]float64, len(bits))
	for i := range bits {
		all[i] = bits[i] / bytes[i]
	}
	return all
}
