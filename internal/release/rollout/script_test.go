package rollout_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// TestScripts runs the stories in testdata. `given` prepares, `when` lets something happen and the engine decide once,
// `then` says what was decided. After each decision the invariants of world hold.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld()
			number := 0
			for line := range strings.Lines(string(text)) {
				number++
				line = strings.TrimSpace(line)
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				if err := w.obey(line); err != nil {
					t.Fatalf("%s:%d: %s\n%v", file, number, line, err)
				}
				if w.fault != "" {
					t.Fatalf("%s:%d: %s\n%s", file, number, line, w.fault)
				}
			}
		})
	}
}

// sentence is a kind of line that scripts may have.
type sentence struct {
	pattern string
	do      func(w *world, args []string) error
}

// obey runs one line.
func (w *world) obey(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	for _, s := range map[string][]sentence{"given": givens, "when": whens, "then": thens}[kind] {
		args := regexp.MustCompile("^" + s.pattern + "$").FindStringSubmatch(rest)
		if args == nil {
			continue
		}
		if err := s.do(w, args[1:]); err != nil {
			return err
		}
		if kind == "when" {
			w.turn()
		}
		return nil
	}
	return errors.New("no such sentence")
}

var givens = []sentence{
	{`strategy (\w+) with (\d+) replicas?`, func(w *world, a []string) error {
		w.policy.Strategy, w.policy.Replicas = rollout.Strategy(a[0]), number(a[1])
		return nil
	}},
	{`no autoscaler`, func(w *world, _ []string) error { w.policy.MaxReplicas = 0; return nil }},
	{`an autoscaler up to (\d+) replicas`, func(w *world, a []string) error { w.policy.MaxReplicas = number(a[0]); return nil }},
	{`steps (.+)`, func(w *world, a []string) error {
		w.policy.Steps = nil
		for text := range strings.SplitSeq(a[0], ", ") {
			weight, hold, _ := strings.Cut(text, " % for ")
			w.policy.Steps = append(w.policy.Steps, rollout.Step{Weight: number(weight), Hold: duration(hold)})
		}
		return nil
	}},
	{`autoPromotion`, func(w *world, _ []string) error { w.policy.AutoPromotion = true; return nil }},
	{`rollbackEnabled false`, func(w *world, _ []string) error { w.policy.RollbackEnabled = false; return nil }},
	{`minAccuracy (\S+)`, func(w *world, a []string) error { w.policy.MinAccuracy = fraction(a[0]); return nil }},
	{`maxErrorRate (\S+)`, func(w *world, a []string) error { w.policy.MaxErrorRate = fraction(a[0]); return nil }},
	{`minUptime (\S+)`, func(w *world, a []string) error { w.policy.MinUptime = duration(a[0]); return nil }},
	{`scaleDownDelay (\S+)`, func(w *world, a []string) error { w.policy.ScaleDownDelay = duration(a[0]); return nil }},
	{`shadowPercentage (\d+)`, func(w *world, a []string) error { w.policy.Shadow = number(a[0]); return nil }},
	{`progressDeadline (\S+)`, func(w *world, a []string) error { w.policy.ProgressDeadline = duration(a[0]); return nil }},
	{`routers (.+)`, func(w *world, a []string) error {
		for name := range strings.FieldsSeq(a[0]) {
			w.routers = append(w.routers, rollout.Router{Name: name, Ready: true, Since: w.now, InFlight: map[rollout.ID]int{}})
		}
		return nil
	}},
	{`(v\d+) serves`, func(w *world, a []string) error { return w.serve(a[0]) }},
}

// serve brings a version to all of the traffic by the engine itself.
func (w *world) serve(version string) error {
	w.want(version)
	w.change(version, func(v *rollout.Version) {
		v.Evaluation = rollout.Evaluation{Outcome: rollout.EvaluationPassed, Attempt: 1, Accuracy: fraction("0.95")}
	})
	for range 4 {
		w.turn()
		w.podsReady()
		for i := range w.routers {
			w.confirm(i)
		}
	}
	if w.state.Stable != id(version) || w.state.Release != nil {
		return fmt.Errorf("%s does not serve: %+v", version, w.last.Progress)
	}
	return nil
}

