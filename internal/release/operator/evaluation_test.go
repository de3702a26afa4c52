package operator_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
)

// twoProtocols is a runtime table with a runtime of each protocol.
func twoProtocols(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runtimes.yaml")
	if err := os.WriteFile(file, []byte(`runtimes:
- {name: numbers, frameworks: [onnx], modelTypes: [classification, regression], image: numbers,
   args: ["--version={version}"], readyPath: /ready, terminationGracePeriodSeconds: 1}
- {name: texts, protocol: openai, frameworks: [huggingface], modelTypes: [llm, embedding], image: texts,
   args: ["--served-model-name={model}", "--version={version}"], readyPath: /ready, terminationGracePeriodSeconds: 1}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// newTextSystem has both runtimes.
func newTextSystem(t *testing.T) *system {
	t.Helper()
	s := newSystem(t)
	s.stop()
	s.runtimes = twoProtocols(t)
	s.start()
	for _, version := range []string{"v1", "v2"} {
		s.registry.hold("models/digits:" + version)
	}
	return s
}

// told is how the evaluation of a language model on text ends.
func told(bitsPerByte float64) ending {
	return result(evaluate.Result{Task: evaluate.Language, Rows: 100, Metrics: evaluate.Metrics{BitsPerByte: &bitsPerByte}})
}

func result(r evaluate.Result) ending {
	text, err := r.Encode()
	if err != nil {
		panic(err)
	}
	return ending{0, string(text)}
}

// asLanguageModel makes an llm of a model, held to its bits per byte.
func asLanguageModel(m *suokev1.AIModelSpec) {
	m.ModelType, m.Framework = suokev1.ModelTypeLLM, suokev1.FrameworkHuggingFace
	m.Validation.Metrics = suokev1.Thresholds{BitsPerByte: new(0.9)}
}

// evaluationOf is what the evaluation of a version was told.
func (s *system) evaluationOf(version string) (args []string) {
	s.get(func(k *cluster) { args = k.asked[version] })
	return args
}

func TestALanguageModelIsEvaluatedOverTheProtocolOfItsRuntime(t *testing.T) {
	s := newTextSystem(t)
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"] = told(0.8), told(1.2) })
	s.model(asLanguageModel)
	status := s.untilModel("v1 to serve", serving("v1"))
	if r := status.ValidationResults; r == nil || !r.Passed || r.Metrics.BitsPerByte == nil || *r.Metrics.BitsPerByte != 0.8 {
		t.Errorf("validation results of v1: %s", text(r))
	}
	if args := s.evaluationOf("v1"); !slices.Contains(args, "--task=language") || !slices.Contains(args, "--protocol=openai") || !slices.Contains(args, "--version=v1") {
		t.Errorf("v1 was evaluated by %v", args)
	}

	s.want("v2")
	status = s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationFailed))
	if said, want := status.Message, "bitsPerByte 1.200 is above 0.9 by 0.300"; status.StableVersion != "v1" || !strings.Contains(said, want) {
		t.Errorf("it says %q; want %q in it", said, want)
	}
	if args := s.evaluationOf("v2"); !slices.Contains(args, "--stable-version=v1") || !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--stable-endpoint=http://") }) {
		t.Errorf("v2 was evaluated by %v", args)
	}
}

func TestAStatusCountsLabelledPromptsAndTexts(t *testing.T) {
	s := newTextSystem(t)
	s.set(func(k *cluster) {
		k.evaluated["v1"] = result(evaluate.Result{Task: evaluate.Language, Rows: 2020, Texts: 2000, Metrics: evaluate.Metrics{Accuracy: new(0.95), BitsPerByte: new(0.8)}})
	})
	s.model(asLanguageModel)
	status := s.untilModel("v1 to serve", serving("v1"))
	if r := status.ValidationResults; r == nil || r.Rows != 2020 || r.Texts != 2000 {
		t.Errorf("validation results: %s", text(r))
	}
	validated := meta.FindStatusCondition(status.Conditions, suokev1.ConditionValidated)
	if want := "bitsPerByte 0.800 on 2000 texts holds against 0.9"; validated == nil || validated.Message != want {
		t.Errorf("Validated is %+v\nwant %q", validated, want)
	}
}

// The time that a release has to get ready is not that of an evaluation, which says by itself when it takes too long.
func TestAnEvaluationThatRunsOutlivesTheDeadline(t *testing.T) {
	const deadline = 4 * time.Second
	s := served(t)
	s.stop()
	s.deadline = deadline
	s.start()
	s.set(func(k *cluster) { delete(k.evaluated, "v2"); k.evaluating["v2"] = true })
	s.want("v2")
	status := s.untilModel("v2 to be evaluated", condition(suokev1.ConditionValidated, metav1.ConditionUnknown, suokev1.ReasonEvaluating))
	begun := meta.FindStatusCondition(status.Conditions, suokev1.ConditionValidated).LastTransitionTime
	s.until("more than the deadline to pass", func() (bool, string) {
		return time.Since(begun.Time) > 2*deadline, text(begun)
	})
	if v2 := s.untilModel("what is", func(suokev1.AIModelStatus) bool { return true }); v2.CandidateVersion != "v2" {
		t.Fatalf("v2 is given up: %s", describe(v2))
	}

	late := result(evaluate.Result{Error: "the time for the evaluation was up after 192 of 320 passages; push a smaller data set"})
	late.code = 1
	s.set(func(k *cluster) { k.evaluated["v2"] = late })
	status = s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonEvaluationError))
	if !strings.Contains(status.Message, "after 192 of 320 passages") {
		t.Errorf("it says %q", status.Message)
	}
}

// An evaluation whose Pod does not come up is given up at the deadline.
func TestAnEvaluationThatDoesNotBeginIsGivenUp(t *testing.T) {
	s := served(t)
	s.stop()
	s.deadline = 4 * time.Second
	s.start()
	s.set(func(k *cluster) { delete(k.evaluated, "v2") })
	s.want("v2")
	status := s.untilModel("v2 to be refused", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonProgressDeadline))
	if !strings.Contains(status.Message, "its evaluation had not begun") {
		t.Errorf("it says %q", status.Message)
	}
}

func TestVersionsOfTwoProtocolsAreNotCompared(t *testing.T) {
	s := newTextSystem(t)
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"] = passes, told(0.8) })
	s.model(nil)
	s.untilModel("v1 to serve", serving("v1"))
	s.edit(func(m *suokev1.AIModel) {
		m.Spec.Version = "v2"
		asLanguageModel(&m.Spec)
	})
	s.untilModel("v2 to serve", serving("v2"))
	if args := s.evaluationOf("v2"); !slices.Contains(args, "--protocol=openai") || slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--stable-endpoint") }) {
		t.Errorf("v2 was evaluated by %v", args)
	}
}

// The thresholds are those of the user's own example, on a regression.
func TestClassesAskedOfARegressionNeedADataSetThatNamesBands(t *testing.T) {
	errors := evaluate.Metrics{RMSE: new(50.), MAE: new(40.), R2: new(0.5)}
	classes := errors
	classes.Accuracy, classes.Precision, classes.Recall, classes.F1Score = new(0.9), new(0.9), new(0.9), new(0.9)
	s := newTextSystem(t)
	s.set(func(k *cluster) {
		k.evaluated["v1"] = result(evaluate.Result{Task: evaluate.Regression, Rows: 100, Metrics: errors})
		k.evaluated["v2"] = result(evaluate.Result{Task: evaluate.Regression, Rows: 100, Metrics: classes})
	})
	s.model(func(m *suokev1.AIModelSpec) {
		m.ModelType = suokev1.ModelTypeRegression
		m.Validation.Metrics = suokev1.Thresholds{Accuracy: new(0.85), Precision: new(0.83), Recall: new(0.86), F1Score: new(0.84)}
	})
	status := s.untilModel("v1 to be refused", func(status suokev1.AIModelStatus) bool { return status.Phase == suokev1.ModelFailed })
	const want = "accuracy, precision, recall and f1Score cannot be measured on this data set: it names no bands; write rmse, mae or r2, or push it under a new tag with bands.json"
	validated := meta.FindStatusCondition(status.Conditions, suokev1.ConditionValidated)
	if validated == nil || validated.Reason != suokev1.ReasonEvaluationFailed || !strings.Contains(validated.Message, want) {
		t.Errorf("Validated is %+v\nwant %q in it", validated, want)
	}
	s.want("v2")
	if status := s.untilModel("v2 to serve", serving("v2")); status.ValidationResults.Metrics.RMSE == nil {
		t.Errorf("validation results of v2: %s", text(status.ValidationResults))
	}
}

func TestWhatCannotBeEvaluatedIsNotAccepted(t *testing.T) {
	t.Parallel()
	runtimes, err := profile.LoadRuntimes(twoProtocols(t))
	if err != nil {
		t.Fatal(err)
	}
	around := operator.Surroundings{Agents: profile.Embedded(), Runtimes: runtimes}
	four := suokev1.Thresholds{Accuracy: new(0.9), Precision: new(0.9), Recall: new(0.9), F1Score: new(0.9)}
	const honoured = "every field can be honoured"
	for name, c := range map[string]struct {
		kind    suokev1.ModelType
		runtime string
		metrics suokev1.Thresholds
		want    string
	}{
		"an llm held to labels":              {suokev1.ModelTypeLLM, "texts", four, honoured},
		"an llm held to bits":                {suokev1.ModelTypeLLM, "texts", suokev1.Thresholds{BitsPerByte: new(1.)}, honoured},
		"an llm held to errors":              {suokev1.ModelTypeLLM, "texts", suokev1.Thresholds{RMSE: new(1.)}, "validation.metrics asks for rmse of a language model, which has none; write bitsPerByte, or accuracy"},
		"an llm on rows of numbers":          {suokev1.ModelTypeLLM, "numbers", four, "validation: runtime numbers speaks oip, but a language model is evaluated over the protocol openai"},
		"a classification as texts":          {suokev1.ModelTypeClassification, "texts", four, "validation: runtime texts speaks openai, but a classification is evaluated over the protocol oip, on rows of numbers, and not over openai; choose a runtime of protocol oip, or modelType llm with a data set of labelled prompts; or set validation.enabled: false"},
		"a diagnosis as texts":               {suokev1.ModelTypeTCMDiagnosis, "texts", four, "validation: runtime texts speaks openai, but a classification is evaluated over the protocol oip"},
		"a regression held to classes":       {suokev1.ModelTypeRegression, "numbers", four, honoured},
		"a regression held to bits":          {suokev1.ModelTypeRegression, "numbers", suokev1.Thresholds{BitsPerByte: new(1.)}, "validation.metrics asks for bitsPerByte of a regression, which has none; write rmse, mae or r2"},
		"a classification held to bits":      {suokev1.ModelTypeClassification, "numbers", suokev1.Thresholds{BitsPerByte: new(1.)}, "validation.metrics asks for bitsPerByte of a classification, which has none; write accuracy, precision, recall or f1Score"},
		"an embedding, whatever the runtime": {suokev1.ModelTypeEmbedding, "texts", suokev1.Thresholds{}, "validation: a model of modelType embedding cannot be evaluated; set validation.enabled: false to serve it unproved"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: "m"}, Spec: suokev1.AIModelSpec{
				Version: "v1", AgentType: "xiaoai", ModelType: c.kind, Runtime: &suokev1.Runtime{Name: c.runtime},
				Repository: suokev1.Repository{URL: "oci://r/models/m"}, Monitoring: suokev1.Monitoring{HealthCheckPath: "/health"},
				Validation: suokev1.Validation{TestDataset: "/data/xiaoai-test-dataset", Metrics: c.metrics},
			}}
			if v := operator.AcceptModel(m, around); !strings.Contains(v.Message, c.want) {
				t.Errorf("%+v, want %s", v, c.want)
			}
			m.Spec.Validation.Enabled = new(false)
			if v := operator.AcceptModel(m, around); !v.Accepted {
				t.Errorf("without an evaluation: %+v", v)
			}
		})
	}
}

// A runtime's protocol is handed to the evaluation by its name.
func TestEveryProtocolOfARuntimeIsOneOfAnEvaluation(t *testing.T) {
	t.Parallel()
	for _, p := range []profile.Protocol{profile.ProtocolOIP, profile.ProtocolOpenAI} {
		if got, err := evaluate.ParseProtocol(string(p)); err != nil || string(got) != string(p) {
			t.Errorf("%s is %s, %v", p, got, err)
		}
	}
}
