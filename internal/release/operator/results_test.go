package operator_test

import (
	"testing"

	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
)

// How evaluations end, in the words of `suoke evaluate`.
var (
	passes     = measured(0.96)
	worse      = measured(0.8)
	badDataset = ending{2, `{"rows":0,"metrics":{},"error":"the data set has no column label or target; its columns are a, b"}`}
)

func measured(accuracy float64) ending {
	text, err := evaluate.Result{
		Task: evaluate.Classification, Rows: 100, Metrics: evaluate.Metrics{Accuracy: &accuracy},
		Intervals:   map[string]evaluate.Interval{"accuracy": evaluate.Wilson(int(accuracy*100), 100)},
		ModelDigest: digest("/digits:v1"), DatasetDigest: digest("/digits:latest"), Runtime: "suoke.local/suoke-model-server:dev",
	}.Encode()
	if err != nil {
		panic(err)
	}
	return ending{0, string(text)}
}

func acceptable(t *testing.T) operator.Surroundings {
	t.Helper()
	runtimes, err := profile.LoadRuntimes("")
	if err != nil {
		t.Fatal(err)
	}
	return operator.Surroundings{Autoscaling: true, Agents: profile.Embedded(), Runtimes: runtimes}
}
