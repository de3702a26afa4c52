package profile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/profile"
)

func TestRuntimeOfAModel(t *testing.T) {
	table, err := profile.LoadRuntimes("")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		runtime   string
		framework suokev1.Framework
		modelType suokev1.ModelType
		want, err string
	}{
		"by framework and model type":    {"", suokev1.FrameworkONNX, suokev1.ModelTypeTCMDiagnosis, "onnxruntime", ""},
		"by name":                        {"onnxruntime", suokev1.FrameworkPyTorch, suokev1.ModelTypeLLM, "onnxruntime", ""},
		"none serves it":                 {"", suokev1.FrameworkPyTorch, suokev1.ModelTypeLLM, "", "no runtime serves framework pytorch with modelType llm; known: onnxruntime (onnx: classification"},
		"there is none called like that": {"cuda", suokev1.FrameworkONNX, suokev1.ModelTypeRegression, "", "no runtime is called cuda; known: onnxruntime"},
	} {
		t.Run(name, func(t *testing.T) {
			rt, err := table.Select(c.runtime, c.framework, c.modelType)
			if rt.Name != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %q, %v; want %q, %q", rt.Name, err, c.want, c.err)
			}
		})
	}
}

func TestARuntimeSpeaksTheOpenInferenceProtocolUnlessItSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "runtimes.yaml")
	const rest = ", image: i, readyPath: /r, terminationGracePeriodSeconds: 1}"
	table := "runtimes: [{name: none" + rest + ", {name: oip, protocol: oip" + rest + ", {name: openai, protocol: openai" + rest + "]"
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	runtimes, err := profile.LoadRuntimes(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]profile.Protocol{"none": profile.ProtocolOIP, "oip": profile.ProtocolOIP, "openai": profile.ProtocolOpenAI} {
		if rt, err := runtimes.Select(name, "", ""); err != nil || rt.Protocol != want {
			t.Errorf("%s speaks %q, %v", name, rt.Protocol, err)
		}
	}
}

func TestFillingARuntime(t *testing.T) {
	rt := profile.Runtime{Image: "{imagePrefix}/server:{imageTag}", Args: []string{"--name={model}", "--v={version}", "--port={port}", "--health={healthPath}", "--metrics={metrics}"}}
	image, args := rt.Fill(profile.Filling{ImagePrefix: "p", ImageTag: "t", Model: "m", Version: "v1", Port: 8081, HealthPath: "/h", Metrics: true})
	if image != "p/server:t" {
		t.Errorf("image %s", image)
	}
	if diff := cmp.Diff([]string{"--name=m", "--v=v1", "--port=8081", "--health=/h", "--metrics=true"}, args); diff != "" {
		t.Error(diff)
	}
}

func TestWrongRuntimeTablesSayWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"a field there is not":     {"runtimes: [{nam: x}]", "unknown field"},
		"a name in capitals":       {"runtimes: [{name: X}]", "runtimes[0].name: write a name of its own"},
		"a protocol of none":       {"runtimes: [{name: x, protocol: grpc}]", `runtimes[0].protocol: write oip or openai, not "grpc"`},
		"no image":                 {"runtimes: [{name: x}]", "runtimes[0].image: write the model server's image"},
		"a relative ready path":    {"runtimes: [{name: x, readyPath: r}]", "runtimes[0].readyPath: write a path"},
		"no time to drain":         {"runtimes: [{name: x}]", "terminationGracePeriodSeconds: write at least 1"},
		"the same name once again": {"runtimes: [{name: x}, {name: x}]", "runtimes[1].name: write a name of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "runtimes.yaml")
			if err := os.WriteFile(file, []byte(c.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := profile.LoadRuntimes(file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
