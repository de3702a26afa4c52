package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// holdVariable tells this test's program to be another process: one that has a cluster up in the directory it names.
const holdVariable = "SUOKE_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		fmt.Fprintln(os.Stderr, hold(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// hold locks the directory, starts a process in the node's place, tells its number and stays.
func hold(dir string) error {
	runtime.LockOSThread() // by which the kernel knows the parent that must not die
	// A name as unkind as can be to whoever reads /proc.
	if err := os.WriteFile("/proc/self/comm", []byte("a) S 1 (b"), 0o600); err != nil {
		return err
	}
	lock, err := Lock(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	node := exec.CommandContext(context.Background(), "sleep", "600")
	node.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := node.Start(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, node.Process.Pid)
	return node.Wait()
}

// holder starts that process, until the test ends, and returns it and its node's number.
func holder(t *testing.T, dir string) (cmd *exec.Cmd, node int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), holdVariable+"="+dir)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // one that is gone need not be ended
		_ = cmd.Wait()         // it ends by a signal, and may have been waited for
	})
	if _, err := fmt.Fscan(bufio.NewReader(out), &node); err != nil {
		_ = cmd.Wait() // the complaint says more
		t.Fatalf("no process holds %s: %s", dir, &complaint)
	}
	return cmd, node
}
