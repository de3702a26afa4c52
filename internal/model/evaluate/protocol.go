package evaluate

import "fmt"

// Protocol is how a model server is asked.
type Protocol string

// The protocols that can be asked over.
const (
	// OIP is the Open Inference Protocol v2: rows of numbers in, numbers out.
	OIP Protocol = "oip"
	// OpenAI is the API of OpenAI: text in, text and log probabilities out.
	OpenAI Protocol = "openai"
)

// ParseProtocol reads the name of a protocol; none is OIP.
func ParseProtocol(text string) (Protocol, error) {
	switch protocol := Protocol(text); protocol {
	case "":
		return OIP, nil
	case OIP, OpenAI:
		return protocol, nil
	default:
		return "", wrong("protocol %q: write %s or %s", text, OIP, OpenAI)
	}
}

// Suits says why a task cannot be evaluated over a protocol, and what to choose in place of it.
func Suits(task Task, protocol Protocol) error {
	needed := OIP
	if task == Language {
		needed = OpenAI
	}
	if protocol == needed {
		return nil
	}
	if needed == OpenAI {
		return wrong("%s is evaluated over the protocol %s, which gives the log probabilities of a text, and not over %s; choose a runtime of protocol %s",
			task.model(), needed, protocol, needed)
	}
	return wrong("%s is evaluated over the protocol %s, on rows of numbers, and not over %s; choose a runtime of protocol %s, "+
		"or modelType llm with a data set of labelled prompts", task.model(), needed, protocol, needed)
}

// model is what a model that does the task is called.
func (t Task) model() string {
	if t == Language {
		return "a language model"
	}
	return fmt.Sprintf("a %s", t)
}
