package node

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

const (
	// pause is the wait before a component that ended is started again.
	pause = time.Second
	// holdPoll is how often a held component's file is looked for.
	holdPoll = 100 * time.Millisecond
	// lastWords is the time that etcd gets to end.
	lastWords = 300 * time.Millisecond
	// maxLog bounds a component's log: what is longer at a start begins anew.
	maxLog = 64 << 20
)

// keeper keeps the components running, each as a process that can be killed alone, and reaps whatever ends: as the first
// process of its namespace it inherits the shims too. A file hold-NAME in the cluster's directory keeps NAME down.
type keeper struct {
	cluster cluster.Config
	ended   chan os.Signal

	mu       sync.Mutex
	running  map[int]component
	stopping bool
}

func newKeeper(c cluster.Config) *keeper {
	k := &keeper{cluster: c, running: map[int]component{}, ended: make(chan os.Signal, 1)}
	signal.Notify(k.ended, syscall.SIGCHLD)
	return k
}

// start starts a component. It holds the lock over fork and record, so that reap cannot see the end of a process before
// it is known. os/exec is no use here: it waits for its own children, and reap for all.
func (k *keeper) start(part component) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopping {
		return
	}
	pid, err := k.fork(part)
	if err != nil {
		slog.Error("a component does not start", "component", part.name, "error", err)
		time.AfterFunc(pause, func() { k.start(part) })
		return
	}
	k.running[pid] = part
}

func (k *keeper) fork(part component) (int, error) {
	name := k.cluster.Path("log", part.name+".log")
	mode := os.O_APPEND
	if info, err := os.Stat(name); err == nil && info.Size() > maxLog {
		mode |= os.O_TRUNC
	}
	log, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|mode, 0o644) //nolint:gosec // the log of a component, in the cluster's directory
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec(part.file, append([]string{part.name}, part.args...), &syscall.ProcAttr{ //nolint:gosec // one of the cluster's own programs
		Dir:   "/",
		Env:   []string{"PATH=" + filepath.Dir(part.file) + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/run"},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
}

func (k *keeper) reap(ctx context.Context) {
	for range k.ended {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
			k.mu.Lock()
			part, ours := k.running[pid]
			delete(k.running, pid)
			k.mu.Unlock()
			if ours && ctx.Err() == nil {
				slog.Warn("a component ended", "component", part.name, "exit", status.ExitStatus(), "signal", status.Signal())
				go k.again(ctx, part)
			}
		}
	}
}

func (k *keeper) again(ctx context.Context, part component) {
	wait := time.NewTimer(pause)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if _, err := os.Stat(k.cluster.Path("hold-" + part.name)); err != nil {
			k.start(part)
			return
		}
		wait.Reset(holdPoll)
	}
}

// stop starts nothing any more and lets etcd end in order; the kernel ends the others.
func (k *keeper) stop() {
	k.mu.Lock()
	k.stopping = true
	for pid, part := range k.running {
		if part.name == etcd {
			_ = syscall.Kill(pid, syscall.SIGTERM) // one that is gone need not be told
		}
	}
	k.mu.Unlock()
	time.Sleep(lastWords)
}
