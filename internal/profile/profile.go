// Package profile holds what the system knows about its agents and runtimes as data: names, scaling, sizes, and the
// model that each agent asks. It promises that a Profile which Parse or Load returned passed every check, so that its
// readers need none. It does no I/O but reading the one file that it is given, and knows no cluster.
package profile

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The sizes that every agent has: production's, and one for a cluster on a laptop.
const (
	Production = "production"
	Local      = "local"
)

// maxBytes bounds a profile file; a ConfigMap cannot hold more.
const maxBytes = 1 << 20

//go:embed agents.yaml
var embedded []byte

// Profile is all agents, in the order in which they are shown.
type Profile struct {
	Agents []Agent `json:"agents"`
}

// Agent is one agent: everything that is rendered, scaled, counted or asked for it.
type Agent struct {
	// Name is the agent's short name and its AIModels' agentType: xiaoai.
	Name string `json:"name"`
	// ChineseName and Role are for people.
	ChineseName string `json:"chineseName"`
	Role        string `json:"role"`
	// Deployment names the agent's Deployment, its Service, its HPA's and VPA's target.
	Deployment string `json:"deployment"`
	// Port of the agent's container and Service.
	Port int32 `json:"port"`
	// Model is the AIModel that the agent asks through the router.
	Model string `json:"model"`
	// Replicas are the HPA's bounds.
	Replicas Range `json:"replicas"`
	// Targets are the HPA's resource targets, in percent of the requests.
	Targets Targets `json:"targets"`
	// Metric is the HPA's own metric of the agent.
	Metric Metric `json:"metric"`
	// Behavior is the HPA's, as it stands in its spec.
	Behavior autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior"`
	// Sizes by profile: Production and Local.
	Sizes map[string]Size `json:"sizes"`
}

// Range is a closed range of whole numbers.
type Range struct {
	Min int32 `json:"min"`
	Max int32 `json:"max"`
}

// Targets are average use in percent of the requests.
type Targets struct {
	CPU    int32 `json:"cpu"`
	Memory int32 `json:"memory"`
}

// Metric is a counter of the agent's Pods and the rate by which the HPA sees it.
type Metric struct {
	// Name under which custom.metrics.k8s.io serves the rate: ai_inference_requests_per_second.
	Name string `json:"name"`
	// Counter on the Pods' /metrics: ai_inference_requests_total.
	Counter string `json:"counter"`
	// Target is the wanted average per Pod, in requests per second.
	Target int32 `json:"target"`
	// Description for people.
	Description string `json:"description"`
}

// Size is an agent's resources and the bounds within which VPA may move them.
type Size struct {
	// Resources of the agent's container.
	Resources corev1.ResourceRequirements `json:"resources"`
	// Vertical bounds, of the agent's container and of its model's server.
	Vertical Vertical `json:"vertical"`
}

// Vertical are the bounds of vertical scaling.
type Vertical struct {
	Agent       Bounds `json:"agent"`
	ModelServer Bounds `json:"modelServer"`
}

// Bounds are the least and most that a container may be given.
type Bounds struct {
	// Container is the part's name among the agent's own, for people; empty for the agent's container.
	Container  string              `json:"container,omitempty"`
	MinAllowed corev1.ResourceList `json:"minAllowed"`
	MaxAllowed corev1.ResourceList `json:"maxAllowed"`
	// GPUs that the part may use. No VPA controls them.
	GPUs *Range `json:"gpus,omitempty"`
}

// Embedded returns the profile that this binary was built with.
func Embedded() *Profile {
	p, err := Parse(embedded)
	if err != nil {
		panic("the embedded agents.yaml is wrong: " + err.Error())
	}
	return p
}

// EmbeddedYAML returns the text of the profile that this binary was built with.
func EmbeddedYAML() []byte { return bytes.Clone(embedded) }

// Load reads the profile from a file; an empty name means the embedded one.
func Load(file string) (*Profile, error) {
	if file == "" {
		return Embedded(), nil
	}
	data, err := ReadYAML(file)
	if err != nil {
		return nil, err
	}
	p, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// ReadYAML returns a profile's text from a file, unchecked; an empty name means the embedded one.
func ReadYAML(file string) ([]byte, error) {
	if file == "" {
		return EmbeddedYAML(), nil
	}
	f, err := os.Open(file) //nolint:gosec // the file is the operator's own choice
	if err != nil {
		return nil, fmt.Errorf("reading the agents' profile: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the agents' profile: %w", err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s: a profile has at most %d bytes", file, maxBytes)
	}
	return data, nil
}

// Parse reads a profile and checks it. Unknown fields are errors, so that a misspelt one is not ignored.
func Parse(data []byte) (*Profile, error) {
	var p Profile
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		return nil, fmt.Errorf("parsing the agents' profile: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &p, nil
}

// Agent returns the agent of that name.
func (p *Profile) Agent(name string) (Agent, bool) {
	for _, a := range p.Agents {
		if a.Name == name {
			return a, true
		}
	}
	return Agent{}, false
}

// Names lists the agents' names in the profile's order.
func (p *Profile) Names() []string {
	names := make([]string, len(p.Agents))
	for i, a := range p.Agents {
		names[i] = a.Name
	}
	return names
}
