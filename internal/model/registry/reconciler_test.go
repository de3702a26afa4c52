package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/registry"
	"github.com/suoke-life/suoke/test/apiserver"
	"github.com/suoke-life/suoke/test/indiscreet"
)

var cluster *apiserver.Server

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { cluster = s }))
}

const patience = 30 * time.Second

// bench is a namespace with a reconciler that is called by hand, at a time that the test sets.
type bench struct {
	t         *testing.T
	namespace string
	now       time.Time
	log       *logged
	metrics   *prometheus.Registry
	told      *events.FakeRecorder
	*registry.Reconciler
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, namespace: cluster.Namespace(t), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), log: &logged{},
		metrics: prometheus.NewRegistry(), told: events.NewFakeRecorder(100),
	}
	b.Reconciler = &registry.Reconciler{
		Client: cluster.Client, Live: cluster.Client, Events: b.told, Metrics: registry.NewMetrics(b.metrics),
		Log: slog.New(slog.NewTextHandler(b.log, nil)), Now: func() time.Time { return b.now }, Attempts: 1,
	}
	return b
}

// logged is what was logged.
type logged struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write keeps a line.
func (l *logged) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

// take returns what was logged since it was last asked.
func (l *logged) take() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// at makes a ModelRegistry of an endpoint.
func (b *bench) at(endpoint string, change func(*suokev1.ModelRegistrySpec)) *suokev1.ModelRegistry {
	b.t.Helper()
	object := &suokev1.ModelRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: "central", Namespace: b.namespace},
		Spec:       suokev1.ModelRegistrySpec{Name: "suoke-central-registry", Endpoint: endpoint},
	}
	object.Spec.SyncPolicy.Interval.Duration, object.Spec.SyncPolicy.RetryPolicy.MaxRetries = time.Hour, 3
	if change != nil {
		change(&object.Spec)
	}
	create(b.t, object)
	return object
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := cluster.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// model makes an AIModel that comes from a URL.
func (b *bench) model(name, url string) {
	b.t.Helper()
	create(b.t, newModel(b.namespace, name, url))
}

func newModel(namespace, name, url string) *suokev1.AIModel {
	object := &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: suokev1.AIModelSpec{
			ModelName: name, Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification,
			Repository: suokev1.Repository{URL: url},
		},
	}
	object.Spec.Deployment.Replicas, object.Spec.Monitoring.MetricsPort, object.Spec.Monitoring.HealthCheckPath = 1, 8080, "/health"
	return object
}

// sync reconciles the registry and returns it as it is then, with the wait until the next time.
func (b *bench) sync() (*suokev1.ModelRegistry, time.Duration) {
	b.t.Helper()
	key := types.NamespacedName{Namespace: b.namespace, Name: "central"}
	result, err := b.Reconcile(b.t.Context(), ctrl.Request{NamespacedName: key})
	if err != nil {
		b.t.Fatal(err)
	}
	var object suokev1.ModelRegistry
	if err := cluster.Client.Get(b.t.Context(), key, &object); err != nil {
		b.t.Fatal(err)
	}
	return &object, result.RequeueAfter
}

// said are the events since it was last asked.
func (b *bench) said() []string {
	var all []string
	for {
		select {
		case e := <-b.told.Events:
			words := strings.Fields(e)
			all = append(all, words[0]+" "+words[1])
		default:
			return all
		}
	}
}

// is compares a condition and says where it differs.
func is(t *testing.T, object *suokev1.ModelRegistry, kind string, status metav1.ConditionStatus, reason, says string) {
	t.Helper()
	c := meta.FindStatusCondition(object.Status.Conditions, kind)
	if c == nil {
		t.Fatalf("no condition %s", kind)
	}
	if c.Status != status || c.Reason != reason || !strings.Contains(c.Message, says) || c.ObservedGeneration != object.Generation {
		t.Errorf("%s is %s, %s at %d: %s\nwant %s, %s: %s", kind, c.Status, c.Reason, c.ObservedGeneration, c.Message, status, reason, says)
	}
}

