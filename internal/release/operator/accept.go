package operator

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
)

// gpu is the one extended resource that a model may ask for.
const gpu = corev1.ResourceName("nvidia.com/gpu")

// longestName of an AIModel leaves room for what routeName appends.
const longestName = 247

// Verdict says whether an object can be acted upon; it is the condition Accepted.
type Verdict struct {
	Accepted bool
	// Reason and Message are the condition's; the message of a refusal says what to write.
	Reason, Message string
}

func accepted() Verdict {
	return Verdict{Accepted: true, Reason: suokev1.ReasonAccepted, Message: "every field can be honoured"}
}

func refused(reason, format string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Surroundings are what a rule across objects needs to know.
type Surroundings struct {
	Agents   *profile.Profile
	Runtimes *profile.Runtimes
	// Autoscaling says that the API server has autoscaling/v2.
	Autoscaling bool
	// Registries by name, of the object's namespace.
	Registries map[string]suokev1.ModelRegistry
}

// AcceptModel holds an AIModel against every rule: the schema's, for servers that do not check them, and those across
// objects. The first that does not hold decides.
func AcceptModel(model *suokev1.AIModel, around Surroundings) Verdict {
	rules := []func(*suokev1.AIModel, Surroundings) Verdict{
		acceptShape, acceptAgent, acceptSource, acceptRegistry, acceptCredentials, acceptRuntime, acceptResources, acceptAutoscaling, acceptValidation,
	}
	for _, rule := range rules {
		if v := rule(model, around); !v.Accepted {
			return v
		}
	}
	return accepted()
}

var (
	versionShape = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	digestShape  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func acceptShape(model *suokev1.AIModel, _ Surroundings) Verdict {
	spec := &model.Spec
	switch {
	case len(model.Name) > longestName:
		return refused(suokev1.ReasonInvalid, "metadata.name: write a name of at most %d characters", longestName)
	case !versionShape.MatchString(spec.Version):
		return refused(suokev1.ReasonInvalid, "version: write letters, digits, '.', '_' and '-' only, such as v2.1.0")
	case len(validation.IsDNS1123Label(spec.AgentType)) != 0:
		return refused(suokev1.ReasonInvalid, "agentType: write the name of an agent in lower case, such as xiaoai")
	case spec.Repository.Digest != "" && !digestShape.MatchString(spec.Repository.Digest):
		return refused(suokev1.ReasonInvalid, "repository.digest: write sha256: and 64 lower-case hex digits")
	case !strings.HasPrefix(spec.Monitoring.HealthCheckPath, "/"):
		return refused(suokev1.ReasonInvalid, "monitoring.healthCheckPath: write a path that begins with '/'")
	}
	return accepted()
}

func acceptAgent(model *suokev1.AIModel, around Surroundings) Verdict {
	if _, known := around.Agents.Agent(model.Spec.AgentType); !known {
		return refused(suokev1.ReasonUnknownAgent, "agentType: no profile knows %s; known: %s",
			model.Spec.AgentType, strings.Join(around.Agents.Names(), ", "))
	}
	return accepted()
}

func acceptSource(model *suokev1.AIModel, _ Surroundings) Verdict {
	repository := model.Spec.Repository
	kind, err := ref.Source{URL: repository.URL, Branch: repository.Branch, Commit: repository.Commit}.Kind()
	switch {
	case err != nil:
		return refused(suokev1.ReasonInvalid, "repository.url: %v", err)
	case kind != ref.KindOCI:
		return refused(suokev1.ReasonSourceNotSupported,
			"repository.url: no importer reads a source of kind %s yet; supported: %s. Push the model with `suoke model push` and write oci://REGISTRY/models/NAME",
			kind, ref.KindOCI)
	case repository.Branch != "" || repository.Commit != "":
		return refused(suokev1.ReasonInvalid, "repository: branch and commit belong to a git source; for oci:// write a tag, or repository.digest")
	}
	if _, err := ref.Model(repository.URL, model.Spec.ModelName, model.Spec.Version, repository.Digest); err != nil {
		return refused(suokev1.ReasonInvalid, "repository.url: %v", err)
	}
	return accepted()
}

func acceptRegistry(model *suokev1.AIModel, around Surroundings) Verdict {
	name := model.Spec.RegistryRef
	if name == "" {
		return accepted()
	}
	registry, found := around.Registries[name]
	if !found {
		return refused(suokev1.ReasonInvalid, "registryRef: there is no ModelRegistry %s in this namespace; create it, or leave the field out", name)
	}
	endpoint, err := url.Parse(registry.Spec.Endpoint)
	source, sourceErr := url.Parse(model.Spec.Repository.URL)
	if err != nil || sourceErr != nil || endpoint.Host != source.Host {
		return refused(suokev1.ReasonInvalid, "registryRef: ModelRegistry %s is at %s and repository.url elsewhere; write a URL at its host",
			name, registry.Spec.Endpoint)
	}
	return accepted()
}

func acceptCredentials(model *suokev1.AIModel, around Surroundings) Verdict {
	if _, err := around.place(model); err != nil {
		return refused(suokev1.ReasonInvalid, "%v", err)
	}
	return accepted()
}

func acceptRuntime(model *suokev1.AIModel, around Surroundings) Verdict {
	if _, err := selectRuntime(model, around.Runtimes); err != nil {
		return refused(suokev1.ReasonUnknownRuntime, "%v", err)
	}
	return accepted()
}

func selectRuntime(model *suokev1.AIModel, table *profile.Runtimes) (profile.Runtime, error) {
	name := ""
	if model.Spec.Runtime != nil {
		name = model.Spec.Runtime.Name
	}
	return table.Select(name, model.Spec.Framework, model.Spec.ModelType)
}

func acceptResources(model *suokev1.AIModel, _ Surroundings) Verdict {
	r := model.Spec.Deployment.Resources
	for _, amounts := range []suokev1.ResourceAmounts{r.Requests, r.Limits} {
		if v := acceptAmounts(amounts); !v.Accepted {
			return v
		}
	}
	if request, asked := r.Requests[gpu]; asked {
		if limit, found := r.Limits[gpu]; !found || limit.Cmp(request) != 0 {
			return refused(suokev1.ReasonInvalid, "GPUs are whole, request = limit: write the same nvidia.com/gpu in requests and limits")
		}
	}
	for name, request := range r.Requests {
		if limit, found := r.Limits[name]; found && limit.Cmp(request) < 0 {
			return refused(suokev1.ReasonInvalid, "resources: write a limit of %s of at least the request, %s", name, request.String())
		}
	}
	return accepted()
}

func acceptAutoscaling(model *suokev1.AIModel, around Surroundings) Verdict {
	const field = "deployment.autoscaling"
	asked := model.Spec.Deployment.Autoscaling
	if asked == nil {
		return accepted()
	}
	rt, err := selectRuntime(model, around.Runtimes)
	switch {
	case asked.MaxReplicas < max(model.Spec.Deployment.Replicas, 1):
		return refused(suokev1.ReasonInvalid, field+".maxReplicas: write at least deployment.replicas, which is the least that a version has")
	case asked.TargetRequestsPerSecond < 0.001:
		return refused(suokev1.ReasonInvalid, field+".targetRequestsPerSecond: write how many requests a second one Pod is to have, at least 0.001")
	case !around.Autoscaling:
		return refused(suokev1.ReasonInvalid, field+": this cluster has no autoscaling/v2, which Kubernetes has since 1.23; leave the field out and set deployment.replicas")
	case !enabled(model.Spec.Monitoring.Enabled):
		return refused(suokev1.ReasonInvalid, field+": a version is scaled by the requests that its Pods count at /metrics; set monitoring.enabled: true")
	case err != nil || rt.RequestsCounter == "":
		return refused(suokev1.ReasonInvalid, field+": runtime %s has no requestsCounter in the runtime table, which names the metric that counts requests; "+
			"add it there, or leave the field out", rt.Name)
	}
	return accepted()
}

func acceptAmounts(amounts suokev1.ResourceAmounts) Verdict {
	for name, amount := range amounts {
		if !slices.Contains([]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, gpu}, name) {
			return refused(suokev1.ReasonInvalid, "resources: write cpu, memory and nvidia.com/gpu only")
		}
		// Nothing else may be asked of an amount with an exponent: comparing or writing it may take for ever.
		if amount.Format == resource.DecimalExponent || amount.Sign() < 0 {
			return refused(suokev1.ReasonInvalid,
				"resources: write a number, with one of m, k, M, G, T, Ki, Mi, Gi and Ti after it where needed, such as 500m or 8Gi")
		}
	}
	if amount, asked := amounts[gpu]; asked && amount.MilliValue()%1000 != 0 {
		return refused(suokev1.ReasonInvalid, "GPUs are whole, request = limit: write nvidia.com/gpu: 1 (or 2, 3, ...) in both requests and limits")
	}
	return accepted()
}

func acceptValidation(model *suokev1.AIModel, around Surroundings) Verdict {
	v := model.Spec.Validation
	if !enabled(v.Enabled) {
		return accepted()
	}
	if v.TestDataset == "" {
		return refused(suokev1.ReasonInvalid,
			"validation.testDataset: write the name of a data set in the registry, or set validation.enabled: false to serve unproved")
	}
	if _, err := ref.Dataset(v.TestDataset, "registry"); err != nil {
		return refused(suokev1.ReasonInvalid, "validation.testDataset: %v", err)
	}
	task := taskOf(model.Spec.ModelType)
	if task == "" {
		return refused(suokev1.ReasonInvalid, "validation: a model of modelType %s cannot be evaluated; set validation.enabled: false to serve it unproved",
			model.Spec.ModelType)
	}
	rt, err := selectRuntime(model, around.Runtimes)
	if err != nil {
		return refused(suokev1.ReasonUnknownRuntime, "%v", err)
	}
	if err := evaluate.Suits(task, evaluate.Protocol(rt.Protocol)); err != nil {
		return refused(suokev1.ReasonInvalid, "validation: runtime %s speaks %s, but %v; or set validation.enabled: false to serve it unproved", rt.Name, rt.Protocol, err)
	}
	// Whether the data set yields what is asked for is found by the evaluation, which reads it.
	if misplaced := evaluate.Misplaced(task, evaluate.Metrics(v.Metrics)); misplaced != "" {
		return refused(suokev1.ReasonInvalid, "%s", misplaced)
	}
	return accepted()
}

// AcceptVersion holds a ModelVersion against the rules across objects, and its own. Siblings are the ModelVersions of the namespace.
func AcceptVersion(version *suokev1.ModelVersion, model *suokev1.AIModel, siblings []suokev1.ModelVersion) Verdict {
	if model == nil {
		return refused(suokev1.ReasonModelNotFound,
			"modelRef: there is no AIModel %s in this namespace yet; this ModelVersion waits for it", version.Spec.ModelRef)
	}
	if winner := describes(siblings, version.Spec.ModelRef, version.Spec.Version); winner != nil && winner.Name != version.Name {
		return refused(suokev1.ReasonDuplicate, "ModelVersion %s describes %s of %s already, and the older counts; delete one of them",
			winner.Name, version.Spec.Version, version.Spec.ModelRef)
	}
	return acceptRelease(version.Spec)
}

// longestDuration of anything that is waited for.
const longestDuration = 8760 * time.Hour

// waitable says whether a duration, if one is written, is none that the schema refuses.
func waitable(d *metav1.Duration) bool {
	return d == nil || d.Duration >= 0 && d.Duration <= longestDuration
}

// acceptRelease repeats the schema's rules on how a version is released, so that it is told where an API server does not
// check them.
func acceptRelease(how suokev1.ModelVersionSpec) Verdict {
	last := int32(0)
	for _, step := range how.CanaryDeployment.Steps {
		if step.Weight < last {
			return refused(suokev1.ReasonInvalid, "steps: write weights in rising order, such as 5, 20, 50")
		}
		last = step.Weight
		if !waitable(&step.Duration) {
			return refused(suokev1.ReasonInvalid, "steps: duration: write a duration such as 10m, at most 8760h")
		}
	}
	for _, d := range []struct {
		value *metav1.Duration
		says  string
	}{
		{how.AutoPromotion.Criteria.MinUptime, "minUptime: write a duration such as 24h or 90m, at most 8760h"},
		{&how.CanaryDeployment.Duration, "duration: write a duration such as 2h or 90m, at most 8760h"},
		{&how.BlueGreen.ScaleDownDelay, "scaleDownDelay: write a duration such as 10m, at most 8760h"},
	} {
		if !waitable(d.value) {
			return refused(suokev1.ReasonInvalid, "%s", d.says)
		}
	}
	for _, n := range []struct {
		value, least, most float64
		says               string
	}{
		{how.Analysis.FalseRollbackRate, 0.0001, 0.2, "analysis.falseRollbackRate: write a chance from 0.0001 to 0.2, such as 0.01"},
		{how.Analysis.MaxErrorRateIncrease, 0.0001, 0.5, "analysis.maxErrorRateIncrease: write a share from 0.0001 to 0.5, such as 0.005"},
		{how.Analysis.LatencyQuantile, 0.5, 0.999, "analysis.latencyQuantile: write a quantile from 0.5 to 0.999, such as 0.95"},
		{how.Analysis.MaxLatencyIncrease, 0.01, 10, "analysis.maxLatencyIncrease: write a share from 0.01 to 10, such as 0.2"},
	} {
		if n.value != 0 && (n.value < n.least || n.value > n.most) { // 0 was left out
			return refused(suokev1.ReasonInvalid, "%s", n.says)
		}
	}
	return accepted()
}

// describes returns the ModelVersion that counts for a version of a model: a person's before a generated one, and of
// two the older.
func describes(all []suokev1.ModelVersion, model, version string) *suokev1.ModelVersion {
	var best *suokev1.ModelVersion
	for i := range all {
		v := &all[i]
		if v.Spec.ModelRef != model || v.Spec.Version != version || !v.DeletionTimestamp.IsZero() {
			continue
		}
		if best == nil || before(v, best) {
			best = v
		}
	}
	return best
}

func before(a, b *suokev1.ModelVersion) bool {
	if generated(a) != generated(b) {
		return !generated(a)
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// enabled reads a field whose default is true.
func enabled(field *bool) bool { return field == nil || *field }
