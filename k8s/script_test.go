package k8s_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/jsonpath"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// The test's binary is the script's kubectl, and its sleep.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case "kubectl":
		if err := answer(strings.Join(os.Args[1:], " ")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "sleep":
	default:
		os.Exit(m.Run())
	}
}

// answer is a cluster's to a command of kubectl: what the file $ANSWERS holds for its beginning, or nothing. A string is
// printed, an object goes through the command's jsonpath, and null is an error.
func answer(command string) error {
	text, err := os.ReadFile(os.Getenv("ANSWERS"))
	if err != nil {
		return err
	}
	var answers map[string]any
	if err := json.Unmarshal(text, &answers); err != nil {
		return err
	}
	for begin, value := range answers {
		if !strings.HasPrefix(command, begin) {
			continue
		}
		_, template, found := strings.Cut(command, "jsonpath=")
		switch said, plain := value.(string); {
		case value == nil:
			return fmt.Errorf("the server could not answer: %s", begin)
		case plain || !found:
			_, err := fmt.Fprintln(os.Stdout, said)
			return err
		}
		path := jsonpath.New(begin).AllowMissingKeys(true)
		if err := path.Parse(template); err != nil {
			return err
		}
		return path.Execute(os.Stdout, value)
	}
	return nil
}

// runScript returns what the script says when a cluster answers so.
func runScript(t *testing.T, answers map[string]any, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"kubectl", "sleep"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	answers["get --raw /version"] = `{"minor": "37"}`
	text, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "answers")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "./deploy-agents-autoscaling.sh", args...)
	// A program with the race detector in it waits for a second when it ends, unless it is told not to.
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "ANSWERS="+file, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	t.Logf("%v: %v", args, err)
	return string(out)
}

func model(name string, status suokev1.AIModelStatus) suokev1.AIModel {
	return suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: suokev1.AIModelSpec{Version: "v2"}, Status: status}
}

func registry(name string, connected bool, conditions ...metav1.Condition) suokev1.ModelRegistry {
	return suokev1.ModelRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     suokev1.ModelRegistryStatus{Connected: connected, Conditions: conditions},
	}
}

func condition(kind string, status metav1.ConditionStatus, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Message: message}
}

func TestVerifySaysWhatServesAndWhatDoesNot(t *testing.T) {
	accepted := condition(suokev1.ConditionAccepted, metav1.ConditionTrue, "every field can be honoured")
	failed := []metav1.Condition{accepted, condition(suokev1.ConditionDegraded, metav1.ConditionTrue, "accuracy")}
	unknown := []metav1.Condition{condition(suokev1.ConditionAccepted, metav1.ConditionFalse, "framework: no runtime | serves pytorch")}
	no := func(message string) []metav1.Condition {
		return []metav1.Condition{
			condition(suokev1.ConditionAccepted, metav1.ConditionFalse, message),
			condition(suokev1.ConditionConnected, metav1.ConditionFalse, message),
		}
	}
	out := runScript(t, map[string]any{
		"get aimodels": suokev1.AIModelList{Items: []suokev1.AIModel{
			model("serving", suokev1.AIModelStatus{Phase: suokev1.ModelReady, StableVersion: "v2", Conditions: []metav1.Condition{accepted}}),
			model("refused", suokev1.AIModelStatus{Phase: suokev1.ModelReady, StableVersion: "v1", Conditions: failed}),
			model("unusable", suokev1.AIModelStatus{Phase: suokev1.ModelPending, Conditions: unknown}),
			model("failed", suokev1.AIModelStatus{Phase: suokev1.ModelFailed, Conditions: []metav1.Condition{accepted}}),
			model("new", suokev1.AIModelStatus{}),
		}},
		"get modelregistries": suokev1.ModelRegistryList{Items: []suokev1.ModelRegistry{
			registry("central", true, accepted, condition(suokev1.ConditionConnected, metav1.ConditionTrue, "the endpoint answers")),
			registry("hub", false, no("no importer")...),
			registry("off", false, accepted, condition(suokev1.ConditionConnected, metav1.ConditionUnknown, "is not asked")),
			registry("away", false, accepted, condition(suokev1.ConditionConnected, metav1.ConditionFalse, "no such host")),
			registry("unseen", false),
		}},
	}, "verify")
	_, got, _ := strings.Cut(out, "\nModels\n")
	got, _, _ = strings.Cut(got, "\n\n")
	want := `  ok     serving: v2 serves
  note   refused serves v1; v2 was refused: kubectl describe aimodel refused -n suoke-life
  WRONG  unusable: framework: no runtime | serves pytorch
  WRONG  failed: v2 failed: kubectl describe aimodel failed -n suoke-life
  note   new: v2 is not looked at yet: kubectl describe aimodel new -n suoke-life
  ok     registry central is connected
  note   registry hub: no importer
  note   registry off: is not asked
  WRONG  registry away: no such host; kubectl logs -n suoke-life deployment/model-registry
  note   registry unseen was not looked at yet: kubectl describe modelregistry unseen -n suoke-life`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVerifySaysThatModelsCannotBeRead(t *testing.T) {
	out := runScript(t, map[string]any{"get aimodels": nil, "get modelregistries": nil}, "verify")
	for _, want := range []string{"WRONG  the models cannot be read", "WRONG  the registries cannot be read"} {
		if !strings.Contains(out, want) {
			t.Errorf("does not say %q: %s", want, out)
		}
	}
}

func TestCleanupRemovesTheNamespaceOnlyIfItIsKnownToBeEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		kinds, objects any
		want           string
	}{
		"nothing else is in it":      {"pods", "serviceaccount/default", "namespace deleted"},
		"something else is in it":    {"pods", "pod/mine", "namespace suoke-life stays: it holds\n  pod/mine"},
		"its kinds are not told":     {nil, "", "namespace suoke-life stays: what it holds cannot be listed"},
		"its objects cannot be told": {"pods", nil, "namespace suoke-life stays: what it holds cannot be listed"},
	} {
		t.Run(name, func(t *testing.T) {
			out := runScript(t, map[string]any{
				"get namespace suoke-life": "the script", "delete namespace suoke-life": "namespace deleted",
				"api-resources": c.kinds, "get pods": c.objects,
			}, "cleanup", "--yes")
			if !strings.Contains(out, c.want) {
				t.Errorf("does not say %q: %s", c.want, out)
			}
			if deleted := strings.Contains(out, "namespace deleted"); deleted != (c.want == "namespace deleted") {
				t.Errorf("deleted: %t", deleted)
			}
		})
	}
}