// guard lets only those in who show a header, and tells the others what it wants.
func (p *place) guard(challenge, authorization string) {
	p.between(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Authorization") != authorization {
			w.Header().Set("WWW-Authenticate", strings.ReplaceAll(challenge, "URL", p.http.URL))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// nowhere is an address on loopback where nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	return socket.Addr().String()
}

func TestModelsAreResolvedAndTheOthersNamed(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	p.push(model(t), "team/models/digits:v1")
	p.push(model(t), "team/models/letters:v2")
	b.at(p.http.URL+"/team", nil)
	b.model("digits", "oci://"+p.host()+"/team/models/digits")
	b.model("letters", "oci://"+p.host()+"/team/models/letters")
	b.model("elsewhere", "oci://"+p.host()+"/other/models/digits")
	named := newModel(b.namespace, "named", "oci://"+p.host()+"/other/models/digits")
	named.Spec.RegistryRef = "central"
	create(t, named)

	object, next := b.sync()
	is(t, object, suokev1.ConditionAccepted, metav1.ConditionTrue, suokev1.ReasonAccepted, "")
	is(t, object, suokev1.ConditionConnected, metav1.ConditionTrue, suokev1.ReasonConnected, "")
	status := object.Status
	if !status.Connected || status.ModelCount != 1 || !status.LastSync.Time.Equal(b.now) || status.ObservedGeneration != object.Generation {
		t.Errorf("%+v", status)
	}
	want := []string{"AIModel letters: ", "has no tag v1; it has v2", "AIModel named: ", "is not below the endpoint; write oci://" + p.host() + "/team/NAME"}
	if got := strings.Join(status.Errors, "\n"); len(status.Errors) != 2 || !inOrder(got, want) {
		t.Errorf("errors:\n%s\nwant %q", got, want)
	}
	if diff := cmp.Diff([]string{"Normal Accepted", "Normal Connected"}, b.said()); diff != "" {
		t.Error(diff)
	}
	if next != 5*time.Second {
		t.Errorf("what was not found is looked for again in %v", next)
	}
	if out := b.log.take(); !inOrder(out, []string{"level=WARN", "did not find every model", "registry=central", "found=1", "has no tag v1"}) {
		t.Errorf("logged %s", out)
	}

	p.push(model(t), "team/models/letters:v1")
	if err := cluster.Client.Delete(t.Context(), named); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(next)
	object, next = b.sync()
	if object.Status.ModelCount != 2 || len(object.Status.Errors) != 0 || next != time.Hour {
		t.Errorf("after the push: %+v, the next in %v", object.Status, next)
	}
	if told := b.said(); len(told) != 0 {
		t.Errorf("nothing changed but the models, and it told %v", told)
	}
	if got, err := gauge(b.metrics, "suoke_registry_models"); err != nil || got != 2 {
		t.Errorf("suoke_registry_models is %v, %v", got, err)
	}
}

func inOrder(text string, parts []string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

func gauge(from prometheus.Gatherer, name string) (float64, error) {
	families, err := from.Gather()
	for _, family := range families {
		if family.GetName() == name && len(family.GetMetric()) == 1 {
			return family.GetMetric()[0].GetGauge().GetValue(), err
		}
	}
	return -1, err
}

func TestCredentialsOpenARegistry(t *testing.T) {
	const token = "Bearer open-sesame"
	basic := "Basic bWU6c2VjcmV0" // me:secret
	for name, c := range map[string]struct {
		kind          suokev1.AuthenticationType
		challenge     string
		authorization string
		secret        map[string][]byte
		reason        string
		says          string
	}{
		"a name and password":              {suokev1.AuthenticationBasic, `Basic realm="x"`, basic, map[string][]byte{"username": []byte("me"), "password": []byte("secret\n")}, suokev1.ReasonConnected, "the endpoint answers"},
		"a wrong password":                 {suokev1.AuthenticationBasic, `Basic realm="x"`, basic, map[string][]byte{"username": []byte("me"), "password": []byte("guess")}, suokev1.ReasonRegistryUnreachable, "answered 401 Unauthorized; it wants other credentials than those of the Secret access"},
		"a token":                          {suokev1.AuthenticationToken, `Bearer realm="URL/token",service="x"`, token, map[string][]byte{"token": []byte("open-sesame")}, suokev1.ReasonConnected, "the endpoint answers"},
		"a wrong token":                    {suokev1.AuthenticationToken, `Bearer realm="URL/token",service="x"`, token, map[string][]byte{"token": []byte("guess")}, suokev1.ReasonRegistryUnreachable, "answered 401 Unauthorized; it wants other credentials than those of the Secret access"},
		"a token where a name is wanted":   {suokev1.AuthenticationBasic, `Basic realm="x"`, basic, map[string][]byte{"token": []byte("open-sesame")}, suokev1.ReasonSecretNotFound, "the Secret access has no key username"},
		"none at a registry that wants it": {suokev1.AuthenticationNone, `Basic realm="x"`, basic, nil, suokev1.ReasonRegistryUnreachable, "it wants other credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			p, b := newPlace(t), newBench(t)
			p.push(model(t), "models/digits:v1")
			p.guard(c.challenge, c.authorization)
			b.at(p.http.URL, func(spec *suokev1.ModelRegistrySpec) {
				spec.Authentication = suokev1.Authentication{Type: c.kind, SecretRef: &suokev1.SecretRef{Name: "access"}}
			})
			b.model("digits", "oci://"+p.host()+"/models/digits")
			if c.secret != nil {
				create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "access", Namespace: b.namespace}, Data: c.secret})
			}
			object, _ := b.sync()
			connected := c.reason == suokev1.ReasonConnected
			status := metav1.ConditionFalse
			if connected {
				status = metav1.ConditionTrue
			}
			is(t, object, suokev1.ConditionConnected, status, c.reason, c.says)
			if object.Status.Connected != connected || (object.Status.ModelCount == 1) != connected {
				t.Errorf("%+v", object.Status)
			}
			everything := fmt.Sprint(object.Status, b.log.take())
			for _, value := range c.secret {
				if secret := strings.TrimSpace(string(value)); secret != "me" && strings.Contains(everything, secret) {
					t.Errorf("it says the secret: %s", everything)
				}
			}
		})
	}
}

