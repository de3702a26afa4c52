package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

func TestLockOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	if got, err := Holder(dir); got != 0 || err != nil {
		t.Errorf("before there is a lock its holder is %d, %v", got, err)
	}
	other, _ := holder(t, dir)
	if got, err := Holder(dir); got != other.Process.Pid || err != nil {
		t.Errorf("the holder is %d, %v; want %d", got, err, other.Process.Pid)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrHeld) {
		t.Errorf("locking is answered %v, want ErrHeld", err)
	}
}

// TestLockOfAKilledProcessIsFree kills a holder, and takes its place.
func TestLockOfAKilledProcessIsFree(t *testing.T) {
	dir := t.TempDir()
	other, _ := holder(t, dir)
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it ends by the signal
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
}

func TestLockNeedsTheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := Lock(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("locking is answered %v, want that there is no directory", err)
	}
	if got, err := Holder(dir); got != 0 || err != nil {
		t.Errorf("the holder is %d, %v; want none", got, err)
	}
}

func TestNameIsTakenOnce(t *testing.T) {
	first, err := lockName(name() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockName(name() + "/x"); !errors.Is(err, ErrHeld) {
		t.Errorf("the second is answered %v, want ErrHeld", err)
	}
	if other, err := lockName(name() + "/y"); err != nil {
		t.Error(err)
	} else {
		other.Close()
	}
	first.Close()
	again, err := lockName(name() + "/x")
	if err != nil {
		t.Fatalf("the name that was given back: %v", err)
	}
	again.Close()
}

// TestReadyIsWhatTheHolderSays has records of several origins in the directory of a cluster that another process has up.
// The wait is over before it begins, so that each is looked at once.
func TestReadyIsWhatTheHolderSays(t *testing.T) {
	dir := t.TempDir()
	other, node := holder(t, dir)
	for what, test := range map[string]struct {
		record *cluster.Record
		ready  bool
	}{
		"no record yet":            {},
		"no node yet":              {record: &cluster.Record{}},
		"a node that is not ready": {record: &cluster.Record{NodePID: node}},
		"a node that is":           {record: &cluster.Record{NodePID: node, Ready: true}, ready: true},
		"left by one that is gone": {record: &cluster.Record{NodePID: 1 << 22, Ready: true}},
		"left by one whose number is taken": {
			record: &cluster.Record{NodePID: os.Getpid(), Ready: true},
		},
	} {
		t.Run(what, func(t *testing.T) {
			if err := os.Remove(filepath.Join(dir, "cluster.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if test.record != nil {
				test.record.Dir, test.record.Name = dir, name()
				if err := test.record.Write(); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			record, err := WaitReady(ctx, dir)
			if test.ready && (err != nil || record.NodePID != node) {
				t.Errorf("the answer is %+v, %v; want that it is ready", record, err)
			}
			if want := fmt.Sprintf("which process %d is bringing up", other.Process.Pid); !test.ready && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("the answer is %+v, %v; want %s", record, err, want)
			}
		})
	}
}

func TestNobodyBringsItUp(t *testing.T) {
	dir := t.TempDir()
	if err := (cluster.Record{Config: cluster.Config{Dir: dir, Name: name()}, NodePID: os.Getpid(), Ready: true}).Write(); err != nil {
		t.Fatal(err)
	}
	if _, err := WaitReady(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "ended before it was up: start it again") {
		t.Errorf("the answer is %v, want to start it again", err)
	}
}

func TestParent(t *testing.T) {
	other, node := holder(t, t.TempDir())
	pid := other.Process.Pid
	for child, want := range map[int]int{node: pid, pid: os.Getpid(), os.Getpid(): os.Getppid(), 0: 0, 1 << 22: 0} {
		if got := parent(child); got != want {
			t.Errorf("the parent of %d is %d, want %d", child, got, want)
		}
	}
}

// name is a cluster's name that no other run of these tests has.
func name() string { return fmt.Sprint("t", os.Getpid()) }
