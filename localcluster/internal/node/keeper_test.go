package node

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// kept is a keeper whose processes are real and whose time is not. The test says when a process has ended, in place of the
// kernel, as signals come from outside of a test's time.
type kept struct {
	*keeper
	t *testing.T
}

// keep runs a test with a keeper.
func keep(t *testing.T, test func(context.Context, kept)) {
	t.Helper()
	c := cluster.Config{Dir: t.TempDir()}
	if err := MakeDirectories(c); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		k := kept{&keeper{cluster: c, running: map[int]component{}, ended: make(chan os.Signal, 1)}, t}
		ctx, cancel := context.WithCancel(t.Context())
		go k.reap(ctx)
		defer func() {
			cancel()
			left := k.now()
			for pid := range left {
				_ = syscall.Kill(pid, syscall.SIGKILL) // the wait says whether it ended
			}
			for pid := range left {
				k.wait(pid)
			}
			close(k.ended)
		}()
		test(ctx, k)
	})
}

// now are the numbers and names of the running components.
func (k kept) now() map[int]string {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[int]string{}
	for pid, part := range k.running {
		all[pid] = part.name
	}
	return all
}

// only is the number of the one component that runs, or 0.
func (k kept) only() int {
	k.t.Helper()
	all := k.now()
	if len(all) > 1 {
		k.t.Fatalf("there are %v, want one at most", all)
	}
	for pid := range all {
		return pid
	}
	return 0
}

// wait waits until a process has ended, and lets the keeper know.
func (k kept) wait(pid int) {
	k.t.Helper()
	err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	if err != nil && !errors.Is(err, unix.ECHILD) { // which says that the keeper has heard of it already, with another
		k.t.Fatalf("waiting for process %d: %v", pid, err)
	}
	k.ended <- syscall.SIGCHLD
	synctest.Wait()
}

// shell is a component that runs a line of shell.
func shell(name, line string) component {
	return component{name: name, file: "/bin/sh", args: []string{"-c", line}}
}

func TestWhatEndsIsStartedAgainAfterAPause(t *testing.T) {
	keep(t, func(_ context.Context, k kept) {
		k.start(shell("kubelet", "exec sleep 600"))
		for range 3 {
			pid := k.only()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			k.wait(pid)
			time.Sleep(pause - time.Millisecond)
			if again := k.only(); again != 0 {
				t.Fatalf("process %d was started before the pause was over", again)
			}
			time.Sleep(time.Millisecond)
			if again := k.only(); again == 0 || again == pid {
				t.Fatalf("after the pause there is process %d", again)
			}
		}
	})
}

func TestOneThatEndsIsStartedAloneAgain(t *testing.T) {
	keep(t, func(_ context.Context, k kept) {
		k.start(shell("etcd", "exec sleep 600"))
		first := k.only()
		k.start(shell("kubelet", "exit 3"))
		for pid, name := range k.now() {
			if name == "kubelet" {
				k.wait(pid)
			}
		}
		if left := k.only(); left != first {
			t.Errorf("left is %d, want %d", left, first)
		}
		time.Sleep(pause)
		if all := k.now(); len(all) != 2 || all[first] != "etcd" {
			t.Errorf("after the pause there are %v", all)
		}
	})
}

func TestHoldFileKeepsAComponentDown(t *testing.T) {
	keep(t, func(_ context.Context, k kept) {
		hold := k.cluster.Path("hold-kubelet")
		if err := os.WriteFile(hold, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		k.start(shell("kubelet", "exec sleep 600"))
		pid := k.only() // what runs is left alone
		if pid == 0 {
			t.Fatal("it was not started")
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // the wait says whether it ended
		k.wait(pid)
		time.Sleep(time.Hour)
		if again := k.only(); again != 0 {
			t.Errorf("process %d was started in spite of the file", again)
		}
		if err := os.Remove(hold); err != nil {
			t.Fatal(err)
		}
		time.Sleep(holdPoll)
		if k.only() == 0 {
			t.Error("it was not started once the file was gone")
		}
	})
}

func TestWhatDoesNotStartIsTriedAgain(t *testing.T) {
	keep(t, func(_ context.Context, k kept) {
		program := k.cluster.Path("program")
		k.start(component{name: "kubelet", file: program, args: []string{"-c", "exec sleep 600"}})
		if pid := k.only(); pid != 0 {
			t.Fatalf("process %d runs a program that is not there", pid)
		}
		if err := os.Symlink("/bin/sh", program); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pause)
		if k.only() == 0 {
			t.Error("it was not started once the program was there")
		}
	})
}

// TestNothingIsStartedAtTheEnd ends a component just before the node, and etcd with it.
func TestNothingIsStartedAtTheEnd(t *testing.T) {
	for what, end := range map[string]func(kept, context.CancelFunc){
		"the node is told to end": func(_ kept, cancel context.CancelFunc) { cancel() },
		"the keeper stops":        func(k kept, _ context.CancelFunc) { k.stop() },
	} {
		t.Run(what, func(t *testing.T) {
			keep(t, func(ctx context.Context, k kept) {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				ended := shell("kubelet", "exit 1")
				go k.again(ctx, ended)
				synctest.Wait()
				end(k, cancel)
				time.Sleep(time.Hour)
				if pid := k.only(); pid != 0 {
					t.Errorf("process %d was started", pid)
				}
			})
		})
	}
}

func TestStopTellsEtcdAlone(t *testing.T) {
	keep(t, func(_ context.Context, k kept) {
		k.start(shell("etcd", "exec sleep 600"))
		told := k.only()
		k.start(shell("kubelet", "exec sleep 600"))
		k.stop()
		k.wait(told)
		if all := k.now(); len(all) != 1 || all[told] != "" {
			t.Errorf("left are %v, want the kubelet, which the kernel ends", all)
		}
	})
}

// TestComponentsLog wants the name by which one file knows its part, no way to this process's input, and a bounded log.
func TestComponentsLog(t *testing.T) {
	keep(t, func(_ context.Context, k kept) {
		log := k.cluster.Path("log", "kubelet.log")
		run := func() string {
			k.start(shell("kubelet", `tr '\0' ' ' < /proc/$$/cmdline; cat; echo; echo "$PATH" >&2; exit 1`))
			k.wait(k.only())
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		once := run()
		if !strings.HasPrefix(once, "kubelet -c ") || !strings.HasSuffix(once, "\n/bin:/usr/sbin:/usr/bin:/sbin:/bin\n") {
			t.Errorf("the log says %q", once)
		}
		if twice := run(); twice != once+once {
			t.Errorf("after the second start the log says %q, want the first start's lines too", twice)
		}
		if err := os.Truncate(log, maxLog+1); err != nil {
			t.Fatal(err)
		}
		if anew := run(); anew != once {
			t.Errorf("the log that was too long is %d bytes after a start, want %d", len(anew), len(once))
		}
	})
}