var whens = []sentence{
	{`nothing happens`, func(*world, []string) error { return nil }},
	{`(v\d+'?) is wanted`, func(w *world, a []string) error { w.want(a[0]); return nil }},
	{`it is not known what is wanted`, func(w *world, _ []string) error { w.want(""); return nil }},
	{`(\w+) pass`, func(w *world, a []string) error { w.now = w.now.Add(duration(a[0])); return nil }},
	{`(v\d+) has (\d+) ready Pods?`, func(w *world, a []string) error {
		if number(a[1]) > w.replicas[id(a[0])] {
			return fmt.Errorf("it is to have %d", w.replicas[id(a[0])])
		}
		w.change(a[0], func(v *rollout.Version) { v.Ready = number(a[1]) })
		return nil
	}},
	{`the model is paused`, func(w *world, _ []string) error { w.policy.Paused = true; return nil }},
	{`the model is resumed`, func(w *world, _ []string) error { w.policy.Paused = false; return nil }},
	{`the model is scaled to (\d+) replicas?`, func(w *world, a []string) error { w.policy.Replicas = number(a[0]); return nil }},
	{`the autoscaler gives (v\d+) (\d+) Pods`, func(w *world, a []string) error {
		w.autoscale(id(a[0]), number(a[1]))
		return equal(w.replicas[id(a[0])], number(a[1]), "it is bounded")
	}},
	{`all requests need (\d+) Pods`, func(w *world, a []string) error { w.needed = number(a[0]); return nil }},
	{`a person asks to (Promote|Abort|Retry) attempt (\d+) at (v\d+)`, func(w *world, a []string) error {
		w.policy.Action = rollout.Action{Type: rollout.ActionType(a[0]), Attempt: number(a[1]), Version: a[2]}
		return nil
	}},
	{`the Deployment of (v\d+) is deleted`, func(w *world, a []string) error {
		w.replicas[id(a[0])] = 0
		w.change(a[0], func(v *rollout.Version) { v.Ready = 0 })
		return nil
	}},
	{`every Pod is ready`, func(w *world, _ []string) error { w.podsReady(); return nil }},
	{`(v\d+) is stuck, (\w+): (.+)`, func(w *world, a []string) error {
		w.change(a[0], func(v *rollout.Version) { v.StuckReason, v.StuckMessage = a[1], a[2] })
		return nil
	}},
	{`the evaluation of (v\d+'?) is (\w+)(?: with accuracy (\S+))?(?:: (.+))?`, func(w *world, a []string) error {
		w.change(a[0], func(v *rollout.Version) {
			v.Evaluation = rollout.Evaluation{Outcome: rollout.Outcome(a[1]), Message: a[3], Attempt: w.state.Attempts[written(a[0])]}
			if a[1] == "Pending" {
				v.Evaluation.Outcome = rollout.EvaluationPending
			}
			if a[2] != "" {
				v.Evaluation.Accuracy = fraction(a[2])
			}
		})
		return nil
	}},
	{`the routers confirm`, func(w *world, _ []string) error {
		for i := range w.routers {
			w.confirm(i)
		}
		return nil
	}},
	{`(r\d+) confirms`, func(w *world, a []string) error { w.confirm(w.router(a[0])); return nil }},
	{`(r\d+) is (not )?ready`, func(w *world, a []string) error { w.setReady(w.router(a[0]), a[1] == ""); return nil }},
	{`(r\d+) has (\d+) requests? to (v\d+) in flight`, func(w *world, a []string) error {
		w.routers[w.router(a[0])].InFlight = map[rollout.ID]int{id(a[2]): number(a[1])}
		return nil
	}},
	{`the candidate answered (\d+) requests and failed (\d+)`, func(w *world, a []string) error {
		name, _ := w.release()
		j := w.judged[name]
		j.CandidateRequests, j.CandidateFailures, j.Verdict = int64(number(a[0])), int64(number(a[1])), analysis.Inconclusive
		w.judged[name] = j
		return nil
	}},
	{`the verdict is Fail by (\w+): (.+)`, func(w *world, a []string) error {
		name, _ := w.release()
		j := w.judged[name]
		j.Verdict, j.Reason, j.Message = analysis.Fail, a[0], a[1]
		w.judged[name] = j
		return nil
	}},
}

