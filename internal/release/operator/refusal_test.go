package operator_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/operator"
)

type object = runtime.Object

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func TestModelsThatCannotBeHonouredSayWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		change          func(*suokev1.AIModelSpec)
		reason, message string
	}{
		"an agent that no profile knows": {func(m *suokev1.AIModelSpec) { m.AgentType = "dake" }, suokev1.ReasonUnknownAgent, "known: xiaoai, xiaoke, laoke, soer"},
		"a framework that no runtime serves": {
			func(m *suokev1.AIModelSpec) { m.Framework = suokev1.FrameworkPyTorch }, suokev1.ReasonUnknownRuntime,
			"no runtime serves framework pytorch with modelType classification; known: onnxruntime",
		},
		"a git repository": {func(m *suokev1.AIModelSpec) {
			m.Repository = suokev1.Repository{URL: "https://github.com/suoke/x", Branch: "main", Commit: "v2.1.0"}
		}, suokev1.ReasonSourceNotSupported, "supported: oci"},
		"errors asked of a classification": {func(m *suokev1.AIModelSpec) { m.Validation.Metrics.MAE = new(1.) }, suokev1.ReasonInvalid, "asks for mae of a classification, which has none; write accuracy"},
		"an evaluation without a data set": {func(m *suokev1.AIModelSpec) { m.Validation.TestDataset = "" }, suokev1.ReasonInvalid, "write the name of a data set"},
		"a registry that is not declared":  {func(m *suokev1.AIModelSpec) { m.RegistryRef = "central" }, suokev1.ReasonInvalid, "there is no ModelRegistry central"},
		"an autoscaler without metrics": {func(m *suokev1.AIModelSpec) {
			m.Monitoring.Enabled = new(false)
			m.Deployment.Autoscaling = &suokev1.Autoscaling{MaxReplicas: 8, TargetRequestsPerSecond: 20}
		}, suokev1.ReasonInvalid, "set monitoring.enabled: true"},
		"a limit below the request": {func(m *suokev1.AIModelSpec) {
			m.Deployment.Resources = suokev1.Resources{
				Requests: suokev1.ResourceAmounts{corev1.ResourceCPU: resource.MustParse("2")},
				Limits:   suokev1.ResourceAmounts{corev1.ResourceCPU: resource.MustParse("1")},
			}
		}, suokev1.ReasonInvalid, "write a limit of cpu of at least the request, 2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			s.model(c.change)
			status := s.untilModel("Accepted=False", condition(suokev1.ConditionAccepted, metav1.ConditionFalse, c.reason))
			if said := meta.FindStatusCondition(status.Conditions, suokev1.ConditionAccepted).Message; !strings.Contains(said, c.message) {
				t.Errorf("it says %q, want %q", said, c.message)
			}
			if status.Phase != suokev1.ModelPending {
				t.Errorf("phase %s", status.Phase)
			}
			s.untilEvent(modelName, c.reason)
			s.nothingStarted()
		})
	}
}

// nothingStarted fails if anything was made for the model.
func (s *system) nothingStarted() {
	s.t.Helper()
	var routes corev1.ConfigMapList
	var services corev1.ServiceList
	for _, list := range []client.ObjectList{&routes, &services} {
		if err := s.client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			s.t.Fatal(err)
		}
	}
	if len(routes.Items)+len(services.Items) > 0 {
		s.t.Errorf("made: %s %s", text(routes.Items), text(services.Items))
	}
}

// central is a ModelRegistry at the host of the models.
func (s *system) central() *suokev1.ModelRegistry {
	return &suokev1.ModelRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: "central", Namespace: s.namespace},
		Spec:       suokev1.ModelRegistrySpec{Name: "central", Endpoint: "http://" + registryHost, SyncPolicy: suokev1.SyncPolicy{Interval: metav1.Duration{Duration: time.Hour}}},
	}
}

