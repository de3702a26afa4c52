package evaluate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	pathModels      = "/v1/models"
	pathCompletions = "/v1/completions"
	// completionsNeeded of a server that a language model is evaluated at.
	completionsNeeded = "a language model is evaluated by the log probabilities of its prompts, which POST " + pathCompletions +
		" gives with echo, max_tokens 0 and logprobs 1; choose a runtime that does so, such as vLLM"
	// roundedUp is how far above 0 a log probability may be by rounding.
	roundedUp = 1e-3
)

// completion is a request of the protocol. The prompts come back with their tokens' log probabilities, and nothing is
// written after them. Temperature 0 keeps a server from scaling or cutting off probabilities by defaults of its own.
type completion struct {
	Model       string   `json:"model"`
	Prompt      []string `json:"prompt"`
	Echo        bool     `json:"echo"`
	MaxTokens   int      `json:"max_tokens"`
	Logprobs    int      `json:"logprobs"`
	Temperature float64  `json:"temperature"`
}

// completed is a response of the protocol.
type completed struct {
	Choices []choice `json:"choices"`
}

// choice is what became of one prompt.
type choice struct {
	Index    int    `json:"index"`
	Text     string `json:"text"`
	Logprobs *struct {
		Tokens   []string   `json:"tokens"`
		Logprobs []*float64 `json:"token_logprobs"`
	} `json:"logprobs"`
}

// likelihood is how likely a model finds a text.
type likelihood struct {
	// logp is the natural logarithm of the probability of the text after its first token.
	logp float64
	// first is the token that has no probability, as nothing goes before it: the beginning of the text, or a sign for it that
	// is no part of it. It is empty where every token has one.
	first string
	// tokens that have a probability.
	tokens int
}

// bytes of a text that have a probability. They are not summed over the tokens, since a character that spans several of
// them is in none; of a first token that is such a part none are taken off.
func (l likelihood) bytes(text string) int { return len(strings.TrimPrefix(text, l.first)) }

// completer is a server of the OpenAI protocol that is asked for one model.
type completer struct {
	server
	name string
}

// meet waits until the server lists its models, and checks that it has the one.
func (s *completer) meet(ctx context.Context) error {
	text, err := s.await(ctx, pathModels)
	switch {
	case codeOf(err) == http.StatusNotFound:
		return wrong("%v at %s, so it does not speak the protocol %s; choose a runtime that does, or write the protocol that it speaks", err, pathModels, OpenAI)
	case err != nil:
		return err
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("reading the list of models: %w", err)
	}
	names := make([]string, len(list.Data))
	for i, model := range list.Data {
		names[i] = model.ID
	}
	if !slices.Contains(names, s.name) {
		return wrong("the server lists the %s %s and not %q; have its runtime serve the model by that name, as vLLM does with --served-model-name={model}",
			plural(len(names), "model"), quoted(names), s.name)
	}
	return nil
}

// score asks how likely the model finds each of some texts.
func (s *completer) score(ctx context.Context, texts []string) ([]likelihood, error) {
	body, err := json.Marshal(completion{Model: s.name, Prompt: texts, Echo: true, Logprobs: 1})
	if err != nil {
		return nil, fmt.Errorf("writing the question: %w", err)
	}
	answer, err := s.ask(ctx, http.MethodPost, pathCompletions, body)
	if err != nil {
		return nil, final(err)
	}
	var done completed
	if err := json.Unmarshal(answer, &done); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return done.likelihoods(texts)
}

// final tells a server that refuses such questions, or these, from one that may answer them another time.
func final(err error) error {
	switch code := codeOf(err); code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return err
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return wrong("%v; %s", err, completionsNeeded)
	default:
		if code >= 400 && code < 500 {
			return wrong("%v", err)
		}
		return err
	}
}

// likelihoods puts the choices in the order of the texts.
func (c completed) likelihoods(texts []string) ([]likelihood, error) {
	if len(c.Choices) != len(texts) {
		return nil, fmt.Errorf("the answer has %d choices for %d prompts", len(c.Choices), len(texts))
	}
	all := make([]likelihood, len(texts))
	seen := make([]bool, len(texts))
	for _, choice := range c.Choices {
		at := choice.Index
		if at < 0 || at >= len(texts) || seen[at] {
			return nil, fmt.Errorf("the answer's choices are not numbered from 0 to %d", len(texts)-1)
		}
		l, err := choice.likelihood(texts[at])
		if err != nil {
			return nil, err
		}
		all[at], seen[at] = l, true
	}
	return all, nil
}

// likelihood sums the log probabilities of a prompt's tokens. What a server wrote of its own accord, in place of the prompt
// or after it, is never taken for them.
func (c choice) likelihood(prompt string) (likelihood, error) {
	p := c.Logprobs
	echoed, asked := strings.TrimLeft(c.Text, " "), strings.TrimLeft(prompt, " ") // some tokenizers add or drop a space there
	switch {
	case p == nil || len(p.Tokens) == 0:
		return likelihood{}, wrong("the server gave no log probabilities; %s", completionsNeeded)
	case echoed != asked && strings.HasPrefix(echoed, asked):
		return likelihood{}, wrong("the server wrote on after a prompt, though asked for no token; %s", completionsNeeded)
	case echoed != asked:
		return likelihood{}, wrong("the server answered %q and did not give the prompt back; %s", short(c.Text), completionsNeeded)
	case len(p.Tokens) != len(p.Logprobs):
		return likelihood{}, fmt.Errorf("the answer has %d tokens and %d log probabilities", len(p.Tokens), len(p.Logprobs))
	}
	var l likelihood
	for i, logp := range p.Logprobs {
		switch {
		case logp == nil && i == 0:
			l.first = p.Tokens[0]
		case logp == nil:
			return likelihood{}, wrong("the server gave token %d of a prompt no log probability; %s", i+1, completionsNeeded)
		case *logp > roundedUp:
			return likelihood{}, wrong("the server gave token %d of a prompt the log probability %g, which is above 0; %s", i+1, *logp, completionsNeeded)
		default:
			l.logp += *logp
			l.tokens++
		}
	}
	return l, nil
}
