package crash_test

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

var (
	good  = map[string]float64{"v1": 0.96, "v2": 0.97}
	worse = map[string]float64{"v1": 0.96, "v2": 0.8}
)

// stories are every strategy's, with each of its ends.
var stories = []story{
	firstVersion,
	{
		name: "rolling update, promoted", strategy: suokev1.StrategyRollingUpdate, release: warm(time.Second),
		evaluated: good, ends: promoted("Testing (Starting) Canary (StepHolding) Production (Promoted)"),
	},
	{
		name: "rolling update, rolled back", strategy: suokev1.StrategyRollingUpdate, release: warm(time.Second),
		evaluated: good, failsFrom: 50, shortOf: 1, ends: refused("ErrorRate", "EvaluationPassed", "Testing (Starting) Canary (StepHolding) Rollback (ErrorRate)"),
	},
	{
		name: "blue-green, promoted", strategy: suokev1.StrategyBlueGreen, release: warm(2 * time.Second),
		evaluated: good, ends: promoted("Testing (Starting) Production (Promoted)"),
	},
	{
		name: "blue-green, returned", strategy: suokev1.StrategyBlueGreen, release: warm(time.Hour),
		evaluated: good, failsFrom: 100, ends: returned("Testing (Starting) Production (Promoted) Rollback (ErrorRate)"),
	},
	{
		name: "rolling update, returned", strategy: suokev1.StrategyRollingUpdate, release: warm(time.Hour),
		evaluated: good, failsFrom: 100, ends: returned("Testing (Starting) Canary (StepHolding) Production (Promoted) Rollback (ErrorRate)"),
	},
	{
		name: "canary, promoted", strategy: suokev1.StrategyCanary, release: canary(time.Second),
		evaluated: good, ends: promoted("Testing (Starting) Canary (StepHolding) Production (Promoted)"),
	},
	{
		name: "canary, rolled back", strategy: suokev1.StrategyCanary, release: canary(time.Hour),
		evaluated: good, failsFrom: 50, ends: refused("ErrorRate", "EvaluationPassed", "Testing (Starting) Canary (StepHolding) Rollback (ErrorRate)"),
	},
	{
		name: "canary with an autoscaler, promoted", strategy: suokev1.StrategyCanary, release: canary(time.Second), autoscaled: true,
		evaluated: good, ends: "autoscaler: v2, 2 to 4 replicas\n" + promoted("Testing (Starting) Canary (StepHolding) Production (Promoted)"),
	},
	{
		name: "canary, refused by its evaluation", strategy: suokev1.StrategyCanary, release: canary(time.Hour),
		evaluated: worse, ends: refused("EvaluationFailed", "EvaluationFailed", "Testing (Starting) Rollback (EvaluationFailed)"),
	},
}

// firstVersion is how v1 came to serve.
var firstVersion = story{name: "first version", first: true, strategy: suokev1.StrategyRollingUpdate, evaluated: good, ends: `deployment: v1 with 2 replicas
frozen: v1
model: Ready, stable "v1", candidate "", traffic [{v1 100}], generation 0
  Accepted=True Accepted, Progressing=False Promoted, Ready=True Serving, Validated=True EvaluationPassed
route: stable v1, candidate "", v1 100 %
service: v1
v1: Production, 100 %, attempt 1, Testing (Starting) Production (FirstVersion)
  Accepted=True Accepted, Progressing=False FirstVersion, Validated=True EvaluationPassed
`}

// promoted is the end of a release that went well, by the way of v2.
func promoted(way string) string {
	return `deployment: v2 with 2 replicas
frozen: v1
frozen: v2
model: Ready, stable "v2", candidate "", traffic [{v2 100}], generation 0
  Accepted=True Accepted, Progressing=False Promoted, Ready=True Serving, Validated=True EvaluationPassed
route: stable v2, candidate "", v2 100 %
service: v2
v1: Deprecated, 0 %, attempt 1, Testing (Starting) Production (FirstVersion) Deprecated (Superseded)
  Accepted=True Accepted, Progressing=False Superseded, Validated=True EvaluationPassed
v2: Production, 100 %, attempt 1, ` + way + `
  Accepted=True Accepted, Progressing=False Promoted, Validated=True EvaluationPassed
`
}

// refused is the end of a release that did not, for this reason.
func refused(reason, evaluation, way string) string {
	validated := "True"
	if evaluation != suokev1.ReasonEvaluationPassed {
		validated = "False"
	}
	return `deployment: v1 with 2 replicas
frozen: v1
frozen: v2
model: Ready, stable "v1", candidate "", traffic [{v1 100}], generation 0
  Accepted=True Accepted, Degraded=True ` + reason + `, Progressing=False ` + reason + `, Ready=True Serving, Validated=` + validated + ` ` + evaluation + `
route: stable v1, candidate "", v1 100 %
service: v1
v1: Production, 100 %, attempt 1, Testing (Starting) Production (FirstVersion)
  Accepted=True Accepted, Progressing=False FirstVersion, Validated=True EvaluationPassed
v2: Rollback, 0 %, attempt 1, ` + way + `
  Accepted=True Accepted, Progressing=False ` + reason + `, Validated=` + validated + ` ` + evaluation + `
`
}

// returned is the end of a release that was taken back within its rollback window.
func returned(way string) string {
	return strings.NewReplacer(
		"Testing (Starting) Production (FirstVersion)\n", "Testing (Starting) Production (FirstVersion) Deprecated (Superseded) Production (Restored)\n",
		"Progressing=False FirstVersion", "Progressing=False Restored",
	).Replace(refused("ErrorRate", "EvaluationPassed", way))
}

// canary is a release by two steps, the second held for a time, that promotes itself.
func canary(hold time.Duration) suokev1.ModelVersionSpec {
	return suokev1.ModelVersionSpec{
		CanaryDeployment: suokev1.CanaryDeployment{Enabled: true, Steps: []suokev1.CanaryStep{
			{Weight: 20, Duration: metav1.Duration{Duration: time.Second}}, {Weight: 50, Duration: metav1.Duration{Duration: hold}},
		}},
		AutoPromotion: suokev1.AutoPromotion{Enabled: true, Criteria: suokev1.PromotionCriteria{MaxErrorRate: new(0.5)}},
		BlueGreen:     suokev1.BlueGreen{ScaleDownDelay: metav1.Duration{Duration: time.Second}},
	}
}

// warm is a release after which the version before is kept for a while.
func warm(delay time.Duration) suokev1.ModelVersionSpec {
	return suokev1.ModelVersionSpec{BlueGreen: suokev1.BlueGreen{ScaleDownDelay: metav1.Duration{Duration: delay}}}
}
