package demo

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/traffic/load"
)

func TestRows(t *testing.T) {
	at := time.Unix(1700000000, 0)
	history := func(phase suokev1.VersionPhase, after time.Duration, reason string) *suokev1.ModelVersion {
		return &suokev1.ModelVersion{Status: suokev1.ModelVersionStatus{PromotionHistory: []suokev1.Transition{
			{ToPhase: phase, Timestamp: metav1.NewTime(at.Add(after)), Reason: reason},
		}}}
	}
	accuracy := 0.95
	evaluated := func(version string) *suokev1.AIModel {
		return &suokev1.AIModel{Spec: suokev1.AIModelSpec{Version: version}, Status: suokev1.AIModelStatus{
			StableVersion: version,
			ValidationResults: &suokev1.ValidationResults{
				Version: betterVersion, Rows: 540, Metrics: suokev1.Measurements{Accuracy: &accuracy},
				Intervals:  map[string]suokev1.Interval{"accuracy": {Low: 0.93, High: 0.967}},
				Comparison: &suokev1.Comparison{Version: baseVersion, CandidateOnly: 21, StableOnly: 2, PValue: 0.00006},
			},
		}}
	}
	answers := func(n int64, last time.Duration) load.Answers { return load.Answers{Count: n, Last: at.Add(last)} }
	for sentence, c := range map[string]struct{ got, want Row }{
		"a phase that came":                     {phaseRow("w", history(suokev1.VersionCanary, 21*time.Second, ""), suokev1.VersionCanary, at), Row{What: "w", Value: "21 s", Good: true}},
		"one whose second began before":         {phaseRow("w", history(suokev1.VersionCanary, 0, ""), suokev1.VersionCanary, at.Add(time.Second/3)), Row{What: "w", Value: "0 s", Good: true}},
		"one of an earlier run":                 {phaseRow("w", history(suokev1.VersionCanary, -time.Minute, ""), suokev1.VersionCanary, at), Row{What: "w", Value: "did not happen"}},
		"a phase that never came":               {phaseRow("w", history(suokev1.VersionRollback, time.Second, ""), suokev1.VersionCanary, at), Row{What: "w", Value: "did not happen"}},
		"the reason that was promised":          {reasonRow(history(suokev1.VersionRollback, 0, "ErrorRate: 9 of 20"), suokev1.ReasonErrorRate), Row{What: "why", Value: "ErrorRate: 9 of 20", Good: true}},
		"another reason":                        {reasonRow(history(suokev1.VersionRollback, 0, "Latency: slow"), suokev1.ReasonErrorRate), Row{What: "why", Value: "Latency: slow"}},
		"no reason":                             {reasonRow(&suokev1.ModelVersion{}, suokev1.ReasonErrorRate), Row{What: "why", Value: "not told"}},
		"the version that was to become stable": {stableRow(evaluated(betterVersion)), Row{What: "version that has all of the traffic", Value: "v2.2.0", Good: true}},
		"another one":                           {stableRow(evaluated(worseVersion)), Row{What: "version that has all of the traffic", Value: "v2.3.0"}},
		"an evaluation":                         {accuracyRow(evaluated(betterVersion)), Row{What: "evaluation", Good: true, Value: "accuracy 0.950 on 540 rows (95 % interval 0.930–0.967); beside v2.1.0: 21 rows right that it gets wrong, 2 the other way, p = 6e-05"}},
		"an evaluation of the version before":   {accuracyRow(evaluated(worseVersion)), Row{What: "evaluation", Value: "no result"}},
		"no evaluation":                         {accuracyRow(&suokev1.AIModel{}), Row{What: "evaluation", Value: "no result"}},
		"a rollback in time":                    {detectionRow(at, answers(9, 3200*time.Millisecond)), Row{What: "first failed answer → all of the traffic back", Value: "3.2 s (bound 5 s)", Good: true}},
		"one that is late":                      {detectionRow(at, answers(9, 5100*time.Millisecond)), Row{What: "first failed answer → all of the traffic back", Value: "5.1 s (bound 5 s)"}},
		"a candidate that gave no good answer":  {detectionRow(at, load.Answers{}), Row{What: "first failed answer → all of the traffic back", Value: "no client got an answer of the candidate, or it never failed"}},
		"a candidate that never failed":         {detectionRow(time.Time{}, answers(9, 0)), Row{What: "first failed answer → all of the traffic back", Value: "no client got an answer of the candidate, or it never failed"}},
		"a refused version that nobody saw":     {unserved("v9")(Seen{busyAgent: {}}), Row{What: "answers of v9 to clients", Value: "0", Good: true}},
		"a refused version that somebody saw":   {unserved("v9")(Seen{busyAgent: {Versions: map[string]load.Answers{"v9": answers(1, 0)}}}), Row{What: "answers of v9 to clients", Value: "1"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatClientsSaw(t *testing.T) {
	for sentence, c := range map[string]struct {
		seen Seen
		want []Row
	}{
		"nothing failed":       {Seen{"xiaoai": stats(88, 0), "soer": stats(12, 0)}, []Row{{What: "client requests, failed", Value: "100, 0", Good: true}}},
		"nothing was sent":     {Seen{"xiaoai": stats(0, 0)}, []Row{{What: "client requests, failed", Value: "0, 0"}}},
		"something has failed": {Seen{"xiaoai": stats(88, 2), "soer": stats(12, 0)}, []Row{{What: "client requests, failed", Value: "100, 2"}, {What: "a failure", Value: "xiaoai: 2 × 503 no Pod"}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, clientRows(c.seen)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
