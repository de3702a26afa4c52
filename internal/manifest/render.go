package manifest

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/suoke-life/suoke/internal/profile"
)

// File names, as they stand in k8s/.
const (
	DeploymentFile = "deployment.yaml"
	ServiceFile    = "service.yaml"
	IngressFile    = "ingress.yaml"
	HPAFile        = "hpa-agents.yaml"
	VPAFile        = "vpa-agents.yaml"
	CRDFile        = "ai-model-version-crd.yaml"
	ExamplesFile   = "ai-model-examples.yaml"
	DashboardFile  = "monitoring-dashboard.yaml"
)

// crdHeader stands above the CRDs, which the rest of the file's makers know nothing of.
const crdHeader = "# The custom resources AIModel, ModelVersion and ModelRegistry; generated from api/v1.\n"

//go:embed templates
var templates embed.FS

// File is one rendered file.
type File struct {
	Name string
	Data []byte
}

// Render makes every file for one size of the profile (profile.Production or profile.Local). agentsYAML is the
// profile's text, which becomes the ConfigMap that the running processes read.
func Render(agentsYAML []byte, size string) ([]File, error) {
	if size != profile.Production && size != profile.Local {
		return nil, fmt.Errorf("profile %q: write %s or %s", size, profile.Production, profile.Local)
	}
	agents, err := profile.Parse(agentsYAML)
	if err != nil {
		return nil, err
	}
	v, err := newView(agents, agentsYAML, size)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range []string{DeploymentFile, ServiceFile, IngressFile, HPAFile, VPAFile} {
		data, err := execute(name, v)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: name, Data: data})
	}
	crds, err := templates.ReadFile("templates/" + CRDFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CRDs: %w", err)
	}
	examples, err := templates.ReadFile("templates/ai-model-examples." + size + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the examples: %w", err)
	}
	dashboard, err := dashboardConfigMap(agents)
	if err != nil {
		return nil, err
	}
	return append(files,
		File{Name: CRDFile, Data: append([]byte(crdHeader), crds...)},
		File{Name: ExamplesFile, Data: examples},
		File{Name: DashboardFile, Data: dashboard},
	), nil
}

// Write puts files into a directory, which it makes if need be. A file whose content is there already is left alone.
func Write(dir string, files []File) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // manifests are for everybody to read
		return fmt.Errorf("making %s: %w", dir, err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		old, err := os.ReadFile(path) //nolint:gosec // the directory is the caller's own choice
		if err == nil && bytes.Equal(old, f.Data) {
			continue
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil { //nolint:gosec // manifests are for everybody to read
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return nil
}

// view is what the templates see.
type view struct {
	Local           bool
	Agents          []agentView
	AgentPorts      []int32
	AgentsYAML      string
	ProfileChecksum string
}

// agentView is an agent at one size, with its quantities as they are written.
type agentView struct {
	profile.Agent
	ProfileChecksum           string
	CPURequest, MemoryRequest string
	CPULimit, MemoryLimit     string
	CPUTarget, MemoryTarget   string
	CPULeast, MemoryLeast     string
	CPUMost, MemoryMost       string
	BehaviorYAML, Budget      string
}

func newView(agents *profile.Profile, agentsYAML []byte, size string) (*view, error) {
	sum := sha256.Sum256(agentsYAML)
	v := &view{
		Local:           size == profile.Local,
		AgentsYAML:      strings.TrimRight(string(agentsYAML), "\n"),
		ProfileChecksum: hex.EncodeToString(sum[:6]),
	}
	for _, a := range agents.Agents {
		behavior, err := yaml.Marshal(a.Behavior)
		if err != nil {
			return nil, fmt.Errorf("agent %s: writing its behavior: %w", a.Name, err)
		}
		s := a.Sizes[size]
		cpu, memory := s.Resources.Requests.Cpu(), s.Resources.Requests.Memory()
		budget := "maxUnavailable: 1"
		if a.Replicas.Min == 1 {
			budget = "minAvailable: 1"
		}
		v.Agents = append(v.Agents, agentView{
			Agent: a, ProfileChecksum: v.ProfileChecksum,
			CPURequest: cpu.String(), MemoryRequest: memory.String(),
			CPULimit: s.Resources.Limits.Cpu().String(), MemoryLimit: s.Resources.Limits.Memory().String(),
			CPUTarget: cpuShare(*cpu, a.Targets.CPU), MemoryTarget: memoryShare(*memory, a.Targets.Memory),
			CPULeast: s.Vertical.Agent.MinAllowed.Cpu().String(), MemoryLeast: s.Vertical.Agent.MinAllowed.Memory().String(),
			CPUMost: s.Vertical.Agent.MaxAllowed.Cpu().String(), MemoryMost: s.Vertical.Agent.MaxAllowed.Memory().String(),
			BehaviorYAML: strings.TrimRight(string(behavior), "\n"), Budget: budget,
		})
		if !slices.Contains(v.AgentPorts, a.Port) {
			v.AgentPorts = append(v.AgentPorts, a.Port)
		}
	}
	return v, nil
}

func execute(name string, v *view) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{"dict": dict, "indent": indent}).
		ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parsing the templates: %w", err)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, name+".tmpl", v); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	return append(bytes.TrimSpace(out.Bytes()), '\n'), nil
}

// dict gives a template several values under names.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: write a value after each name")
	}
	values := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		values[name] = pairs[i+1]
	}
	return values, nil
}

// indent moves every line that is not empty to the right.
func indent(spaces int, text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = strings.Repeat(" ", spaces) + line
		}
	}
	return strings.Join(lines, "\n")
}
