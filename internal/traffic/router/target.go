package router

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// The actions of a target.
const (
	actionMetadata = ""
	actionReady    = "ready"
	actionInfer    = "infer"
	actionStream   = "infer_stream"
)

// The prefixes of the two protocols: the Open Inference Protocol, and the one that language models speak.
const (
	openInference = "/v2/models/"
	openAI        = "/v1/"
)

// target is what a request asks for.
type target struct {
	// model is empty where the body names it.
	model, version, action string
}

// infers says whether the target computes something: its outcome counts for the version.
func (t target) infers() bool { return t.action == actionInfer || t.action == actionStream }

// parse reads what a request asks for from its path, and from the host that it was sent to.
func parse(in *http.Request, namespace string) (target, error) {
	if rest, is := strings.CutPrefix(in.URL.Path, openInference); is {
		return parseInference(in.Method, rest)
	}
	switch in.URL.Path {
	case openAI + "chat/completions", openAI + "completions", openAI + "embeddings":
		if in.Method != http.MethodPost {
			return target{}, refusal{http.StatusMethodNotAllowed, "use POST to ask a model"}
		}
		return target{model: modelOfHost(in.Host, namespace), action: actionInfer}, nil
	}
	return target{}, refusal{http.StatusNotFound, "ask for /v2/models/<model>/infer, or for /v1/chat/completions with a model in the body"}
}

// parseInference reads <model>[/versions/<version>][/ready|/infer|/infer_stream].
func parseInference(method, rest string) (target, error) {
	var t target
	t.model, rest, _ = strings.Cut(rest, "/")
	if t.model == "" {
		return target{}, refusal{http.StatusNotFound, "ask for /v2/models/<model>/infer"}
	}
	if pinned, is := strings.CutPrefix(rest, "versions/"); is {
		t.version, rest, _ = strings.Cut(pinned, "/")
	}
	t.action = rest
	switch {
	case t.infers() && t.version != "":
		return target{}, refusal{http.StatusBadRequest, fmt.Sprintf("ask /v2/models/%s/%s; the route chooses the version", t.model, t.action)}
	case t.infers() && method != http.MethodPost:
		return target{}, refusal{http.StatusMethodNotAllowed, "use POST to infer"}
	case t.infers():
		return t, nil
	case t.action != actionMetadata && t.action != actionReady:
		return target{}, refusal{http.StatusNotFound, fmt.Sprintf("models have no %q: ask for /v2/models/%s/infer", t.action, t.model)}
	case method != http.MethodGet && method != http.MethodHead:
		return target{}, refusal{http.StatusMethodNotAllowed, "use GET for a model's metadata"}
	}
	return t, nil
}

// modelOfHost returns the model of <model>.<namespace>.svc, with or without a cluster's domain and a port, or "".
func modelOfHost(host, namespace string) string {
	model, rest, _ := strings.Cut(host, ".")
	rest, _, _ = strings.Cut(rest, ":")
	domain := namespace + ".svc"
	if namespace != "" && (rest == domain || strings.HasPrefix(rest, domain+".")) {
		return model
	}
	return ""
}

// modelOfBody returns the model that a request's body names.
func modelOfBody(body payload, namespace string) (string, error) {
	switch {
	case body.unbuffered == "body":
		return "", refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf(
			"the body is larger than %d bytes, and the model is looked for in it; name the model by the Host header: <model>.%s.svc", shieldedBody, namespace)}
	case body.unbuffered != "":
		return "", refusal{http.StatusTooManyRequests, "too many bodies are being read; ask again in a second"}
	}
	var named struct {
		Model string `json:"model"`
	}
	if err := json.Unmarshal(body.data, &named); err != nil || named.Model == "" {
		return "", refusal{http.StatusBadRequest, `write JSON that names the model, such as {"model": "xiaoai-llm-model", …}`}
	}
	return named.Model, nil
}
