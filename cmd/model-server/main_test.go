package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/suoke-life/suoke/internal/model/serving/onnx/graphtest"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/traffic/router"
)

// TestMain lets the test's own binary stand for model-server, so that signals and exit codes are those of a process.
func TestMain(m *testing.M) {
	if os.Getenv("MODEL_SERVER_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func library(t *testing.T) string {
	t.Helper()
	file := os.Getenv("ONNXRUNTIME_LIB")
	if file == "" {
		file = filepath.Join("..", "..", "build", "onnxruntime", "libonnxruntime.so.1")
	}
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no ONNX Runtime (%v); run make onnxruntime", err)
	}
	return file
}

// artifact writes a model's files.
func artifact(t *testing.T, graph []byte, manifest string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"model.onnx": graph, "model.json": []byte(manifest)} {
		if content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func server(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{"--model-dir", dir, "--name", "m", "--version", "v1", "--host", "127.0.0.1", "--port", "0", "--threads", "1"}, args...)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "MODEL_SERVER_MAIN=1", "ONNXRUNTIME_LIB="+library(t))
	return cmd
}

const regression = `{"task":"regression","features":["a","b"]}`

func TestModelServerServesAndEndsWell(t *testing.T) {
	cmd := server(t, artifact(t, graphtest.Regression([]float32{2, 1}, 0.5), regression), "--drain-delay", "0s", "--health-path", "/alive")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	url := "http://" + address(t, lines)

	got := ask(t, http.MethodPost, url+"/v2/models/m/infer", `{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4]]}]}`)
	const want = `{"model_name":"m","model_version":"v1","outputs":[{"name":"value","datatype":"FP32","shape":[2,1],"data":[4.5,10.5]}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if alive := ask(t, http.MethodGet, url+"/alive", ""); alive != `{"live":true}` {
		t.Errorf("/alive is %s", alive)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !bytes.Contains(rest, []byte("every request got its answer")) {
		t.Errorf("after SIGTERM: %v\n%s", err, rest)
	}
}

// ask returns the body of an answer that must be 200.
func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, url, response.StatusCode, answer, err)
	}
	return string(answer)
}

// address reads the log up to the line that says where the server listens.
func address(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	var log strings.Builder
	for {
		line, err := lines.ReadString('\n')
		log.WriteString(line)
		if at := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(line); at != nil {
			return at[1]
		}
		if err != nil {
			t.Fatalf("the server ended:\n%s", log.String())
		}
	}
}

func TestModelServerSaysWhyItCannotServe(t *testing.T) {
	good := graphtest.Regression([]float32{2, 1}, 0.5)
	cases := map[string]struct {
		graph    []byte
		manifest string
		args     []string
		want     string
	}{
		"a truncated model":          {good[:len(good)/2], regression, nil, "it is damaged, or not an ONNX graph"},
		"a model that is garbage":    {[]byte("garbage"), regression, nil, "it is damaged, or not an ONNX graph"},
		"no model":                   {nil, regression, nil, "model.onnx: no such file"},
		"a manifest of another":      {good, `{"task":"regression","features":["a","b","c"]}`, nil, "model.json names 3 features"},
		"a broken manifest":          {good, `{`, nil, "model.json"},
		"no threads":                 {good, regression, []string{"--threads=0"}, "--threads is 0; write at least 1"},
		"a health path that is none": {good, regression, []string{"--health-path=health"}, "write one like /health"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := server(t, artifact(t, c.graph, c.manifest), c.args...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte(c.want)) {
				t.Errorf("%v; want exit 1 with %q in\n%s", err, c.want, out)
			}
		})
	}
}

func TestExplainWritesForTheKubelet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "termination-log")
	if err := explain(file, errors.New("the model is damaged")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a termination log was made where there is none")
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("old ", 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := explain(file, fmt.Errorf("serving: %w", errors.New("the model is damaged"))); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "serving: the model is damaged\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// The longest request ends before the drain does, and the drain before Kubernetes kills the Pod.
func TestTheLongestRequestOutlivesNoPod(t *testing.T) {
	runtimes, err := profile.LoadRuntimes("")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := runtimes.Select("onnxruntime", "", "")
	if err != nil {
		t.Fatal(err)
	}
	flags := newCommand(slog.New(slog.DiscardHandler)).Flags()
	delay, delayErr := flags.GetDuration("drain-delay")
	drain, drainErr := flags.GetDuration("drain-grace")
	if err := errors.Join(delayErr, drainErr); err != nil {
		t.Fatal(err)
	}
	if drain < router.LongestDeadline {
		t.Errorf("requests may take %v, and get %v to end", router.LongestDeadline, drain)
	}
	if killed := time.Duration(rt.TerminationGracePeriodSeconds) * time.Second; killed <= delay+drain {
		t.Errorf("the Pod is killed after %v, and its server may end %v after SIGTERM", killed, delay+drain)
	}
}