func TestModelGoesOnOnceItsRegistryIsDeclared(t *testing.T) {
	s := newSystem(t)
	s.registry.hold("models/digits:v1")
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.model(func(m *suokev1.AIModelSpec) { m.RegistryRef = "central" })
	s.untilModel("the registry to be missed", condition(suokev1.ConditionAccepted, metav1.ConditionFalse, suokev1.ReasonInvalid))
	if err := s.client.Create(t.Context(), s.central()); err != nil {
		t.Fatal(err)
	}
	s.untilModel("v1 to serve", serving("v1"))
}

func TestObjectsThatTheServerRejectsAreTold(t *testing.T) {
	s := newSystem(t)
	s.registry.hold("models/digits:v1")
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	none := corev1.ResourceList{corev1.ResourceServices: resource.MustParse("0")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "no-services", Namespace: s.namespace}, Spec: corev1.ResourceQuotaSpec{Hard: none}}
	if err := s.client.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
	if err := s.client.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	s.model(nil)
	status := s.untilModel("the rejection", condition(suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonInvalid))
	if want := "exceeded quota: no-services"; !strings.Contains(status.Message, want) {
		t.Errorf("it says %q, want %q", status.Message, want)
	}
	s.untilEvent(modelName, suokev1.ReasonInvalid)
	if err := s.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	s.untilModel("v1 to serve", serving("v1"))
}

func TestRulesOfTheSchemaHoldWhereTheServerDoesNotCheck(t *testing.T) {
	t.Parallel()
	amounts := func(cpu string) func(*suokev1.AIModel, operator.Surroundings) {
		return func(m *suokev1.AIModel, _ operator.Surroundings) {
			m.Spec.Deployment.Resources.Limits = suokev1.ResourceAmounts{corev1.ResourceCPU: resource.MustParse(cpu)}
		}
	}
	through := func(kind suokev1.AuthenticationType, secret *suokev1.SecretRef) func(*suokev1.AIModel, operator.Surroundings) {
		return func(m *suokev1.AIModel, around operator.Surroundings) {
			m.Spec.RegistryRef = "central"
			around.Registries["central"] = suokev1.ModelRegistry{ObjectMeta: metav1.ObjectMeta{Name: "central", Namespace: "here"}, Spec: suokev1.ModelRegistrySpec{
				Endpoint: "http://r", Authentication: suokev1.Authentication{Type: kind, SecretRef: secret},
			}}
		}
	}
	own := func(secret suokev1.SecretRef) func(*suokev1.AIModel, operator.Surroundings) {
		return func(m *suokev1.AIModel, _ operator.Surroundings) { m.Spec.Repository.SecretRef = &secret }
	}
	for name, c := range map[string]struct {
		change func(*suokev1.AIModel, operator.Surroundings)
		want   string
	}{
		"less than no CPU":         {amounts("-1"), "write a number, with one of m, k, M"},
		"a CPU beyond all measure": {amounts("1e99999999999999"), "write a number, with one of m, k, M"},
		"half a CPU":               {amounts("500m"), "every field can be honoured"},
		"the longest name":         {func(m *suokev1.AIModel, _ operator.Surroundings) { m.Name = strings.Repeat("m", 247) }, "every field can be honoured"},
		"a longer name":            {func(m *suokev1.AIModel, _ operator.Surroundings) { m.Name = strings.Repeat("m", 248) }, "write a name of at most 247 characters"},
		"a registry with a token":  {through(suokev1.AuthenticationToken, &suokev1.SecretRef{Name: "access"}), "every field can be honoured"},
		"a registry without":       {through(suokev1.AuthenticationNone, nil), "every field can be honoured"},
		"a registry that asks somebody else": {
			through(suokev1.AuthenticationOAuth2, &suokev1.SecretRef{Name: "access"}),
			"registryRef: ModelRegistry central: authentication.type: oauth2 is not supported yet; write basic, token or none; or write repository.secretRef",
		},
		"a registry with another namespace's Secret": {
			through(suokev1.AuthenticationBasic, &suokev1.SecretRef{Name: "access", Namespace: "there"}),
			"registryRef: ModelRegistry central: authentication.secretRef.namespace: a Secret is read from the ModelRegistry's own namespace only",
		},
		"a Secret of its own, where the registry's would not do": {func(m *suokev1.AIModel, around operator.Surroundings) {
			through(suokev1.AuthenticationOAuth2, nil)(m, around)
			own(suokev1.SecretRef{Name: "access"})(m, around)
		}, "every field can be honoured"},
		"a Secret of its own namespace": {own(suokev1.SecretRef{Name: "access", Namespace: "here"}), "every field can be honoured"},
		"a Secret of another namespace": {
			own(suokev1.SecretRef{Name: "access", Namespace: "there"}),
			"repository.secretRef.namespace: a Secret is read from the AIModel's own namespace only; put it into here and leave the field out",
		},
		"a Secret without a name": {own(suokev1.SecretRef{}), "repository.secretRef.name: write the name of a Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			around := acceptable(t)
			around.Registries = map[string]suokev1.ModelRegistry{}
			m := &suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: "here"}, Spec: suokev1.AIModelSpec{
				Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification, Framework: suokev1.FrameworkONNX,
				Repository: suokev1.Repository{URL: "oci://r/models/m"}, Monitoring: suokev1.Monitoring{HealthCheckPath: "/health"},
				Validation: suokev1.Validation{TestDataset: "d"},
			}}
			c.change(m, around)
			if v := operator.AcceptModel(m, around); !strings.Contains(v.Message, c.want) {
				t.Errorf("%+v, want %s", v, c.want)
			}
		})
	}
}