// A registry of somebody's may say again what it was shown. Status, events and log do not.
func TestWhatARegistrySaysOfASecretIsNotPassedOn(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "password", Namespace: b.namespace}, Data: map[string][]byte{
		"username": []byte(indiscreet.Username), "password": []byte(indiscreet.Password),
	}})
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "token", Namespace: b.namespace}, Data: map[string][]byte{"token": []byte(indiscreet.Token)}})
	b.model("digits", "oci://"+p.host()+"/models/digits")
	for secret, kind := range map[string]suokev1.AuthenticationType{"password": suokev1.AuthenticationBasic, "token": suokev1.AuthenticationToken} {
		for sentence, answer := range indiscreet.Answers(p.host()) {
			t.Run("a "+secret+" is told "+sentence, func(t *testing.T) {
				p.restart()
				p.between(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if !answer(w, r) {
						next.ServeHTTP(w, r)
					}
				})
				made := b.at(p.http.URL, func(spec *suokev1.ModelRegistrySpec) {
					spec.Authentication = suokev1.Authentication{Type: kind, SecretRef: &suokev1.SecretRef{Name: secret}}
				})
				object, _ := b.sync()
				var everything strings.Builder
				fmt.Fprintf(&everything, "%+v\n%s", object.Status, b.log.take())
				for len(b.told.Events) > 0 {
					everything.WriteString(<-b.told.Events)
				}
				if object.Status.ModelCount != 0 || len(object.Status.Errors) == 0 {
					t.Errorf("it found models: %s", everything.String())
				}
				if said := indiscreet.Said(everything.String()); len(said) != 0 {
					t.Errorf("%s\nsays %q", everything.String(), said)
				}
				if err := cluster.Client.Delete(t.Context(), made); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestASecretThatIsMissingIsWaitedFor(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	p.guard(`Basic realm="x"`, "Basic bWU6c2VjcmV0")
	b.at(p.http.URL, func(spec *suokev1.ModelRegistrySpec) {
		spec.Authentication = suokev1.Authentication{Type: suokev1.AuthenticationBasic, SecretRef: &suokev1.SecretRef{Name: "access"}}
	})
	object, next := b.sync()
	says := "there is no Secret access; write kubectl create secret generic access -n " + b.namespace + " --from-literal=username=… --from-literal=password=…"
	is(t, object, suokev1.ConditionAccepted, metav1.ConditionTrue, suokev1.ReasonAccepted, "")
	is(t, object, suokev1.ConditionConnected, metav1.ConditionFalse, suokev1.ReasonSecretNotFound, says)
	if diff := cmp.Diff([]string{"Normal Accepted", "Warning SecretNotFound"}, b.said()); diff != "" {
		t.Error(diff)
	}
	if object.Status.LastSync != nil || len(object.Status.Errors) != 1 || !strings.Contains(object.Status.Errors[0], says) {
		t.Errorf("%+v", object.Status)
	}
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "access", Namespace: b.namespace},
		Data:       map[string][]byte{"username": []byte("me"), "password": []byte("secret")},
	})
	if next > time.Minute {
		t.Errorf("it is looked for again in %v", next)
	}
	b.now = b.now.Add(next)
	object, _ = b.sync()
	is(t, object, suokev1.ConditionConnected, metav1.ConditionTrue, suokev1.ReasonConnected, "")
	if len(object.Status.Errors) != 0 {
		t.Errorf("%v", object.Status.Errors)
	}
}

