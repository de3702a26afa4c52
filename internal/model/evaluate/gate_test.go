package evaluate_test

import (
	"testing"

	"github.com/suoke-life/suoke/internal/model/evaluate"
)

func classified() evaluate.Result {
	return evaluate.Result{
		Task: evaluate.Classification, Rows: 360,
		Metrics:   evaluate.Metrics{Accuracy: new(0.965), Precision: new(0.96), Recall: new(0.95), F1Score: new(0.955)},
		Intervals: map[string]evaluate.Interval{"accuracy": {Low: 0.94, High: 0.98}},
	}
}

func regressed() evaluate.Result {
	return evaluate.Result{
		Task: evaluate.Regression, Rows: 89,
		Metrics:   evaluate.Metrics{RMSE: new(54.2), MAE: new(43.), R2: new(0.45)},
		Intervals: map[string]evaluate.Interval{"rmse": {Low: 48, High: 60.5}},
	}
}

func against(r evaluate.Result, candidateOnly, stableOnly int32, p float64) evaluate.Result {
	r.Comparison = &evaluate.Comparison{Version: "v2.0.0", CandidateOnly: candidateOnly, StableOnly: stableOnly, PValue: p}
	return r
}

func TestGateSaysWhyAndByHowMuch(t *testing.T) {
	cases := map[string]struct {
		result evaluate.Result
		limits evaluate.Metrics
		passed bool
		want   string
	}{
		"a limit that holds": {
			classified(),
			evaluate.Metrics{Accuracy: new(0.95)},
			true,
			"accuracy 0.965 (95 % interval 0.940–0.980) holds against 0.95; on 360 rows",
		},
		"a limit met exactly holds": {
			classified(),
			evaluate.Metrics{Recall: new(0.95)},
			true,
			"recall 0.950 holds against 0.95; on 360 rows",
		},
		"a limit that does not hold": {
			classified(),
			evaluate.Metrics{Accuracy: new(0.97)},
			false,
			"accuracy 0.965 (95 % interval 0.940–0.980) is below 0.97 by 0.005; on 360 rows",
		},
		"only what does not hold is named": {
			classified(),
			evaluate.Metrics{Accuracy: new(0.9), Precision: new(0.97), F1Score: new(0.96)},
			false,
			"precision 0.960 is below 0.97 by 0.010; f1Score 0.955 is below 0.96 by 0.005; on 360 rows",
		},
		"a shortfall that three decimals would hide": {
			classified(),
			evaluate.Metrics{Accuracy: new(0.9651)},
			false,
			"accuracy 0.965 (95 % interval 0.940–0.980) is below 0.9651 by 0.0001; on 360 rows",
		},
		"an error under its limit": {
			regressed(),
			evaluate.Metrics{RMSE: new(60.), R2: new(0.4)},
			true,
			"rmse 54.200 (95 % interval 48.000–60.500) holds against 60; r2 0.450 holds against 0.4; on 89 rows",
		},
		"an error over its limit": {
			regressed(),
			evaluate.Metrics{RMSE: new(50.), MAE: new(45.)},
			false,
			"rmse 54.200 (95 % interval 48.000–60.500) is above 50 by 4.200; on 89 rows",
		},
		"no limits": {
			classified(),
			evaluate.Metrics{},
			true,
			"no limits are set, so accuracy 0.965, precision 0.960, recall 0.950 and f1Score 0.955 on 360 rows is enough",
		},
		"class metrics of a regression": {
			regressed(),
			evaluate.Metrics{Accuracy: new(0.9), F1Score: new(0.9)},
			false,
			"validation.metrics asks for accuracy and f1Score of a regression, which has none; write rmse, mae or r2",
		},
		"an error of a classification": {
			classified(),
			evaluate.Metrics{MAE: new(1.)},
			false,
			"validation.metrics asks for mae of a classification, which has none; write accuracy, precision, recall or f1Score",
		},
		"r2 where all targets are equal": {
			evaluate.Result{Task: evaluate.Regression, Rows: 3, Metrics: evaluate.Metrics{RMSE: new(1.), MAE: new(1.)}},
			evaluate.Metrics{R2: new(0.1)},
			false,
			"r2 cannot be measured on this data set: every target is the same; on 3 rows",
		},
		"an evaluation that was not carried out": {
			evaluate.Result{Error: "the data set is empty"}, evaluate.Metrics{Accuracy: new(0.)}, false, "the data set is empty",
		},
		"worse than stable by more than chance, though the limit holds": {
			against(classified(), 2, 20, 0.000121),
			evaluate.Metrics{Accuracy: new(0.9)},
			false,
			"worse than stable: of the rows where they differ stable v2.0.0 alone was right on 20 and the candidate on 2 (McNemar's exact test, p = 0.0001); on 360 rows",
		},
		"worse by chance alone": {
			against(classified(), 2, 3, 1),
			evaluate.Metrics{Accuracy: new(0.9)},
			true,
			"accuracy 0.965 (95 % interval 0.940–0.980) holds against 0.9; not distinguishable from stable: of the rows where they differ stable v2.0.0 alone was right on 3 and the candidate on 2 (McNemar's exact test, p = 1.000); on 360 rows",
		},
		"better than stable": {
			against(regressed(), 60, 29, 0.0013),
			evaluate.Metrics{},
			true,
			"better than stable: of the rows where they differ stable v2.0.0 alone came closer on 29 and the candidate on 60 (exact sign test, p = 0.001); on 89 rows",
		},
		"better than stable, and below the limit all the same": {
			against(classified(), 20, 2, 0.000121),
			evaluate.Metrics{Accuracy: new(0.97)},
			false,
			"accuracy 0.965 (95 % interval 0.940–0.980) is below 0.97 by 0.005; on 360 rows",
		},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			if passed, got := evaluate.Gate(c.result, c.limits); passed != c.passed || got != c.want {
				t.Errorf("%v %q\nwant %v %q", passed, got, c.passed, c.want)
			}
		})
	}
}