func TestRulesOfAReleaseHoldWhereTheServerDoesNotCheck(t *testing.T) {
	t.Parallel()
	year := metav1.Duration{Duration: 8761 * time.Hour}
	for name, c := range map[string]struct {
		change func(*suokev1.ModelVersionSpec)
		want   string
	}{
		"nothing written":       {func(*suokev1.ModelVersionSpec) {}, "every field can be honoured"},
		"an α of a half":        {func(how *suokev1.ModelVersionSpec) { how.Analysis.FalseRollbackRate = 0.5 }, "analysis.falseRollbackRate: write a chance"},
		"a negative increase":   {func(how *suokev1.ModelVersionSpec) { how.Analysis.MaxErrorRateIncrease = -1 }, "analysis.maxErrorRateIncrease: write a share"},
		"a quantile of 1":       {func(how *suokev1.ModelVersionSpec) { how.Analysis.LatencyQuantile = 1 }, "analysis.latencyQuantile: write a quantile"},
		"hundred times as slow": {func(how *suokev1.ModelVersionSpec) { how.Analysis.MaxLatencyIncrease = 100 }, "analysis.maxLatencyIncrease: write a share"},
		"up for a year":         {func(how *suokev1.ModelVersionSpec) { how.AutoPromotion.Criteria.MinUptime = &year }, "minUptime: write a duration"},
		"a canary of a year":    {func(how *suokev1.ModelVersionSpec) { how.CanaryDeployment.Duration = year }, "duration: write a duration"},
		"warm for a year":       {func(how *suokev1.ModelVersionSpec) { how.BlueGreen.ScaleDownDelay = year }, "scaleDownDelay: write a duration"},
		"a step of a year": {func(how *suokev1.ModelVersionSpec) {
			how.CanaryDeployment.Steps = []suokev1.CanaryStep{{Weight: 5, Duration: year}}
		}, "steps: duration: write a duration"},
		"steps that fall": {func(how *suokev1.ModelVersionSpec) {
			how.CanaryDeployment.Steps = []suokev1.CanaryStep{{Weight: 50}, {Weight: 5}}
		}, "steps: write weights in rising order"},
	} {
		t.Run(name, func(t *testing.T) {
			v := &suokev1.ModelVersion{}
			c.change(&v.Spec)
			if verdict := operator.AcceptVersion(v, &suokev1.AIModel{}, nil); !strings.Contains(verdict.Message, c.want) {
				t.Errorf("%+v, want %s", verdict, c.want)
			}
		})
	}
}