func TestARegistryThatIsNotThereIsTriedByItsPolicyAndSaidEachTime(t *testing.T) {
	b := newBench(t)
	address := nowhere(t)
	b.at("http://"+address, func(spec *suokev1.ModelRegistrySpec) {
		spec.SyncPolicy.Interval.Duration = 30 * time.Minute
		spec.SyncPolicy.RetryPolicy = suokev1.RetryPolicy{MaxRetries: 2, BackoffMultiplier: 1.5}
	})
	b.model("digits", "oci://"+address+"/models/digits")
	version := ""
	var waits []time.Duration
	for i := range 4 {
		object, next := b.sync()
		is(t, object, suokev1.ConditionConnected, metav1.ConditionFalse, suokev1.ReasonRegistryUnreachable, address)
		if len(object.Status.Errors) != 1 || !strings.Contains(object.Status.Errors[0], "connection refused") || object.Status.LastSync != nil {
			t.Errorf("%+v", object.Status)
		}
		if i > 0 && object.ResourceVersion != version {
			t.Error("the same status was written again")
		}
		version = object.ResourceVersion
		out := b.log.take()
		if strings.Count(out, "\n") != 1 || !inOrder(out, []string{"level=WARN", "could not reach the registry", "registry=central", "endpoint=http://" + address, "connection refused"}) {
			t.Errorf("logged %s", out)
		}
		waits = append(waits, next)
		b.now = b.now.Add(next)
	}
	if diff := cmp.Diff([]time.Duration{5 * time.Second, 7500 * time.Millisecond, 30 * time.Minute, 5 * time.Second}, waits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Normal Accepted", "Warning RegistryUnreachable"}, b.said()); diff != "" {
		t.Error(diff)
	}
	if got, err := gauge(b.metrics, "suoke_registry_connected"); err != nil || got != 0 {
		t.Errorf("suoke_registry_connected is %v, %v", got, err)
	}
}

func TestARegistryIsAskedAtItsIntervalAndNoMore(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	p.push(model(t), "models/digits:v1")
	var asked atomic.Int64
	p.between(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		asked.Add(1)
		next.ServeHTTP(w, r)
	})
	b.at(p.http.URL, func(spec *suokev1.ModelRegistrySpec) { spec.SyncPolicy.Interval.Duration = 10 * time.Minute })
	first, next := b.sync()
	if asked.Load() == 0 || next != 10*time.Minute {
		t.Fatalf("asked %d times, the next in %v", asked.Load(), next)
	}
	asked.Store(0)
	b.now = b.now.Add(9 * time.Minute)
	early, next := b.sync()
	if asked.Load() != 0 || next != time.Minute || early.ResourceVersion != first.ResourceVersion {
		t.Errorf("a minute early it asked %d times, the next in %v", asked.Load(), next)
	}
	b.now = b.now.Add(time.Minute)
	if again, _ := b.sync(); asked.Load() == 0 || !again.Status.LastSync.Time.Equal(b.now) {
		t.Errorf("at the interval it asked %d times: %v", asked.Load(), again.Status.LastSync)
	}

	asked.Store(0)
	b.now = b.now.Add(time.Minute)
	b.model("digits", "oci://"+p.host()+"/models/digits")
	if object, _ := b.sync(); object.Status.ModelCount != 1 {
		t.Errorf("a new model waits for the interval: %+v", object.Status)
	}
}

