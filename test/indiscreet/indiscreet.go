// Package indiscreet answers as registries do, and services of tokens, that say again what they were shown or what they
// gave. It promises that each of its answers has a secret in it; whoever asks must not pass that on.
package indiscreet

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// What is secret: what a registry is shown, and what it gives for that.
const (
	Username = "somebody-of-ours"
	Password = `open "sesame" & close` //nolint:gosec // it opens nothing
	Token    = "token-of-ours"

	issued  = "issued-for-an-hour"
	refresh = "to-come-again-with"
)

// Answer may answer in a registry's place; it says whether it did.
type Answer func(w http.ResponseWriter, r *http.Request) bool

// Answers are those of registries at a host, of which none lets anybody resolve a model.
func Answers(host string) map[string]Answer {
	document := fmt.Sprintf(`{"refresh_token": %q, "expires_in": 60}`, refresh)
	return map[string]Answer{
		"a token to come again with in place of one":   tokens(host, http.StatusOK, document),
		"a token, and later one to come again with":    later(tokens(host, http.StatusOK, fmt.Sprintf(`{"token": %q}`, issued)), tokens(host, http.StatusOK, document)),
		"a token that is no JSON":                      tokens(host, http.StatusOK, refresh),
		"a refusal with a token in it":                 tokens(host, http.StatusForbidden, document),
		"what it was shown, in words of its own":       shown(echoes),
		"the token that it gave, in words of its own":  given(host),
		"what it was shown, in its status line":        shown(raw("HTTP/1.1 403 %s\r\nContent-Length: 0\r\n\r\n")),
		"what it was shown, where there should be one": shown(raw("%s\r\n\r\n")),
		"what it was shown, as a kind of artifact": models("/manifests/", http.StatusOK, func(words string) any {
			return map[string]string{"artifactType": words}
		}),
		"what it was shown, as a tag": later(
			models("/manifests/", http.StatusNotFound, func(string) any { return nil }),
			models("/tags/list", http.StatusOK, func(words string) any { return map[string]any{"tags": []string{words}} }),
		),
	}
}

// Said are the secrets that are in a text.
func Said(text string) []string {
	var all []string
	for _, secret := range []string{Username, Password, "sesame", Token, issued, refresh, basic} {
		if strings.Contains(text, secret) {
			all = append(all, secret)
		}
	}
	return all
}

// basic is Username and Password as they are sent.
const basic = "c29tZWJvZHktb2Ytb3VyczpvcGVuICJzZXNhbWUiICYgY2xvc2U="

// words are what a request shows, in each form.
func words(r *http.Request) string {
	name, password, _ := r.BasicAuth()
	return strings.Join([]string{r.Header.Get("Authorization"), name, password}, " ")
}

func challenge(w http.ResponseWriter, text string) bool {
	w.Header().Set("WWW-Authenticate", text)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

// shown asks for credentials and answers once it has them.
func shown(then func(w http.ResponseWriter, r *http.Request)) Answer {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" {
			return challenge(w, `Basic realm="x"`)
		}
		then(w, r)
		return true
	}
}

func echoes(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": "DENIED", "message": "who is " + words(r) + "?"}}})
}

// raw answers past HTTP.
func raw(format string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err) // the servers of tests are HTTP/1
		}
		_, _ = fmt.Fprintf(connection, format, words(r))
		_ = connection.Close()
	}
}

// tokens asks for a token and answers so whoever asks for one.
func tokens(host string, status int, body string) Answer {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/token" {
			return challenge(w, fmt.Sprintf(`Bearer realm="http://%s/token",service="x"`, host))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// later answers by first, and by second if that is for it, or was asked for a token before.
func later(first, second Answer) Answer {
	var asked atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") || r.URL.Path == "/token" && asked.Swap(true) {
			return second(w, r)
		}
		return first(w, r)
	}
}

// given gives a token and says it once it is shown.
func given(host string) Answer {
	gives := tokens(host, http.StatusOK, fmt.Sprintf(`{"token": %q}`, issued))
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" || r.Header.Get("Authorization") == "" {
			return gives(w, r)
		}
		echoes(w, r)
		return true
	}
}

// models answers about models, and leaves the rest to a registry that is as it should be.
func models(about string, status int, document func(words string) any) Answer {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" {
			return challenge(w, `Basic realm="x"`)
		}
		if !strings.Contains(r.URL.Path, about) {
			return false
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(document(words(r)))
		return true
	}
}