var thens = []sentence{
	{`the reason is (\w+)`, func(w *world, a []string) error { return equal(w.last.Progress.Reason, a[0], w.last.Progress.Message) }},
	{`it says "(.+)"`, func(w *world, a []string) error {
		if !strings.Contains(w.last.Progress.Message, a[0]) {
			return fmt.Errorf("it says %q", w.last.Progress.Message)
		}
		return nil
	}},
	{`weights are (.+)`, func(w *world, a []string) error { return equal(w.state.Weights, amounts(a[0]), "") }},
	{`Pods are (.+)`, func(w *world, a []string) error { return equal(w.last.Replicas, amounts(a[0]), "") }},
	{`(v\d+) is stable`, func(w *world, a []string) error { return equal(w.state.Stable, id(a[0]), "") }},
	{`(v\d+'?) is the candidate`, func(w *world, a []string) error {
		if w.state.Release == nil {
			return errors.New("no release is under way")
		}
		return equal(w.state.Release.Candidate, id(a[0]), "")
	}},
	{`no release is under way`, func(w *world, _ []string) error {
		return equal(w.state.Release == nil && !w.last.Progress.UnderWay, true, w.last.Progress.Message)
	}},
	{`(v\d+) is to be evaluated`, func(w *world, a []string) error { return equal(w.last.Evaluate, id(a[0]), "") }},
	{`nothing is to be evaluated`, func(w *world, _ []string) error { return equal(w.last.Evaluate, "", "") }},
	{`it is looked at again after (\S+)`, func(w *world, a []string) error { return equal(w.last.After, duration(a[0]), "") }},
	{`the way of (v\d+) is (.+)`, func(w *world, a []string) error {
		var way []string
		for _, h := range w.state.History {
			if h.Version == a[0] {
				way = append(way, fmt.Sprintf("%s (%s)", h.To, h.Reason))
			}
		}
		return equal(strings.Join(way, ", "), a[1], "")
	}},
	{`the history of (v\d+) ends with "(.+)"`, func(w *world, a []string) error {
		message := ""
		for _, h := range w.state.History {
			if h.Version == a[0] {
				message = h.Message
			}
		}
		return equal(message, a[1], "")
	}},
	{`(v\d+) can be taken back until (\S+)`, func(w *world, a []string) error {
		watch := w.state.Watch
		if watch == nil || watch.Version != a[0] {
			return fmt.Errorf("the rollback window is %+v", watch)
		}
		return equal(watch.Until.Format(time.RFC3339), a[1], "")
	}},
	{`nothing can be taken back`, func(w *world, _ []string) error { return equal(w.state.Watch == nil, true, "") }},
	{`(v\d+) is not refused`, func(w *world, a []string) error {
		_, refused := w.state.Refused[id(a[0])]
		return equal(refused, false, "")
	}},
	{`(v\d+) is refused`, func(w *world, a []string) error {
		_, refused := w.state.Refused[id(a[0])]
		return equal(refused, true, "")
	}},
}

func equal[T any](got, want T, more string) error {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		return fmt.Errorf("got %v, want %v %s", got, want, more)
	}
	return nil
}

// amounts reads "v1 80, v2 20" or "none".
func amounts(text string) map[rollout.ID]int {
	all := map[rollout.ID]int{}
	if text == "none" {
		return all
	}
	for part := range strings.SplitSeq(text, ", ") {
		version, amount, _ := strings.Cut(part, " ")
		all[id(version)] = number(amount)
	}
	return all
}

func (w *world) router(name string) int {
	return slices.IndexFunc(w.routers, func(r rollout.Router) bool { return r.Name == name })
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func fraction(text string) *float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return &f
}

// TestEverySentenceIsUsed keeps the scripts' language as small as the scripts are.
func TestEverySentenceIsUsed(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(text), "\n")...)
	}
	for kind, sentences := range map[string][]sentence{"given": givens, "when": whens, "then": thens} {
		for _, s := range sentences {
			pattern := regexp.MustCompile(`^\s*` + kind + " " + s.pattern + `\s*$`)
			if !slices.ContainsFunc(lines, pattern.MatchString) {
				t.Errorf("no script says %q", kind+" "+s.pattern)
			}
		}
	}
}
