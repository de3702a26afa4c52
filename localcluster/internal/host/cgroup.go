package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupRoot = "/sys/fs/cgroup"

// system is the child cgroup of the node's own processes: in cgroup v2 only leaves hold processes.
const system = "system"

// hierarchies are the roots of the cgroup hierarchies: one in version 2, one for each controller in version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, fmt.Errorf("finding cgroups: %w", err)
	}
	var roots []string
	for _, e := range entries {
		// cpu and cpuacct are links to the one directory that holds both.
		root, err := filepath.EvalSymlinks(filepath.Join(cgroupRoot, e.Name()))
		if err != nil || slices.Contains(roots, root) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("there are no cgroups in %s: mount them", cgroupRoot)
	}
	return roots, nil
}

// makeCgroups makes the cluster's cgroups in every hierarchy.
func makeCgroups(path string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		for _, dir := range []string{filepath.Join(root, path), filepath.Join(root, path, system)} {
			if err := makeCgroup(dir); err != nil {
				return fmt.Errorf("making cgroup %s: %w", dir, err)
			}
		}
	}
	return nil
}

func makeCgroup(dir string) error {
	parent := filepath.Dir(dir)
	if controllers, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers")); err == nil { //nolint:gosec // a kernel's file
		for controller := range strings.FieldsSeq(string(controllers)) {
			// Not every controller can be handed down everywhere; the kubelet says which of those that it needs is missing.
			os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644) //nolint:errcheck,gosec // see above
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // anybody may look at it
		return err
	}
	// In version 1 a set without CPUs or memory nodes takes no process.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			continue
		}
		set, err := os.ReadFile(filepath.Join(parent, file)) //nolint:gosec // a kernel's file
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), set, 0o644) //nolint:gosec // a kernel's file
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enterCgroups puts a process into the cluster's cgroups; what it starts is in them too.
func enterCgroups(path string, pid int) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		file := filepath.Join(root, path, system, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o644); err != nil { //nolint:gosec // a kernel's file
			return fmt.Errorf("entering the cgroup: %w", err)
		}
	}
	return nil
}

// removeCgroups ends every process that is left in the cluster's cgroups and removes them.
func removeCgroups(path string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		top := filepath.Join(root, path)
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if err = removeCgroup(top); err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("removing cgroup %s: %w", top, err)
			}
		}
	}
	return nil
}

func removeCgroup(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(dir string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, dir)
		}
		return nil // a cgroup that went while it was walked is as good as removed
	})
	slices.Reverse(dirs) // children before parents
	for _, dir := range dirs {
		pids, readErr := os.ReadFile(filepath.Join(dir, "cgroup.procs")) //nolint:gosec // a kernel's file
		if readErr != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(pids)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // one that is gone need not be ended
			}
		}
		if rmErr := syscall.Rmdir(dir); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = rmErr
		}
	}
	return err
}
