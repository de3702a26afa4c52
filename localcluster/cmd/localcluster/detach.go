package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// reportVariable tells a process in the background that its file 3 goes to the one that started it.
const reportVariable = "SUOKE_CLUSTER_REPORT"

// message is what a process in the background tells the one that started it.
type message struct {
	// Step is a line to show.
	Step string `json:"step,omitempty"`
	// Ready is the last message of a cluster that is up.
	Ready bool `json:"ready,omitempty"`
	// Error is the last message of one that does not come up.
	Error string `json:"error,omitempty"`
}

// report tells how a cluster comes up: to a person, or to the process that started this one.
type report struct {
	out    io.Writer
	parent *json.Encoder
	pipe   *os.File
}

func newReport(out io.Writer) *report {
	if os.Getenv(reportVariable) == "" {
		return &report{out: out}
	}
	pipe := os.NewFile(3, "report")
	syscall.CloseOnExec(int(pipe.Fd()))
	return &report{out: out, parent: json.NewEncoder(pipe), pipe: pipe}
}

func (r *report) say(step string) {
	fmt.Fprintln(r.out, step)
	// A parent that is gone has stopped listening, which is no reason to stop.
	_ = r.tell(message{Step: step})
}

func (r *report) ready(c cluster.Config) error {
	describe(r.out, c)
	if err := r.tell(message{Ready: true}); err != nil {
		return err
	}
	if r.pipe != nil {
		return r.pipe.Close()
	}
	return nil
}

func (r *report) end(err error) error {
	if err != nil {
		_ = r.tell(message{Error: err.Error()})
	}
	return err
}

func (r *report) tell(m message) error {
	if r.parent == nil {
		return nil
	}
	return r.parent.Encode(m)
}

// detach runs this command in the background and shows what it reports until the cluster is up.
func detach(ctx context.Context, c cluster.Config, out io.Writer) error {
	log, err := os.Create(c.Path("up.log"))
	if err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	defer read.Close()
	cmd := exec.Command("/proc/self/exe", append(os.Args[1:], "--foreground")...) //nolint:gosec,noctx // this very program, which is to outlive ctx
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{write}
	cmd.Env = append(os.Environ(), reportVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = write.Close() // the end that stays open is the child's
	if err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	// Whoever gives up waiting gives up the cluster; it then reports its end.
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })() // one that is gone need not be told
	if err := follow(json.NewDecoder(read), out); err != nil {
		_ = cmd.Wait() // the state says more
		if errors.Is(err, errEnded) {
			err = fmt.Errorf("%w (%v): %s says why", err, cmd.ProcessState, log.Name())
		}
		return errors.Join(context.Cause(ctx), err)
	}
	describe(out, c)
	return nil
}

// errEnded says that the process in the background went without a word of why.
var errEnded = errors.New("the cluster ended before it was up")

// follow shows what the process in the background reports, until it is up.
func follow(from *json.Decoder, out io.Writer) error {
	for {
		var m message
		if err := from.Decode(&m); err != nil {
			return errEnded
		}
		switch {
		case m.Ready:
			return nil
		case m.Error != "":
			return errors.New(m.Error)
		default:
			fmt.Fprintln(out, m.Step)
		}
	}
}