func TestGPURulesHoldWhereTheServerDoesNotCheck(t *testing.T) {
	t.Parallel()
	whole, half := resource.MustParse("1"), resource.MustParse("0.5")
	for name, c := range map[string]struct {
		resources suokev1.Resources
		want      string
	}{
		"half a GPU":          {suokev1.Resources{Requests: suokev1.ResourceAmounts{"nvidia.com/gpu": half}, Limits: suokev1.ResourceAmounts{"nvidia.com/gpu": half}}, "GPUs are whole, request = limit"},
		"a GPU without limit": {suokev1.Resources{Requests: suokev1.ResourceAmounts{"nvidia.com/gpu": whole}}, "GPUs are whole, request = limit"},
		"one GPU":             {suokev1.Resources{Requests: suokev1.ResourceAmounts{"nvidia.com/gpu": whole}, Limits: suokev1.ResourceAmounts{"nvidia.com/gpu": whole}}, "every field can be honoured"},
		"disk":                {suokev1.Resources{Requests: suokev1.ResourceAmounts{"ephemeral-storage": whole}}, "write cpu, memory and nvidia.com/gpu only"},
	} {
		t.Run(name, func(t *testing.T) {
			s := acceptable(t)
			m := &suokev1.AIModel{Spec: suokev1.AIModelSpec{
				Version: "v1", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification, Framework: suokev1.FrameworkONNX,
				Repository: suokev1.Repository{URL: "oci://r/models/m"}, Monitoring: suokev1.Monitoring{HealthCheckPath: "/health"},
				Validation: suokev1.Validation{TestDataset: "d"}, Deployment: suokev1.Deployment{Resources: c.resources},
			}}
			if v := operator.AcceptModel(m, s); !strings.Contains(v.Message, c.want) {
				t.Errorf("%+v, want %s", v, c.want)
			}
		})
	}
}

func TestArtifactsThatCannotBeResolved(t *testing.T) {
	for name, reason := range map[string]string{
		"a registry that is not there":    suokev1.ReasonRegistryUnreachable,
		"a version that was never pushed": suokev1.ReasonArtifactNotFound,
		"a truncated manifest":            suokev1.ReasonArtifactInvalid,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			s.set(func(k *cluster) { k.evaluated["v1"] = passes })
			s.registry.trouble("models/digits:v1", reason)
			s.model(nil)
			s.untilModel("the reason", condition(suokev1.ConditionProgressing, metav1.ConditionFalse, reason))
			s.untilEvent(modelName, reason)
			s.nothingStarted()
			s.registry.hold("models/digits:v1")
			s.untilModel("v1 to serve once it is there", serving("v1"))
		})
	}
}

func TestWrongDigestIsNotServed(t *testing.T) {
	s := newSystem(t)
	s.registry.hold("models/digits:v1")
	s.model(func(m *suokev1.AIModelSpec) { m.Repository.Digest = digest("another") })
	s.untilModel("DigestMismatch", condition(suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonDigestMismatch))
	s.untilEvent(modelName, suokev1.ReasonDigestMismatch)
	s.nothingStarted()
}

func TestBadSuccessorsLeaveStableServing(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*system)
		reason  string
	}{
		"a data set with a missing column": {func(s *system) {
			s.set(func(k *cluster) { k.evaluated["v2"] = badDataset })
		}, suokev1.ReasonEvaluationError},
		"a data set that is not there": {func(s *system) {
			s.edit(func(m *suokev1.AIModel) { m.Spec.Validation.TestDataset = "absent" })
		}, suokev1.ReasonEvaluationError},
	} {
		t.Run(name, func(t *testing.T) {
			s := served(t)
			c.prepare(s)
			s.want("v2")
			status := s.untilModel("a refusal", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, c.reason))
			if status.StableVersion != "v1" {
				t.Errorf("after the refusal: %s", describe(status))
			}
			s.untilEvent(modelName, c.reason)
			s.untilOnlyV1Runs()
			if r := s.route(); r.Versions[0].Weight != 100 || r.Versions[0].Version != "v1" {
				t.Errorf("route %+v", r)
			}
		})
	}
}

