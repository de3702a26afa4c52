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

// banded is a regression whose data set names bands.
func banded() evaluate.Result {
	r := regressed()
	r.Metrics.Accuracy = new(0.85)
	return r
}

// told is a language model on text.
func told() evaluate.Result {
	return evaluate.Result{
		Task: evaluate.Language, Rows: 40,
		Metrics:   evaluate.Metrics{BitsPerByte: new(0.912)},
		Intervals: map[string]evaluate.Interval{"bitsPerByte": {Low: 0.9, High: 0.93}},
	}
}

// prompted is a language model on labelled prompts.
func prompted() evaluate.Result {
	return evaluate.Result{
		Task: evaluate.Language, Rows: 40,
		Metrics: evaluate.Metrics{Accuracy: new(0.9), Precision: new(0.9), Recall: new(0.9), F1Score: new(0.9)},
	}
}

// mixed is a language model on labelled prompts and on a hundred times as many texts, compared on one of the two.
func mixed(texts bool, candidateOnly, stableOnly int32, p float64) evaluate.Result {
	r := against(told(), candidateOnly, stableOnly, p)
	r.Rows, r.Texts, r.Metrics.Accuracy, r.Comparison.Texts = 2020, 2000, new(0.9), texts
	return r
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
		"class metrics of a regression without bands": {
			regressed(),
			evaluate.Metrics{Accuracy: new(0.9), F1Score: new(0.9)},
			false,
			"accuracy and f1Score cannot be measured on this data set: it names no bands; write rmse, mae or r2, or push it under a new tag with bands.json beside the CSV file; on 89 rows",
		},
		"class metrics of a regression with bands": {
			banded(),
			evaluate.Metrics{Accuracy: new(0.8), RMSE: new(60.)},
			true,
			"accuracy 0.850 holds against 0.8; rmse 54.200 (95 % interval 48.000–60.500) holds against 60; on 89 rows",
		},
		"bits of a regression": {
			regressed(),
			evaluate.Metrics{BitsPerByte: new(1.)},
			false,
			"validation.metrics asks for bitsPerByte of a regression, which has none; write rmse, mae or r2, or accuracy, precision, recall or f1Score where the data set names bands",
		},
		"an error of a language model": {
			told(),
			evaluate.Metrics{RMSE: new(1.), R2: new(0.)},
			false,
			"validation.metrics asks for rmse and r2 of a language model, which has none; write bitsPerByte, or accuracy, precision, recall or f1Score where the data set has labelled prompts",
		},
		"bits under their limit": {
			told(),
			evaluate.Metrics{BitsPerByte: new(1.)},
			true,
			"bitsPerByte 0.912 (95 % interval 0.900–0.930) holds against 1; on 40 rows",
		},
		"bits over their limit": {
			told(),
			evaluate.Metrics{BitsPerByte: new(0.9)},
			false,
			"bitsPerByte 0.912 (95 % interval 0.900–0.930) is above 0.9 by 0.012; on 40 rows",
		},
		"class metrics of a data set with text alone": {
			told(),
			evaluate.Metrics{Accuracy: new(0.9), Recall: new(0.9), BitsPerByte: new(1.)},
			false,
			`accuracy and recall cannot be measured on this data set: it has no labelled prompts; write bitsPerByte, or push it under a new tag with lines {"prompt": "…", "label": "…"}; on 40 rows`,
		},
		"bits of a data set with labelled prompts alone": {
			prompted(),
			evaluate.Metrics{BitsPerByte: new(1.)},
			false,
			`bitsPerByte cannot be measured on this data set: it has no text; write accuracy, precision, recall or f1Score, or push it under a new tag with lines {"text": "…"}; on 40 rows`,
		},
		"labelled prompts and texts": {
			mixed(false, 3, 4, 1),
			evaluate.Metrics{Accuracy: new(0.85), BitsPerByte: new(0.9)},
			false,
			"bitsPerByte 0.912 (95 % interval 0.900–0.930) on 2000 texts is above 0.9 by 0.012",
		},
		"both held": {
			mixed(false, 3, 4, 1),
			evaluate.Metrics{Accuracy: new(0.85), BitsPerByte: new(1.)},
			true,
			"accuracy 0.900 on 20 labelled prompts holds against 0.85; bitsPerByte 0.912 (95 % interval 0.900–0.930) on 2000 texts holds against 1; not distinguishable from stable on 20 labelled prompts: of the labelled prompts where they differ stable v2.0.0 alone was right on 4 and the candidate on 3 (McNemar's exact test, p = 1.000)",
		},
		"both, without limits and a stable": {
			evaluate.Result{Task: evaluate.Language, Rows: 21, Texts: 1, Metrics: evaluate.Metrics{Accuracy: new(0.9), BitsPerByte: new(0.9)}},
			evaluate.Metrics{},
			true,
			"no limits are set, so accuracy 0.900 on 20 labelled prompts and bitsPerByte 0.900 on 1 text is enough",
		},
		"more bits than stable, beside labelled prompts": {
			mixed(true, 2, 20, 0.000121),
			evaluate.Metrics{Accuracy: new(0.85), BitsPerByte: new(1.)},
			false,
			"worse than stable on 2000 texts: of the texts where they differ stable v2.0.0 alone needed fewer bits on 20 and the candidate on 2 (exact sign test, p = 0.0001)",
		},
		"what one of two comparisons shows by chance": {
			mixed(true, 5, 15, 0.0414),
			evaluate.Metrics{},
			true,
			"not distinguishable from stable on 2000 texts: of the texts where they differ stable v2.0.0 alone needed fewer bits on 15 and the candidate on 5 (exact sign test, p = 0.041)",
		},
		"more bits than stable": {
			against(told(), 2, 20, 0.000121),
			evaluate.Metrics{BitsPerByte: new(1.)},
			false,
			"worse than stable: of the rows where they differ stable v2.0.0 alone needed fewer bits on 20 and the candidate on 2 (exact sign test, p = 0.0001); on 40 rows",
		},
		"fewer labels right than stable": {
			against(prompted(), 2, 20, 0.000121),
			evaluate.Metrics{},
			false,
			"worse than stable: of the rows where they differ stable v2.0.0 alone was right on 20 and the candidate on 2 (McNemar's exact test, p = 0.0001); on 40 rows",
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
