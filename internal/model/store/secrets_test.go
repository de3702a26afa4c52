package store_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suoke-life/suoke/internal/model/store"
	"github.com/suoke-life/suoke/test/indiscreet"
)

func TestWhatARegistrySaysOfASecretIsNotPassedOn(t *testing.T) {
	for name, proof := range map[string]store.Credentials{
		"a password": {Username: indiscreet.Username, Password: indiscreet.Password},
		"a token":    {Token: indiscreet.Token},
	} {
		options := quick()
		options.Credentials, options.Attempts = proof, 2
		p := start(t)
		for sentence := range indiscreet.Answers(p.host) {
			for verb, ask := range map[string]func() error{
				"resolved": func() error {
					_, err := store.Resolve(t.Context(), p.ref(t, "models/digits:v1"), options)
					return err
				},
				"pulled": func() error {
					_, err := store.Pull(t.Context(), p.ref(t, "models/digits:v1"), filepath.Join(t.TempDir(), "model"), options)
					return err
				},
			} {
				t.Run(name+" is told "+sentence+" and "+verb, func(t *testing.T) {
					p.step = indiscreet.Answers(p.host)[sentence]
					err := ask()
					if err == nil {
						t.Fatal("it was let in")
					}
					if said := indiscreet.Said(err.Error()); len(said) != 0 {
						t.Errorf("%v\nsays %q", err, said)
					}
					if !strings.Contains(err.Error(), p.host) {
						t.Errorf("%v\ndoes not say which registry", err)
					}
				})
			}
		}
	}
}

func TestAPushThatIsRefusedPassesNoSecretOn(t *testing.T) {
	p := start(t)
	options := quick()
	options.Credentials = store.Credentials{Username: indiscreet.Username, Password: indiscreet.Password}
	p.step = func(w http.ResponseWriter, r *http.Request) bool {
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Authorization") != "" {
			return false
		}
		return indiscreet.Answers(p.host)["what it was shown, in words of its own"](w, r)
	}
	_, err := store.Push(t.Context(), modelDir(t), p.ref(t, "models/digits:v1"), options)
	if err == nil || !strings.Contains(err.Error(), p.host+" refused it: 403 Forbidden, DENIED: who is Basic …") {
		t.Fatal(err)
	}
	if said := indiscreet.Said(err.Error()); len(said) != 0 {
		t.Errorf("%v\nsays %q", err, said)
	}
}

// What a registry says otherwise is what helps.
func TestWhatARegistrySaysInWordsIsPassedOn(t *testing.T) {
	p := start(t)
	options := quick()
	options.Credentials = store.Credentials{Username: "127", Password: indiscreet.Password}
	p.step = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors": [{"code": "DENIED", "message": "the quota of 127 is used up"}]}`))
		return true
	}
	_, err := store.Resolve(t.Context(), p.ref(t, "models/digits:v1"), options)
	if err == nil || !strings.HasSuffix(err.Error(), p.host+" answered 403 Forbidden, the quota of … is used up; it wants other credentials") {
		t.Error(err)
	}
}

// eavesdropper is a server that somebody else has; it notes who shows what.
func eavesdropper(t *testing.T, answer http.HandlerFunc) (host string, heard func() []string) {
	t.Helper()
	var mutex sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		all = append(all, r.Method+" "+r.Host+r.URL.Path+" "+r.Header.Get("Authorization"))
		mutex.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return all
	}
}

// through sends what is for a host to a server, as its name would.
type through struct{ to map[string]string }

func (d through) RoundTrip(r *http.Request) (*http.Response, error) {
	if to := d.to[r.URL.Host]; to != "" {
		r = r.Clone(r.Context())
		r.Host, r.URL.Host = r.URL.Host, to
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestCredentialsAreNotSentInPlainTextToOthers(t *testing.T) {
	const says = "credentials are sent in plain HTTP only to loopback and to model-registry inside the cluster"
	there, heard := eavesdropper(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token": "x"}`)) })
	p := start(t)
	p.step = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://tokens.example.com/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	options := quick()
	options.Transport = through{map[string]string{
		"tokens.example.com": there, "models.example.com": there, "model-registry.example.com": there, "model-registry.suoke-life.svc:5000": p.host,
	}}
	options.Credentials = store.Credentials{Username: indiscreet.Username, Password: indiscreet.Password}
	for name, at := range map[string]string{
		"a registry of somebody's":                   "models.example.com/models/digits:v1",
		"one with a name like ours":                  "model-registry.example.com/models/digits:v1",
		"ours, with somebody's service of tokens":    "model-registry.suoke-life.svc:5000/models/digits:v1",
		"loopback, with somebody's service of token": p.host + "/models/digits:v1",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := store.Resolve(t.Context(), p.ref(t, at), options); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v\nwant it to say %q", err, says)
			}
		})
	}
	for _, each := range heard() {
		t.Errorf("heard %s", each)
	}
	options.Credentials = store.Credentials{}
	if _, err := store.Resolve(t.Context(), p.ref(t, "models.example.com/models/digits:v1"), options); err == nil || strings.Contains(err.Error(), says) || len(heard()) == 0 {
		t.Errorf("asked without credentials: %v", err)
	}
}

// A proxy is not told what goes to the system's own registry. Go reads its address once, so another process asks.
func TestAProxyIsNotShownCredentialsOfOurRegistry(t *testing.T) {
	const asks = "SUOKE_TEST_ASKS_OUR_REGISTRY"
	if os.Getenv(asks) != "" {
		options := quick()
		options.Attempts, options.Credentials = 1, store.Credentials{Token: indiscreet.Token}
		for _, host := range []string{"model-registry.suoke-life.svc:5000", "models.example.com"} {
			options.PlainHTTP = host != "models.example.com"
			_ = store.Ping(t.Context(), host, options) // whatever comes of it
		}
		return
	}
	proxy, heard := eavesdropper(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), asks+"=yes", "HTTP_PROXY=http://"+proxy, "HTTPS_PROXY=http://"+proxy, "NO_PROXY=")
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := strings.Join(heard(), "\n")
	if strings.Contains(all, "model-registry") || !strings.Contains(all, "CONNECT models.example.com:443") {
		t.Errorf("the proxy heard\n%s", all)
	}
}