func TestPodsThatCannotComeUpAreToldAndGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*cluster)
		reason  string
	}{
		"no node with a GPU": {func(k *cluster) { k.unschedulable["v2"] = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu." }, suokev1.ReasonUnschedulable},
		"a truncated layer":  {func(k *cluster) { k.crashing["v2"] = "model.onnx: digest mismatch" }, suokev1.ReasonPodFailing},
	} {
		t.Run(name, func(t *testing.T) {
			s := served(t)
			s.stop()
			s.deadline = 6 * time.Second
			s.start()
			s.set(c.prepare)
			s.want("v2")
			s.untilEvent(modelName, c.reason)
			status := s.untilModel("a refusal", func(status suokev1.AIModelStatus) bool {
				return meta.IsStatusConditionTrue(status.Conditions, suokev1.ConditionDegraded)
			})
			if status.StableVersion != "v1" {
				t.Errorf("after the refusal: %s", describe(status))
			}
			s.untilOnlyV1Runs()
		})
	}
}

func TestModelVersions(t *testing.T) {
	s := newSystem(t)
	s.registry.hold("models/digits:v1")
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	first := s.canary("v1", time.Minute)
	untilPhase := func(name, reason string, phase suokev1.VersionPhase) {
		t.Helper()
		s.until(name+" "+reason, func() (bool, string) {
			v := s.readVersion(name)
			c := meta.FindStatusCondition(v.Status.Conditions, suokev1.ConditionAccepted)
			return c != nil && c.Reason == reason && v.Status.Phase == phase, text(v.Status)
		})
	}
	untilPhase(first.Name, suokev1.ReasonModelNotFound, suokev1.VersionDraft)

	m := s.model(nil)
	s.untilModel("v1 to serve", serving("v1"))
	untilPhase(first.Name, suokev1.ReasonAccepted, suokev1.VersionProduction)
	if v := s.readVersion(first.Name); !metav1.IsControlledBy(v, m) {
		t.Errorf("owner %+v", v.OwnerReferences)
	}

	later := first.DeepCopy()
	later.ObjectMeta = metav1.ObjectMeta{Name: "a-later-one", Namespace: s.namespace}
	time.Sleep(time.Second) // creation is told apart by whole seconds
	if err := s.client.Create(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	untilPhase("a-later-one", suokev1.ReasonDuplicate, suokev1.VersionDraft)
	if err := s.client.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	untilPhase("a-later-one", suokev1.ReasonAccepted, suokev1.VersionProduction)
}

func TestPersonsModelVersionTakesTheGeneratedOnesPlace(t *testing.T) {
	s := served(t)
	var generated suokev1.ModelVersionList
	s.until("a generated ModelVersion", func() (bool, string) {
		if err := s.client.List(t.Context(), &generated, client.InNamespace(s.namespace)); err != nil {
			t.Fatal(err)
		}
		return len(generated.Items) == 1, text(generated.Items)
	})
	s.canary("v1", time.Minute)
	s.until("the generated one to go", func() (bool, string) {
		err := s.client.Get(t.Context(), client.ObjectKeyFromObject(&generated.Items[0]), &suokev1.ModelVersion{})
		return apierrors.IsNotFound(err), "still there"
	})
	s.until("the person's to tell the story", func() (bool, string) {
		v := s.readVersion("canary-v1")
		return v.Status.Phase == suokev1.VersionProduction && v.Status.Weight == 100, text(v.Status)
	})
}
