package profile

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

//go:embed runtimes.yaml
var embeddedRuntimes []byte

const (
	// ModelMetric is how many requests a second a model server's Pod gets, as custom.metrics.k8s.io serves it.
	ModelMetric = "model_requests_per_second"
	// AnnotationRequestsCounter of a version's HPA is the metric at its Pods that counts them.
	AnnotationRequestsCounter = "suoke.life/requests-counter"
	// AnnotationMetricsPort is the port at which a Pod exports its metrics.
	AnnotationMetricsPort = "prometheus.io/port"
)

// Runtimes is the table of model servers, in the order of preference.
type Runtimes struct {
	Runtimes []Runtime `json:"runtimes"`
}

// Protocol is how a model server is asked when a version is evaluated.
type Protocol string

// The protocols.
const (
	// ProtocolOIP is the Open Inference Protocol v2.
	ProtocolOIP Protocol = "oip"
	// ProtocolOpenAI is the API of OpenAI.
	ProtocolOpenAI Protocol = "openai"
)

// Runtime is one kind of model server: how it is started, asked and stopped.
type Runtime struct {
	// Name by which spec.runtime.name selects it.
	Name string `json:"name"`
	// Description for people.
	Description string `json:"description,omitempty"`
	// Frameworks and ModelTypes that it serves.
	Frameworks []suokev1.Framework `json:"frameworks"`
	ModelTypes []suokev1.ModelType `json:"modelTypes"`
	// Protocol that it speaks; ProtocolOIP if none is written.
	Protocol Protocol `json:"protocol,omitempty"`
	// Image and Args, with {imagePrefix} {imageTag} {model} {version} {port} {healthPath} {metrics} to be replaced.
	Image string   `json:"image"`
	Args  []string `json:"args,omitempty"`
	// ReadyPath answers 200 while the server should get requests.
	ReadyPath string `json:"readyPath"`
	// MayReask says that a request may be asked again of another version when this one fails it.
	MayReask bool `json:"mayReask"`
	// RequestsCounter is the metric at /metrics that counts requests, summed over its labels. Without one the runtime's models
	// cannot be scaled by their requests.
	RequestsCounter string `json:"requestsCounter,omitempty"`
	// TerminationGracePeriodSeconds bounds how long the server drains.
	TerminationGracePeriodSeconds int64 `json:"terminationGracePeriodSeconds"`
	// SecurityContext and Volumes replace the restricted ones where a foreign image cannot do with them.
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	Volumes         []corev1.Volume         `json:"volumes,omitempty"`
	VolumeMounts    []corev1.VolumeMount    `json:"volumeMounts,omitempty"`
}

// Filling is what a Runtime's image and arguments are filled with.
type Filling struct {
	ImagePrefix, ImageTag string
	Model, Version        string
	Port                  int32
	HealthPath            string
	Metrics               bool
}

// LoadRuntimes reads the table from a file; an empty name means the embedded one.
func LoadRuntimes(file string) (*Runtimes, error) {
	data := embeddedRuntimes
	if file != "" {
		read, err := os.ReadFile(file) //nolint:gosec // the file is the operator's own choice
		if err != nil {
			return nil, fmt.Errorf("reading the runtime table: %w", err)
		}
		data = read
	}
	var r Runtimes
	if err := yaml.UnmarshalStrict(data, &r); err != nil {
		return nil, fmt.Errorf("parsing the runtime table: %w", err)
	}
	for i := range r.Runtimes {
		r.Runtimes[i].Protocol = cmp.Or(r.Runtimes[i].Protocol, ProtocolOIP)
	}
	return &r, r.check()
}

// check reports everything that is wrong, each with what to write.
func (r *Runtimes) check() error {
	var wrong []error
	seen := map[string]bool{}
	for i, rt := range r.Runtimes {
		where := fmt.Sprintf("runtimes[%d]", i)
		if len(validation.IsDNS1123Label(rt.Name)) != 0 || seen[rt.Name] {
			wrong = append(wrong, fmt.Errorf("%s.name: write a name of its own in lower case, such as onnxruntime", where))
		}
		seen[rt.Name] = true
		if rt.Protocol != ProtocolOIP && rt.Protocol != ProtocolOpenAI {
			wrong = append(wrong, fmt.Errorf("%s.protocol: write %s or %s, not %q", where, ProtocolOIP, ProtocolOpenAI, rt.Protocol))
		}
		if rt.Image == "" {
			wrong = append(wrong, fmt.Errorf("%s.image: write the model server's image", where))
		}
		if !strings.HasPrefix(rt.ReadyPath, "/") {
			wrong = append(wrong, fmt.Errorf("%s.readyPath: write a path that begins with '/'", where))
		}
		if rt.TerminationGracePeriodSeconds < 1 {
			wrong = append(wrong, fmt.Errorf("%s.terminationGracePeriodSeconds: write at least 1", where))
		}
	}
	return errors.Join(wrong...)
}

// Select returns the runtime of that name, or without a name the first that serves the framework and model type. The
// error says which there are.
func (r *Runtimes) Select(name string, framework suokev1.Framework, modelType suokev1.ModelType) (Runtime, error) {
	for _, rt := range r.Runtimes {
		if name == rt.Name || name == "" && rt.serves(framework, modelType) {
			return rt, nil
		}
	}
	if name != "" {
		return Runtime{}, fmt.Errorf("runtime.name: no runtime is called %s; known: %s", name, r)
	}
	return Runtime{}, fmt.Errorf("no runtime serves framework %s with modelType %s; known: %s", framework, modelType, r)
}

func (rt Runtime) serves(framework suokev1.Framework, modelType suokev1.ModelType) bool {
	return slices.Contains(rt.Frameworks, framework) && slices.Contains(rt.ModelTypes, modelType)
}

// String lists the runtimes with what they serve.
func (r *Runtimes) String() string {
	known := make([]string, len(r.Runtimes))
	for i, rt := range r.Runtimes {
		known[i] = fmt.Sprintf("%s (%s: %s)", rt.Name, join(rt.Frameworks), join(rt.ModelTypes))
	}
	return strings.Join(known, ", ")
}

func join[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}

// Fill returns the image and the arguments of one version.
func (rt Runtime) Fill(f Filling) (image string, args []string) {
	fill := strings.NewReplacer(
		"{imagePrefix}", f.ImagePrefix, "{imageTag}", f.ImageTag,
		"{model}", f.Model, "{version}", f.Version,
		"{port}", strconv.Itoa(int(f.Port)), "{healthPath}", f.HealthPath,
		"{metrics}", strconv.FormatBool(f.Metrics),
	).Replace
	for _, arg := range rt.Args {
		args = append(args, fill(arg))
	}
	return fill(rt.Image), args
}
