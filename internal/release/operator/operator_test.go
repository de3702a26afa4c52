package operator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/test/apiserver"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { server = s }))
}

const (
	registryHost = "registry.test:5000"
	patience     = 30 * time.Second
	modelName    = "digits"
)

// system is a namespace with an operator, the cluster around it and a registry.
type system struct {
	*cluster
	t        *testing.T
	registry *registry
	records  *records
	stop     func()
	deadline time.Duration
	// ahead is by how much the operator's clock is, from when it starts on.
	ahead time.Duration
	// runtimes is the file of the runtime table; none is the embedded one.
	runtimes string
	// resolver is the registry, unless a test has a real one; tagInterval is 0 unless a test sets it.
	resolver    operator.Resolver
	tagInterval time.Duration
	// config reaches the API server with the operator's rights, if a test asks for those.
	config *rest.Config
	// through is what the operator writes through, and live what it reads past the cache with, where a test comes between.
	through func(client.Client) client.Client
	live    func(client.Reader) client.Reader
}

func newSystem(t *testing.T, before ...func(*system)) *system {
	t.Helper()
	t.Parallel()
	namespace := server.Namespace(t)
	s := &system{
		t: t, cluster: newCluster(t, server.Client, namespace), registry: &registry{held: map[string]string{}, troubled: map[string]*operator.Problem{}},
		records: &records{kept: map[string]string{}}, deadline: time.Minute, config: server.Config,
	}
	s.resolver = s.registry
	for _, set := range before {
		set(s)
	}
	s.registry.hold("datasets/digits:latest")
	s.start()
	t.Cleanup(func() {
		if s.stop != nil {
			s.stop()
		}
	})
	return s
}

// start runs an operator that remembers nothing but what the API server holds.
func (s *system) start() {
	s.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	ahead := s.ahead
	mgr, err := operator.NewManager(s.config, s.namespace, "0", false)
	if err != nil {
		s.t.Fatal(err)
	}
	runtimes, err := profile.LoadRuntimes(s.runtimes)
	if err != nil {
		s.t.Fatal(err)
	}
	metrics, err := operator.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		s.t.Fatal(err)
	}
	op := &operator.Operator{
		Config: operator.Config{
			Namespace: s.namespace, Registry: registryHost, ImagePrefix: "suoke.local", ImageTag: "dev",
			RouterService: "model-router", RouterPort: s.port, ProgressDeadline: s.deadline, TagInterval: s.tagInterval,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
			Agents:    profile.Embedded(), Runtimes: runtimes,
		},
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder(operator.FieldManager),
		Resolver: s.resolver, Recorder: s.records, Metrics: metrics, Log: log, Now: func() time.Time { return time.Now().Add(ahead) },
	}
	if s.through != nil {
		op.Client = s.through(op.Client)
	}
	if s.live != nil {
		op.Live = s.live(op.Live)
	}
	if err := op.Register(mgr); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("the operator ended with %v", err)
		}
		s.stop = nil
	}
}

// records keeps the records of releases, unless it is told to refuse them.
type records struct {
	mu      sync.Mutex
	refuses bool
	kept    map[string]string
}

// Record keeps what is written.
func (r *records) Record(_ context.Context, name string, write func(io.Writer) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuses {
		return errors.New("the registry is full")
	}
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	r.kept[name] = text.String()
	return nil
}

func (r *records) get(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[name]
}

// registry resolves what it was told to hold.
type registry struct {
	mu       sync.Mutex
	held     map[string]string
	troubled map[string]*operator.Problem
}

func digest(of string) string { return fmt.Sprintf("sha256:%064x", []byte(of)[:min(32, len(of))]) }

func (r *registry) hold(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	repository, _, _ := strings.Cut(name, ":")
	delete(r.troubled, name)
	r.held[name] = registryHost + "/" + repository + "@" + digest(name[strings.LastIndex(name, "/"):])
}

func (r *registry) trouble(name, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.troubled[name] = &operator.Problem{Reason: reason, Err: errors.New("as the test wants it")}
}

// Resolve answers as a registry would.
func (r *registry) Resolve(_ context.Context, reference ref.Reference, _ credentials.Proof) (operator.Artifact, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := reference.Repository + ":" + reference.Tag
	if p := r.troubled[name]; p != nil {
		return operator.Artifact{}, p
	}
	held, found := r.held[name]
	if !found {
		return operator.Artifact{}, &operator.Problem{Reason: suokev1.ReasonArtifactNotFound, Err: fmt.Errorf("%s is not in the registry", reference)}
	}
	_, sum, _ := strings.Cut(held, "@")
	if reference.Digest != "" && reference.Digest != sum {
		return operator.Artifact{}, &operator.Problem{Reason: suokev1.ReasonDigestMismatch, Err: fmt.Errorf("%s is %s", reference, sum)}
	}
	return operator.Artifact{Reference: held, Digest: sum, SizeBytes: 1000}, nil
}