func TestSyncCanBeSwitchedOff(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	b.at(p.http.URL, nil)
	object, _ := b.sync()
	b.said()
	p.between(func(http.ResponseWriter, *http.Request, http.Handler) { t.Error("it was asked") })
	object.Spec.SyncPolicy.Enabled = new(false)
	if err := cluster.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	object, next := b.sync()
	is(t, object, suokev1.ConditionConnected, metav1.ConditionUnknown, suokev1.ReasonDisabled, "syncPolicy.enabled is false")
	if object.Status.Connected || next != 0 || object.Status.LastSync == nil || object.Status.ObservedGeneration != object.Generation {
		t.Errorf("%+v, the next in %v", object.Status, next)
	}
	if diff := cmp.Diff([]string{"Normal Disabled"}, b.said()); diff != "" {
		t.Error(diff)
	}
}

// The registries of the user's own example file. Neither may be connected to.
func TestTheUsersRegistriesAreAnswered(t *testing.T) {
	for name, c := range map[string]struct{ spec, reason, says string }{
		"suoke-model-registry": {
			`
name: suoke-central-registry
endpoint: https://models.suoke.life/registry
authentication: {type: token, secretRef: {name: model-registry-token, namespace: NAMESPACE}}
storage: {type: s3, config: {bucket: suoke-models, region: us-west-2}}
syncPolicy: {enabled: true, interval: 30m, retryPolicy: {maxRetries: 5, backoffMultiplier: 1.5}}`,
			suokev1.ReasonInvalid, "storage.type: s3 is not supported yet; write local or nfs",
		},
		"huggingface-registry": {
			`
name: huggingface
endpoint: https://huggingface.co
authentication: {type: token, secretRef: {name: huggingface-token, namespace: NAMESPACE}}
storage: {type: gcs, config: {bucket: suoke-hf-models}}
syncPolicy: {enabled: true, interval: 1h}`,
			suokev1.ReasonSourceNotSupported, "supported: OCI registries",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var spec suokev1.ModelRegistrySpec
			if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(c.spec, "NAMESPACE", b.namespace)), &spec); err != nil {
				t.Fatal(err)
			}
			b.at(spec.Endpoint, func(s *suokev1.ModelRegistrySpec) { *s = spec })
			object, next := b.sync()
			is(t, object, suokev1.ConditionAccepted, metav1.ConditionFalse, c.reason, c.says)
			is(t, object, suokev1.ConditionConnected, metav1.ConditionFalse, c.reason, c.says)
			if object.Status.Connected || len(object.Status.Errors) != 1 || next != 0 {
				t.Errorf("%+v, the next in %v", object.Status, next)
			}
			if diff := cmp.Diff([]string{"Warning " + c.reason}, b.said()); diff != "" {
				t.Error(diff)
			}
			if out := b.log.take(); !inOrder(out, []string{"level=WARN", "cannot use the registry", c.says}) {
				t.Errorf("logged %s", out)
			}
			b.sync()
			if out := b.log.take(); out != "" {
				t.Errorf("nothing changed, and it logged %s", out)
			}
		})
	}
}

func TestARegistryThatIsDeletedIsForgotten(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	object := b.at(p.http.URL, nil)
	b.sync()
	if err := cluster.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)}); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(b.metrics, "suoke_registry_connected"); err != nil || n != 0 {
		t.Errorf("%d registries are still counted, %v", n, err)
	}
	b.at(p.http.URL, nil)
	if again, _ := b.sync(); again.Status.LastSync == nil {
		t.Error("another of the same name was taken for the one that is gone")
	}
}

