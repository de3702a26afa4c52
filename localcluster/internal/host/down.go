package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// downTime is how long a cluster that is up gets to go down by itself.
const downTime = 20 * time.Second

// Down ends the cluster in dir if it is up, and removes everything of it. It reports whether there was anything.
func Down(dir string) (bool, error) {
	holder, err := Holder(dir)
	if err != nil {
		return false, err
	}
	if holder > 0 {
		if err := endHolder(dir, holder); err != nil {
			return true, err
		}
	}
	record, err := cluster.ReadRecord(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return holder > 0, nil
	}
	if err != nil {
		return true, err
	}
	lock, err := Lock(dir)
	if errors.Is(err, ErrHeld) {
		return true, fmt.Errorf("another process is bringing up the cluster in %s again", dir)
	}
	if err != nil {
		return true, err
	}
	defer lock.Close()
	name, err := lockName("name/" + record.Name)
	switch {
	case errors.Is(err, ErrHeld):
		// The name went on to a cluster in another directory; what is on the host is its.
	case err != nil:
		return true, err
	default:
		defer name.Close()
		if err := Sweep(record.Config); err != nil {
			return true, err
		}
	}
	if err := removeState(dir); err != nil {
		return true, err
	}
	for _, file := range []string{"cluster.json", "up.log", "lock"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return true, fmt.Errorf("removing the cluster: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		return true, fmt.Errorf("removing %s: %w", dir, err)
	}
	return true, nil
}

// endHolder tells the process that has the cluster up to end, and ends it when it does not.
func endHolder(dir string, pid int) error {
	for _, how := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, downTime}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := syscall.Kill(pid, how.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending the cluster's process %d: %w", pid, err)
		}
		for deadline := time.Now().Add(how.wait); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			if now, err := Holder(dir); err != nil || now != pid {
				return err
			}
		}
	}
	return fmt.Errorf("the cluster's process %d does not end", pid)
}

// removeState removes what a cluster keeps in its directory, but for its record and its lock. It names each thing, because
// the directory is a person's choice and may hold other things.
func removeState(dir string) error {
	paths, err := state(dir)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing the cluster's state: %w", err)
		}
	}
	return nil
}

// mayUse refuses a directory in which something that is of no cluster has a name under which a cluster would remove it.
func mayUse(dir string) error {
	if _, err := cluster.ReadRecord(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	paths, err := state(dir)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is in the way, and of no cluster: choose another directory with --dir", path)
		}
	}
	return nil
}

// state lists where a cluster keeps what goes with it.
func state(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "hold-*"))
	if err != nil {
		return nil, fmt.Errorf("looking into %s: %w", dir, err)
	}
	for _, name := range []string{"node", "pki", "config", "log", "kubeconfig"} {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths, nil
}

// handOver gives a file to the person who called sudo: the kubeconfig is theirs.
func handOver(file string) error {
	uid, uidErr := strconv.Atoi(os.Getenv("SUDO_UID"))
	gid, gidErr := strconv.Atoi(os.Getenv("SUDO_GID"))
	if uidErr != nil || gidErr != nil {
		return nil //nolint:nilerr // nobody called sudo
	}
	if err := os.Chown(file, uid, gid); err != nil {
		return fmt.Errorf("handing over %s: %w", file, err)
	}
	return nil
}