// model is a valid AIModel, changed by the test.
func (s *system) model(change func(*suokev1.AIModelSpec)) *suokev1.AIModel {
	s.t.Helper()
	m := &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: modelName, Namespace: s.namespace},
		Spec: suokev1.AIModelSpec{
			ModelName: "digits", Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification,
			Repository: suokev1.Repository{URL: "oci://" + registryHost + "/models/digits"},
			Validation: suokev1.Validation{TestDataset: "digits", Metrics: suokev1.Thresholds{Accuracy: new(0.9)}},
		},
	}
	if change != nil {
		change(&m.Spec)
	}
	if err := s.client.Create(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// canary is a ModelVersion that promotes itself after a hold.
func (s *system) canary(version string, hold time.Duration, change ...func(*suokev1.ModelVersionSpec)) *suokev1.ModelVersion {
	s.t.Helper()
	v := &suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: "canary-" + version, Namespace: s.namespace},
		Spec: suokev1.ModelVersionSpec{
			ModelRef: modelName, Version: version,
			CanaryDeployment: suokev1.CanaryDeployment{Enabled: true, TrafficPercentage: 20, Duration: metav1.Duration{Duration: hold}},
			AutoPromotion:    suokev1.AutoPromotion{Enabled: true, Criteria: suokev1.PromotionCriteria{MaxErrorRate: new(0.5)}},
		},
	}
	for _, c := range change {
		c(&v.Spec)
	}
	if err := s.client.Create(s.t.Context(), v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// patchVersion changes how a version is released.
func (s *system) patchVersion(name string, change func(*suokev1.ModelVersionSpec)) {
	s.t.Helper()
	v := s.readVersion(name)
	before := v.DeepCopy()
	change(&v.Spec)
	if err := s.client.Patch(s.t.Context(), v, client.MergeFrom(before)); err != nil {
		s.t.Fatal(err)
	}
}

// want asks for a version.
func (s *system) want(version string) {
	s.t.Helper()
	s.edit(func(m *suokev1.AIModel) { m.Spec.Version = version })
}

func (s *system) edit(change func(*suokev1.AIModel)) {
	s.t.Helper()
	m := s.read()
	before := m.DeepCopy()
	change(m)
	if err := s.client.Patch(s.t.Context(), m, client.MergeFrom(before)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) read() *suokev1.AIModel {
	s.t.Helper()
	var m suokev1.AIModel
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: modelName}, &m); err != nil {
		s.t.Fatal(err)
	}
	return &m
}

func (s *system) readVersion(name string) *suokev1.ModelVersion {
	s.t.Helper()
	var v suokev1.ModelVersion
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: name}, &v); err != nil {
		s.t.Fatal(err)
	}
	return &v
}

// until waits for something to hold, and tells what held instead.
func (s *system) until(what string, holds func() (bool, string)) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, instead := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waited for %s; last seen: %s", what, instead)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// untilModel waits for the AIModel's status.
func (s *system) untilModel(what string, holds func(suokev1.AIModelStatus) bool) suokev1.AIModelStatus {
	s.t.Helper()
	var seen suokev1.AIModelStatus
	s.until(what, func() (bool, string) {
		m := s.read()
		seen = m.Status
		return holds(seen), describe(seen)
	})
	return seen
}

func describe(status suokev1.AIModelStatus) string {
	lines := []string{fmt.Sprintf("phase %s (%s), stable %q, candidate %q, traffic %v",
		status.Phase, status.Message, status.StableVersion, status.CandidateVersion, status.Traffic)}
	for _, c := range status.Conditions {
		lines = append(lines, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(lines, "\n  ")
}

// serving says that a version is stable, ready and has all of the traffic, as the routers confirmed.
func serving(version string) func(suokev1.AIModelStatus) bool {
	return func(status suokev1.AIModelStatus) bool {
		return status.Phase == suokev1.ModelReady && status.StableVersion == version && status.CandidateVersion == "" &&
			len(status.Traffic) == 1 && status.Traffic[0] == suokev1.TrafficShare{Version: version, Weight: 100}
	}
}

func condition(kind string, value metav1.ConditionStatus, reason string) func(suokev1.AIModelStatus) bool {
	return func(status suokev1.AIModelStatus) bool {
		c := meta.FindStatusCondition(status.Conditions, kind)
		return c != nil && c.Status == value && c.Reason == reason
	}
}

// untilEvent waits for an event about an object of that name.
func (s *system) untilEvent(name, reason string) {
	s.t.Helper()
	s.until("event "+reason+" of "+name, func() (bool, string) {
		var list eventsv1.EventList
		if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
			s.t.Fatal(err)
		}
		var reasons []string
		for _, e := range list.Items {
			if e.Regarding.Name != name {
				continue
			}
			if e.Reason == reason {
				return true, ""
			}
			reasons = append(reasons, e.Reason)
		}
		return false, fmt.Sprint(reasons)
	})
}