func TestAModelIsLookedForWithItsOwnCredentials(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	p.push(model(t), "models/digits:v1")
	p.guard(`Basic realm="x"`, "Basic bWU6c2VjcmV0") // me:secret
	secret := func(name, password string) {
		create(t, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: b.namespace},
			Data:       map[string][]byte{"username": []byte("me"), "password": []byte(password)},
		})
	}
	secret("everyone", "secret")
	secret("guessed", "guess")
	b.at(p.http.URL, func(spec *suokev1.ModelRegistrySpec) {
		spec.Authentication = suokev1.Authentication{Type: suokev1.AuthenticationBasic, SecretRef: &suokev1.SecretRef{Name: "everyone"}}
	})
	for name, own := range map[string]*suokev1.SecretRef{
		"a": nil, "b": {Name: "guessed"}, "c": {Name: "later"}, "d": {Name: "everyone", Namespace: "elsewhere"},
	} {
		object := newModel(b.namespace, name, "oci://"+p.host()+"/models/digits")
		object.Spec.Repository.SecretRef = own
		create(t, object)
	}
	object, next := b.sync()
	want := []string{
		"AIModel b: ", "it wants other credentials than those of the Secret guessed",
		"AIModel c: repository.secretRef: there is no Secret later; write kubectl create secret generic later -n " + b.namespace + " --from-literal=token=…, or --from-literal=username=… --from-literal=password=…",
		"AIModel d: repository.secretRef.namespace: a Secret is read from the AIModel's own namespace only",
	}
	if got := strings.Join(object.Status.Errors, "\n"); object.Status.ModelCount != 1 || !inOrder(got, want) {
		t.Errorf("found %d, and:\n%s\nwant %q", object.Status.ModelCount, got, want)
	}
	secret("later", "secret")
	b.now = b.now.Add(next)
	if object, _ = b.sync(); object.Status.ModelCount != 2 {
		t.Errorf("once it is there: %+v", object.Status)
	}
}

// The process as it runs, with the rights that k8s/deployment.yaml gives it and no more.
func TestTheControllerWatchesWithItsOwnRights(t *testing.T) {
	p, b := newPlace(t), newBench(t)
	p.push(model(t), "models/digits:v1")
	p.guard(`Basic realm="x"`, "Basic bWU6c2VjcmV0")
	mgr, err := registry.NewManager(cluster.As(t, b.namespace, "model-registry"), b.namespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.NewReconciler(mgr, b.Metrics, slog.New(slog.DiscardHandler)).Register(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "access", Namespace: b.namespace},
		Data:       map[string][]byte{"username": []byte("me"), "password": []byte("secret")},
	})
	object := b.at(p.http.URL, func(spec *suokev1.ModelRegistrySpec) {
		spec.Authentication = suokev1.Authentication{Type: suokev1.AuthenticationBasic, SecretRef: &suokev1.SecretRef{Name: "access"}}
	})
	seen := func(what string, holds func(*suokev1.ModelRegistry) bool) {
		t.Helper()
		eventually(t, func() string {
			if err := cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				return err.Error()
			}
			if !holds(object) {
				return fmt.Sprintf("want %s: %+v", what, object.Status)
			}
			return ""
		})
	}
	seen("connected", func(r *suokev1.ModelRegistry) bool { return r.Status.Connected })
	b.model("digits", "oci://"+p.host()+"/models/digits")
	seen("the model that came", func(r *suokev1.ModelRegistry) bool { return r.Status.ModelCount == 1 })
	object.Spec.Storage.Type = suokev1.StorageAzure
	if err := cluster.Client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	seen("refused", func(r *suokev1.ModelRegistry) bool {
		return meta.IsStatusConditionFalse(r.Status.Conditions, suokev1.ConditionAccepted)
	})
	eventually(t, func() string {
		var list eventsv1.EventList
		if err := cluster.Client.List(t.Context(), &list, client.InNamespace(b.namespace)); err != nil {
			return err.Error()
		}
		var reasons []string
		for _, e := range list.Items {
			reasons = append(reasons, e.Type+" "+e.Reason)
		}
		slices.Sort(reasons)
		if diff := cmp.Diff([]string{"Normal Accepted", "Normal Connected", "Warning Invalid"}, reasons); diff != "" {
			return diff
		}
		return ""
	})
}

// eventually waits until nothing is missing any more.
func eventually(t *testing.T, missing func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		text := missing()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
