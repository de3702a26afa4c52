package evaluate_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
)

// repeater is a language model whose probabilities are known: a bigram over a vocabulary of 33 tokens, of which the next is
// the same again with one probability, and each of the 32 others with an equal share of the rest. With a half, a token again
// is one bit, and another six. Tokens are characters, but for the pairs, which are one token wherever they stand.
type repeater struct {
	name  string
	again float64
	pairs []string
	// begin is a token before every text; without it the first has no probability.
	begin string
	// spoil changes an answer to what a server might give that is no good.
	spoil func(*answer)
}

const vocabulary = 33

// answer is a response of the protocol, as a server writes it.
type answer struct {
	Object  string         `json:"object"`
	Choices []answerChoice `json:"choices"`
}

type answerChoice struct {
	Index    int       `json:"index"`
	Text     string    `json:"text"`
	Logprobs *logprobs `json:"logprobs"`
}

type logprobs struct {
	Tokens        []string   `json:"tokens"`
	TokenLogprobs []*float64 `json:"token_logprobs"`
}

func (m repeater) tokens(text string) []string {
	var all []string
	if m.begin != "" {
		all = append(all, m.begin)
	}
	for text != "" {
		token := string([]rune(text)[:1])
		for _, pair := range m.pairs {
			if strings.HasPrefix(text, pair) {
				token = pair
			}
		}
		all, text = append(all, token), text[len(token):]
	}
	return all
}

// logprobs are those of the tokens of a text.
func (m repeater) logprobs(text string) *logprobs {
	l := &logprobs{Tokens: m.tokens(text)}
	for i, token := range l.Tokens {
		switch {
		case i == 0:
			l.TokenLogprobs = append(l.TokenLogprobs, nil)
		case m.begin != "" && i == 1:
			l.TokenLogprobs = append(l.TokenLogprobs, new(-math.Log(vocabulary)))
		case token == l.Tokens[i-1]:
			l.TokenLogprobs = append(l.TokenLogprobs, new(math.Log(m.again)))
		default:
			l.TokenLogprobs = append(l.TokenLogprobs, new(math.Log((1-m.again)/(vocabulary-1))))
		}
	}
	return l
}

// ServeHTTP answers as vLLM does, where it is asked for nothing but what a prompt's tokens are worth.
func (m repeater) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, says string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": says, "type": "BadRequestError", "code": code}})
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/models":
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": []map[string]string{{"id": "other"}, {"id": m.name}}})
	case "POST /v1/completions":
		var q struct {
			Model     string   `json:"model"`
			Prompt    []string `json:"prompt"`
			Echo      bool     `json:"echo"`
			MaxTokens *int     `json:"max_tokens"`
			Logprobs  *int     `json:"logprobs"`
		}
		switch err := json.NewDecoder(r.Body).Decode(&q); {
		case err != nil:
			refuse(http.StatusBadRequest, err.Error())
			return
		case q.Model != m.name:
			refuse(http.StatusNotFound, "The model does not exist.")
			return
		case !q.Echo || q.MaxTokens == nil || *q.MaxTokens != 0 || q.Logprobs == nil || *q.Logprobs != 1:
			refuse(http.StatusBadRequest, "this model writes nothing")
			return
		}
		a := answer{Object: "text_completion"}
		for i, prompt := range q.Prompt {
			a.Choices = append(a.Choices, answerChoice{i, prompt, m.logprobs(prompt)})
		}
		if m.spoil != nil {
			m.spoil(&a)
		}
		_ = json.NewEncoder(w).Encode(a)
	default:
		refuse(http.StatusNotFound, "Not Found")
	}
}
