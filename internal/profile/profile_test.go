package profile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/profile"
)

// numbers are an agent's, in the words of the requirements.
type numbers struct {
	Name, ChineseName, Deployment, Model string
	Replicas                             string
	CPU, Memory                          int32
	Metric, Counter                      string
	Target                               int32
	Down, Up                             string
	Agent, ModelServer                   string
}

func TestTheUsersNumbersInProduction(t *testing.T) {
	want := []numbers{
		{
			"xiaoai", "小艾", "xiaoai-agent", "xiaoai-llm-model", "2–10", 70, 80,
			"ai_inference_requests_per_second", "ai_inference_requests_total", 30,
			"300 s: 10 Percent/60 s", "60 s: Max of 50 Percent/60 s, 2 Pods/60 s",
			"1 4Gi to 8 32Gi", "2 8Gi to 16 64Gi, GPUs 1–4",
		},
		{
			"xiaoke", "小克", "xiaoke-agent", "xiaoke-health-analysis", "2–8", 75, 85,
			"health_analysis_requests_per_second", "health_analysis_requests_total", 25,
			"300 s: 15 Percent/60 s", "45 s: Max of 60 Percent/60 s, 2 Pods/60 s",
			"500m 2Gi to 4 16Gi", "1 4Gi to 8 32Gi",
		},
		{
			"laoke", "老克", "laoke-agent", "laoke-tcm-diagnosis", "1–6", 80, 90,
			"tcm_diagnosis_requests_per_second", "tcm_diagnosis_requests_total", 20,
			"600 s: 20 Percent/120 s", "30 s: Max of 100 Percent/60 s, 1 Pods/60 s",
			"1 4Gi to 6 24Gi", "2 8Gi to 12 48Gi, GPUs 0–2",
		},
		{
			"soer", "索儿", "soer-agent", "soer-wellness-recommender", "1–5", 70, 80,
			"wellness_recommendations_per_second", "wellness_recommendations_total", 15,
			"300 s: 25 Percent/90 s", "60 s: Max of 75 Percent/60 s, 1 Pods/60 s",
			"250m 1Gi to 2 8Gi", "500m 2Gi to 4 16Gi",
		},
	}
	var got []numbers
	for _, a := range profile.Embedded().Agents {
		vertical := a.Sizes[profile.Production].Vertical
		got = append(got, numbers{
			a.Name, a.ChineseName, a.Deployment, a.Model, fmt.Sprintf("%d–%d", a.Replicas.Min, a.Replicas.Max), a.Targets.CPU, a.Targets.Memory,
			a.Metric.Name, a.Metric.Counter, a.Metric.Target, rules(a.Behavior.ScaleDown), rules(a.Behavior.ScaleUp),
			bounds(vertical.Agent), bounds(vertical.ModelServer),
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func rules(r *autoscalingv2.HPAScalingRules) string {
	policies := make([]string, len(r.Policies))
	for i, p := range r.Policies {
		policies[i] = fmt.Sprintf("%d %s/%d s", p.Value, p.Type, p.PeriodSeconds)
	}
	text := fmt.Sprintf("%d s: ", *r.StabilizationWindowSeconds)
	if r.SelectPolicy != nil {
		text += string(*r.SelectPolicy) + " of "
	}
	return text + strings.Join(policies, ", ")
}

func bounds(b profile.Bounds) string {
	both := func(list corev1.ResourceList) string { return list.Cpu().String() + " " + list.Memory().String() }
	text := both(b.MinAllowed) + " to " + both(b.MaxAllowed)
	if b.GPUs != nil {
		text += fmt.Sprintf(", GPUs %d–%d", b.GPUs.Min, b.GPUs.Max)
	}
	return text
}

// agent is an entry that passes every check.
const agent = `
  - name: xiaowu
    chineseName: 小五
    role: the fifth
    deployment: xiaowu-agent
    port: 8080
    model: xiaowu-model
    replicas: {min: 1, max: 4}
    targets: {cpu: 70, memory: 80}
    metric: {name: fifth_requests_per_second, counter: fifth_requests_total, target: 10, description: requests}
    behavior:
      scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Percent, value: 10, periodSeconds: 60}]}
      scaleUp: {stabilizationWindowSeconds: 60, selectPolicy: Max, policies: [{type: Pods, value: 2, periodSeconds: 60}]}
    sizes:
      production: &size
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {cpu: "1", memory: 256Mi}}
        vertical:
          agent: {minAllowed: {cpu: 50m, memory: 64Mi}, maxAllowed: {cpu: "1", memory: 512Mi}}
          modelServer: {container: server, minAllowed: {cpu: 50m, memory: 64Mi}, maxAllowed: {cpu: "1", memory: 1Gi}, gpus: {min: 0, max: 1}}
      local: *size
`

func TestAFifthAgentIsOneEntry(t *testing.T) {
	p, err := profile.Parse(append(profile.EmbeddedYAML(), agent...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"xiaoai", "xiaoke", "laoke", "soer", "xiaowu"}, p.Names()); diff != "" {
		t.Error(diff)
	}
	if got, found := p.Agent("xiaowu"); !found || got.Metric.Counter != "fifth_requests_total" || got.Sizes[profile.Local].Vertical.ModelServer.GPUs.Max != 1 {
		t.Errorf("found %v: %+v", found, got)
	}
	if _, found := p.Agent("xiaoliu"); found {
		t.Error("an agent that is in no entry was found")
	}
}

func TestWrongProfilesSayWhatToWrite(t *testing.T) {
	const one = "agents:" + agent
	for sentence, c := range map[string]struct{ from, to, want string }{
		"a field there is not":                {"role:", "rule:", "unknown field"},
		"no name":                             {"name: xiaowu", `name: ""`, "agents[0]: name: write lower-case letters, digits and '-', such as xiaoai"},
		"a name in capitals":                  {"name: xiaowu", "name: XiaoWu", "name: write lower-case letters"},
		"no Deployment":                       {"deployment: xiaowu-agent", `deployment: ""`, "agent xiaowu: deployment: write lower-case letters, digits and '-', such as xiaowu-agent"},
		"no model":                            {"model: xiaowu-model", `model: ""`, "model: write the name of an AIModel, such as xiaowu-model"},
		"a port of the privileged":            {"port: 8080", "port: 80", "port: write a port from 1024 to 65535"},
		"a port beyond the last":              {"port: 8080", "port: 65536", "port: write a port from 1024 to 65535"},
		"no replicas at the least":            {"{min: 1, max: 4}", "{min: 0, max: 4}", "replicas: write min of at least 1 and max of at least min"},
		"fewer at the most than at the least": {"{min: 1, max: 4}", "{min: 2, max: 1}", "replicas: write min of at least 1"},
		"a CPU target of 0":                   {"cpu: 70", "cpu: 0", "targets.cpu: write a percentage from 1 to 100"},
		"a memory target of 101":              {"memory: 80", "memory: 101", "targets.memory: write a percentage from 1 to 100"},
		"a rate with a blank":                 {"fifth_requests_per_second", "fifth requests", "metric.name: write the rate's name"},
		"no counter":                          {"fifth_requests_total", `""`, "metric.counter: write the counter on the Pods' /metrics"},
		"a counter that every agent has":      {"fifth_requests_total", "suoke_agent_requests_total", "metric.counter: write the counter on the Pods' /metrics, such as ai_inference_requests_total; suoke_ is taken"},
		"a target of 0":                       {"target: 10", "target: 0", "metric.target: write the wanted requests per second and Pod, at least 1"},
		"no way down":                         {"scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Percent, value: 10, periodSeconds: 60}]}", "", "behavior.scaleDown: write stabilizationWindowSeconds and policies"},
		"no window":                           {"{stabilizationWindowSeconds: 300, ", "{", "behavior.scaleDown: stabilizationWindowSeconds: write 0 to 3600"},
		"a window that is too long":           {"Seconds: 300", "Seconds: 3601", "stabilizationWindowSeconds: write 0 to 3600"},
		"a selection there is not":            {"selectPolicy: Max", "selectPolicy: Most", "behavior.scaleUp: selectPolicy: write Max, Min, Disabled"},
		"no policies":                         {"[{type: Pods, value: 2, periodSeconds: 60}]", "[]", "behavior.scaleUp: policies: write at least one"},
		"a policy of another type":            {"type: Percent", "type: Share", "policies[0].type: write Pods or Percent"},
		"a policy that changes nothing":       {"value: 10", "value: 0", "policies[0].value: write at least 1"},
		"a period that is too long":           {"periodSeconds: 60}]}\n      scaleUp", "periodSeconds: 1801}]}\n      scaleUp", "policies[0].periodSeconds: write 1 to 1800"},
		"a size that is missing":              {"local: *size", "", "sizes.local: write its resources and vertical bounds"},
		"a size of another name":              {"local: *size", "local: *size\n      laptop: *size", "sizes.laptop: write production and local only"},
		"no request":                          {"requests: {cpu: 100m, ", "requests: {", "sizes.production: resources.requests.cpu: write how much; the HPA's target is a share of it"},
		"a limit below the request":           {"memory: 256Mi", "memory: 64Mi", "resources.limits.memory: write at least the request, 128Mi"},
		"a request outside its bounds":        {"{cpu: 50m, memory: 64Mi}, maxAllowed: {cpu: \"1\", memory: 512Mi}", "{cpu: 200m, memory: 64Mi}, maxAllowed: {cpu: \"1\", memory: 512Mi}", "resources.requests.cpu: write 200m to 1, the bounds in vertical.agent"},
		"a most below the least":              {"memory: 1Gi", "memory: 32Mi", "vertical.modelServer: memory: write minAllowed above 0 and maxAllowed of at least that"},
		"bounds of what VPA does not control": {"memory: 1Gi", "memory: 1Gi, nvidia.com/gpu: 1", "vertical.modelServer: nvidia.com/gpu: write cpu and memory only; GPUs go under gpus"},
		"fewer GPUs than the least":           {"{min: 0, max: 1}", "{min: 2, max: 1}", "vertical.modelServer: gpus: write min of at least 0 and max of at least min"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if strings.Count(one, c.from) == 0 {
				t.Fatalf("%q is not in the entry", c.from)
			}
			_, err := profile.Parse([]byte(strings.Replace(one, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestTwoAgentsMayNotBeMistakenForEachOther(t *testing.T) {
	twin := strings.NewReplacer("name: xiaowu", "name: xiaoliu", "xiaowu-agent", "xiaoliu-agent", "&size", "&other", "*size", "*other").Replace(agent)
	for sentence, c := range map[string]struct{ second, want string }{
		"the same metric":     {twin, "agent xiaoliu: metric.name fifth_requests_per_second: write one that agent xiaowu does not have"},
		"the same Deployment": {strings.ReplaceAll(strings.ReplaceAll(twin, "fifth", "sixth"), "xiaoliu-agent", "xiaowu-agent"), "agent xiaoliu: deployment xiaowu-agent: write one that agent xiaowu does not have"},
		"the same name":       {strings.ReplaceAll(strings.ReplaceAll(twin, "fifth", "sixth"), "name: xiaoliu", "name: xiaowu"), "agent xiaowu: name xiaowu: write one that agent xiaowu does not have"},
		"nothing":             {strings.ReplaceAll(twin, "fifth", "sixth"), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := profile.Parse([]byte("agents:" + agent + c.second))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := profile.Parse([]byte("agents:" + strings.NewReplacer("port: 8080", "port: 1", "target: 10", "target: 0").Replace(agent)))
	if err == nil || !strings.Contains(err.Error(), "port: ") || !strings.Contains(err.Error(), "metric.target: ") {
		t.Errorf("got %v, want both faults", err)
	}
}

func TestReadingAProfile(t *testing.T) {
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for sentence, c := range map[string]struct {
		file string
		want []string
		err  string
	}{
		"no file: the one that was built in": {"", []string{"xiaoai", "xiaoke", "laoke", "soer"}, ""},
		"a file takes its place":             {write("one.yaml", "agents:"+agent), []string{"xiaowu"}, ""},
		"a file that is not there":           {filepath.Join(t.TempDir(), "none.yaml"), nil, "reading the agents' profile: open "},
		"a file with nothing in it":          {write("empty.yaml", ""), nil, "empty.yaml: agents: write at least one agent"},
		"a file that is no YAML":             {write("text.yaml", "agents: ["), nil, "text.yaml: parsing the agents' profile: "},
		"a file that is too large":           {write("large.yaml", strings.Repeat("#", 1<<20+1)), nil, "large.yaml: a profile has at most 1048576 bytes"},
	} {
		t.Run(sentence, func(t *testing.T) {
			p, err := profile.Load(c.file)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %v, want %s", err, c.err)
			}
			if err == nil {
				if diff := cmp.Diff(c.want, p.Names()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}
