package scale_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// operatorVariable holds the setup of a test binary that is to be the operator.
const operatorVariable = "SUOKE_SCALE_OPERATOR"

// memoryLimit is what the operator's Deployment tells the collector of its garbage.
const memoryLimit = "GOMEMLIMIT=400MiB"

// quiet is how long nothing happens at an operator that has nothing to do.
const quiet = 2 * time.Second

// running is an operator in a process of its own.
type running struct {
	*world
	cmd     *exec.Cmd
	address string
	log     string
}

// start runs this test's binary again, as the operator. It dies with the test.
func start(w *world, s setup) *running {
	tb := w.tb
	tb.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		tb.Fatal(err)
	}
	log, err := os.CreateTemp(tb.TempDir(), "operator-*.log")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	r := &running{world: w, cmd: exec.CommandContext(context.WithoutCancel(tb.Context()), os.Args[0]), log: log.Name()}
	r.cmd.Env = append(os.Environ(), operatorVariable+"="+string(text), memoryLimit)
	r.cmd.Stderr = log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("the operator ended before it told its address: %v\n%s", err, r.lastWords())
	}
	r.address = "http://" + strings.TrimSpace(line)
	return r
}

// stop ends the operator as a kubelet would.
func (r *running) stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(20*time.Second, func() { _ = r.cmd.Process.Kill() })
	err := r.cmd.Wait()
	late.Stop()
	if err != nil {
		r.tb.Errorf("the operator ended with %v\n%s", err, r.lastWords())
	}
	r.cmd = nil
}

// lastWords of the operator's log.
func (r *running) lastWords() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4096):])
}

func (r *running) get(path string) []byte {
	r.tb.Helper()
	req, err := http.NewRequestWithContext(r.tb.Context(), http.MethodGet, r.address+path, http.NoBody)
	if err != nil {
		r.tb.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.tb.Fatalf("asking the operator's process: %v\n%s", err, r.lastWords())
	}
	defer func() { _ = res.Body.Close() }() // all of it is read
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.tb.Fatalf("asking the operator's process for %s: %s %v\n%s", path, res.Status, err, body)
	}
	return body
}

// figures reads what the process took; collected, its garbage is out of the heap.
func (r *running) figures(collected bool) figures {
	r.tb.Helper()
	path := "/figures"
	if collected {
		path += "?collect"
	}
	var f figures
	if err := json.Unmarshal(r.get(path), &f); err != nil {
		r.tb.Fatal(err)
	}
	return f
}

func (r *running) setTempo(t tempo) {
	r.tb.Helper()
	text, err := json.Marshal(t)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.put("/tempo", text)
}

// lower takes the process's memory as it is for its highest.
func (r *running) lower() {
	r.tb.Helper()
	r.put("/highest", nil)
}

func (r *running) put(path string, text []byte) {
	r.tb.Helper()
	req, err := http.NewRequestWithContext(r.tb.Context(), http.MethodPut, r.address+path, bytes.NewReader(text))
	if err != nil {
		r.tb.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.tb.Fatal(err)
	}
	_ = res.Body.Close() // empty
	if res.StatusCode != http.StatusOK {
		r.tb.Fatalf("telling the operator's process %s: %s", path, res.Status)
	}
}

// profile keeps where the operator's CPU time goes over the time given, and what its heap holds, if -profiles asks for it.
// It returns a function that waits for that.
func (r *running) profile(name string, over time.Duration) func() {
	if *profiles == "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for kind, path := range map[string]string{
			"cpu": fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(over.Seconds())), "heap": "/debug/pprof/heap?gc=1", "allocs": "/debug/pprof/allocs",
		} {
			if err := os.WriteFile(filepath.Join(*profiles, name+"."+kind+".pprof"), r.get(path), 0o600); err != nil {
				r.tb.Error(err)
			}
		}
	}()
	return func() { <-done }
}

// rest waits until nothing is reconciled any more.
func (r *running) rest() {
	r.tb.Helper()
	last, since := uint64(0), time.Now()
	r.until("the operator to have nothing to do", func() (bool, string) {
		f := r.figures(false)
		n := uint64(0)
		for _, h := range f.Reconciles {
			n += h.Count
		}
		if n != last || f.Waiting > 0 {
			last, since = n, time.Now()
		}
		return n > 0 && time.Since(since) > quiet, fmt.Sprintf("%d reconciles, %v waiting", n, f.Waiting)
	})
}
