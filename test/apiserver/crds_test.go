package apiserver_test

import (
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/suoke-life/suoke/test/apiserver"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { server = s }))
}

const model = `
apiVersion: suoke.life/v1
kind: AIModel
metadata: {name: m}
spec:
  modelName: digits
  version: v1
  agentType: xiaoai
  modelType: classification
  repository: {url: "oci://model-registry:5000/models/digits"}
`

const version = `
apiVersion: suoke.life/v1
kind: ModelVersion
metadata: {name: v}
spec: {modelRef: m, version: v1}
`

const registry = `
apiVersion: suoke.life/v1
kind: ModelRegistry
metadata: {name: r}
spec: {name: central, endpoint: "https://models.suoke.life/registry"}
`

func TestDefaultsAreTheUsers(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		want   string
	}{
		"of an AIModel": {model, `
deployment: {replicas: 1, strategy: RollingUpdate}
framework: onnx
monitoring: {enabled: true, healthCheckPath: /health, metricsPort: 8080}
validation: {enabled: true}
`},
		"of a ModelVersion": {version, `
autoPromotion: {enabled: false}
blueGreen: {scaleDownDelay: 10m}
canaryDeployment: {duration: 1h, enabled: false, trafficPercentage: 10}
rollbackEnabled: true
`},
		"of a ModelRegistry": {registry, `
authentication: {type: none}
storage: {type: local}
syncPolicy: {enabled: true, interval: 1h, retryPolicy: {backoffMultiplier: 2, maxRetries: 3}}
`},
	} {
		t.Run(name, func(t *testing.T) {
			created, err := dryRun(t, c.object, nil)
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := yaml.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			got, _ := created.Object["spec"].(map[string]any)
			for field, value := range want {
				if text(got[field]) != text(value) {
					t.Errorf("spec.%s defaults to %s, want %s", field, text(got[field]), text(value))
				}
			}
		})
	}
}

func text(v any) string {
	out, err := yaml.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

func TestWrongObjectsAreRefusedWithWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		object string
		// path of the field to set, dot-separated, and its value as YAML
		path, value string
		sentence    string
	}{
		"half a GPU":                        {model, "deployment.resources", `{requests: {nvidia.com/gpu: "0.5"}, limits: {nvidia.com/gpu: "0.5"}}`, "GPUs are whole, request = limit"},
		"a GPU that is requested only":      {model, "deployment.resources", `{requests: {nvidia.com/gpu: 1}}`, "GPUs are whole, request = limit: write the same nvidia.com/gpu in requests and limits"},
		"fewer GPUs requested than allowed": {model, "deployment.resources", `{requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 2}}`, "GPUs are whole, request = limit: write the same nvidia.com/gpu in requests and limits"},
		"a resource that nobody reads":      {model, "deployment.resources", `{requests: {ephemeral-storage: 1Gi}}`, "resources: write cpu, memory and nvidia.com/gpu only"},
		"eleven replicas":                   {model, "deployment.replicas", `11`, "should be less than or equal to 10"},
		"no replicas":                       {model, "deployment.replicas", `0`, "should be greater than or equal to 1"},
		"a strategy there is not":           {model, "deployment.strategy", `BigBang`, `supported values: "RollingUpdate", "BlueGreen", "Canary"`},
		"a version with a slash":            {model, "version", `a/b`, "version: write letters, digits, '.', '_' and '-' only, such as v2.1.0"},
		"an agent in capitals":              {model, "agentType", `Xiaoai`, "agentType: write the name of an agent in lower case, such as xiaoai"},
		"a model type there is not":         {model, "modelType", `vision`, "supported values"},
		"a path as a repository":            {model, "repository.url", `/data/model`, "repository.url: write a URL with a scheme"},
		"a short digest":                    {model, "repository.digest", `"sha256:abc"`, "repository.digest: write sha256: and 64 lower-case hex digits"},
		"a Secret without a name":           {model, "repository.secretRef", `{namespace: suoke-life}`, "repository.secretRef.name: Required value"},
		"a Secret that is a path":           {model, "repository.secretRef", `{name: ../access}`, "secretRef.name: write the name of a Secret, in lower case, such as models-access"},
		"a Secret in no namespace there is": {model, "repository.secretRef", `{name: access, namespace: ` + strings.Repeat("n", 64) + `}`, "repository.secretRef.namespace: Too long"},
		"an accuracy in percent":            {model, "validation.metrics.accuracy", `92`, "should be less than or equal to 1"},
		"a CPU with two exponents":          {model, "deployment.resources", `{requests: {cpu: "1e1.5"}}`, "resources: write a number, with one of m, k, M"},
		"memory beyond all measure":         {model, "deployment.resources", `{limits: {memory: "1e99999999999999"}}`, "resources: write a number, with one of m, k, M"},
		"less than no CPU":                  {model, "deployment.resources", `{requests: {cpu: -1}}`, "resources: write a number, with one of m, k, M"},
		"a privileged port":                 {model, "monitoring.metricsPort", `80`, "should be greater than or equal to 1024"},
		"a relative health path":            {model, "monitoring.healthCheckPath", `health`, "monitoring.healthCheckPath: write a path that begins with '/'"},
		"no share for the canary":           {version, "canaryDeployment.trafficPercentage", `0`, "should be greater than or equal to 1"},
		"a canary for a million years":      {version, "canaryDeployment.duration", `9999999999h`, "duration: write a duration such as 2h or 90m, at most 8760h"},
		"a step of more than a year":        {version, "canaryDeployment.steps", `[{weight: 5, duration: 8761h}]`, "duration: write a duration such as 10m, at most 8760h"},
		"a year and a second of uptime":     {version, "autoPromotion.criteria.minUptime", `8760h1s`, "minUptime: write a duration such as 24h or 90m, at most 8760h"},
		"old versions kept for ever":        {version, "blueGreen.scaleDownDelay", `9999999999h`, "scaleDownDelay: write a duration such as 10m, at most 8760h"},
		"a sync that never comes":           {registry, "syncPolicy.interval", `9999999999h`, "interval: write a duration of at least 10s, such as 30m, and at most 8760h"},
		"a duration in days":                {version, "canaryDeployment.duration", `2d`, "duration: write a duration such as 2h or 90m"},
		"steps that fall":                   {version, "canaryDeployment.steps", `[{weight: 50, duration: 1m}, {weight: 20, duration: 1m}]`, "steps: write weights in rising order, such as 5, 20, 50"},
		"an uptime without a unit":          {version, "autoPromotion.criteria.minUptime", `"24"`, "minUptime: write a duration such as 24h or 90m"},
		"an error rate in percent":          {version, "autoPromotion.criteria.maxErrorRate", `5`, "should be less than or equal to 1"},
		"an endpoint without a scheme":      {registry, "endpoint", `models.suoke.life`, "endpoint: write a URL that begins with https://"},
		"a token without its Secret":        {registry, "authentication", `{type: token}`, "authentication: write secretRef with the Secret's name, or type: none"},
		"a storage there is not":            {registry, "storage.type", `floppy`, "supported values"},
		"a sync every second":               {registry, "syncPolicy.interval", `1s`, "interval: write a duration of at least 10s, such as 30m"},
	} {
		t.Run(name, func(t *testing.T) {
			var value any
			if err := yaml.Unmarshal([]byte(c.value), &value); err != nil {
				t.Fatal(err)
			}
			_, err := dryRun(t, c.object, func(o *unstructured.Unstructured) {
				path := append([]string{"spec"}, strings.Split(c.path, ".")...)
				if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
					t.Fatal(err)
				}
			})
			if err == nil {
				t.Fatalf("accepted; want a refusal that says %q", c.sentence)
			}
			if !strings.Contains(err.Error(), c.sentence) {
				t.Errorf("refused with\n%v\nwant it to say\n%s", err, c.sentence)
			}
		})
	}
}

