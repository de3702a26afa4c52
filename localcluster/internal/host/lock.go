package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// ErrHeld says that another process has the lock.
var ErrHeld = errors.New("held by another process")

func lockFile(dir string) string { return filepath.Join(dir, "lock") }

// Lock takes the directory for this process; the kernel gives it back when the process ends, however it does. It is a
// POSIX lock, because those tell their holder's number.
func Lock(dir string) (io.Closer, error) {
	file, err := os.OpenFile(lockFile(dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	err = unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart})
	if err == nil {
		return file, nil
	}
	_ = file.Close() // nothing was written
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return nil, ErrHeld
	}
	return nil, fmt.Errorf("locking %s: %w", dir, err)
}

// Holder is the process that has the cluster in dir up, or 0. Who has the lock must not ask: closing the file gives it back.
func Holder(dir string) (int, error) {
	file, err := os.OpenFile(lockFile(dir), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the lock of %s: %w", dir, err)
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, fmt.Errorf("asking for the lock of %s: %w", dir, err)
	}
	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}
	return int(lock.Pid), nil
}

// lockName takes a name on this machine. An abstract socket leaves nothing behind.
func lockName(name string) (io.Closer, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@suoke-local/" + name, Net: "unix"})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, fmt.Errorf("taking the name %s: %w", name, err)
	}
	return listener, nil
}

// WaitReady waits until the cluster that another process has up in dir is ready, and returns its record.
func WaitReady(ctx context.Context, dir string) (cluster.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		holder, err := Holder(dir)
		if err != nil {
			return cluster.Record{}, err
		}
		if holder == 0 {
			return cluster.Record{}, fmt.Errorf("the cluster in %s ended before it was up: start it again", dir)
		}
		// A record may still be that of a cluster that was killed before this one.
		if record, err := cluster.ReadRecord(dir); err == nil && record.Ready && parent(record.NodePID) == holder {
			return record, nil
		}
		select {
		case <-ctx.Done():
			return cluster.Record{}, fmt.Errorf("waiting for the cluster in %s, which process %d is bringing up: %w", dir, holder, ctx.Err())
		case <-ticker.C:
		}
	}
}

// parent is the process that started another, or 0 where that is gone.
func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	var (
		state  string
		number int
	)
	// They come after the name in parentheses.
	if _, err := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &number); err != nil {
		return 0
	}
	return number
}