func TestUsersSpellingsAreAccepted(t *testing.T) {
	for name, c := range map[string]struct{ object, path, value string }{
		"whole GPUs as text":         {model, "deployment.resources", `{requests: {cpu: "2", nvidia.com/gpu: "1"}, limits: {nvidia.com/gpu: "1"}}`},
		"whole GPUs as a number":     {model, "deployment.resources", `{requests: {cpu: 2, memory: 8Gi, nvidia.com/gpu: 1}, limits: {cpu: 4, nvidia.com/gpu: 1}}`},
		"a commit that is not hex":   {model, "repository", `{url: "https://github.com/suoke/x", branch: main, commit: v2.1.0}`},
		"a data set's path":          {model, "validation.testDataset", `/data/test`},
		"half a CPU and megabytes":   {model, "deployment.resources", `{requests: {cpu: 500m, memory: 0.5Gi}, limits: {cpu: "1.5", memory: 17179869184}}`},
		"a year of a canary":         {version, "canaryDeployment", `{enabled: true, steps: [{weight: 5, duration: 8760h}]}`},
		"a day of uptime":            {version, "autoPromotion", `{enabled: true, criteria: {minAccuracy: 0.9, minUptime: 24h, maxErrorRate: 0.05}}`},
		"an hour and a half":         {version, "canaryDeployment", `{enabled: true, trafficPercentage: 20, duration: 1h30m}`},
		"a Secret of a token":        {registry, "authentication", `{type: token, secretRef: {name: t, namespace: suoke-life}}`},
		"a retry policy of the user": {registry, "syncPolicy", `{interval: 30m, retryPolicy: {maxRetries: 5, backoffMultiplier: 1.5}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var value any
			if err := yaml.Unmarshal([]byte(c.value), &value); err != nil {
				t.Fatal(err)
			}
			if _, err := dryRun(t, c.object, func(o *unstructured.Unstructured) {
				path := append([]string{"spec"}, strings.Split(c.path, ".")...)
				if err := unstructured.SetNestedField(o.Object, integers(value), path...); err != nil {
					t.Fatal(err)
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNamesOfModelsLeaveRoomForWhatIsMadeOfThem(t *testing.T) {
	for name, c := range map[string]struct {
		length int
		wrong  bool
	}{"the longest": {247, false}, "one more": {248, true}} {
		t.Run(name, func(t *testing.T) {
			_, err := dryRun(t, model, func(o *unstructured.Unstructured) { o.SetName(strings.Repeat("m", c.length)) })
			refused := err != nil && strings.Contains(err.Error(), "metadata.name: write a name of at most 247 characters")
			if refused != c.wrong || !c.wrong && err != nil {
				t.Errorf("%d characters: %v", c.length, err)
			}
		})
	}
}

// dryRun sends the object to the API server as a user's kubectl would, and returns it with its defaults.
func dryRun(t *testing.T, object string, change func(*unstructured.Unstructured)) (*unstructured.Unstructured, error) {
	t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(object), &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetNamespace("default")
	if change != nil {
		change(&u)
	}
	u.Object, _ = integers(u.Object).(map[string]any)
	err := server.Client.Create(t.Context(), &u, client.DryRunAll, client.FieldValidation("Strict"))
	return &u, err
}

// integers turns whole floats, as which YAML is read, into the integers that the API machinery copies.
func integers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = integers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}
