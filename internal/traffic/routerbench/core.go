package routerbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// taskset pins processes to cores; it is a part of util-linux.
const taskset = "taskset"

// tick is the unit of CPU time in /proc.
const tick = 10 * time.Millisecond

// allowedCores lists the cores that this process may use.
func allowedCores(ctx context.Context) ([]int, error) {
	out, err := exec.CommandContext(ctx, taskset, "-c", "-p", strconv.Itoa(os.Getpid())).Output() //nolint:gosec // our own id
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("taskset pins each proxy to one core and is not there: apt-get install util-linux")
	}
	if err != nil {
		return nil, fmt.Errorf("asking which cores may be used: %w", err)
	}
	_, list, _ := strings.Cut(string(out), ": ")
	return parseCores(strings.TrimSpace(list))
}

// parseCores reads a list such as 0-3,8.
func parseCores(list string) ([]int, error) {
	var cores []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, ranges := strings.Cut(part, "-")
		if !ranges {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("reading the list of cores %q: %w", list, err)
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("reading the list of cores %q: %w", list, err)
		}
		for core := first; core <= last; core++ {
			cores = append(cores, core)
		}
	}
	return cores, nil
}

// stayOn moves all threads of this process to a core; those that it starts later inherit that.
func stayOn(ctx context.Context, core int) error {
	//nolint:gosec // numbers of our own
	cmd := exec.CommandContext(ctx, taskset, "-a", "-c", "-p", strconv.Itoa(core), strconv.Itoa(os.Getpid()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("moving client and backend to core %d: %w: %s", core, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// cpuTime that a process has used, or 0 where the system does not say.
func cpuTime(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces; utime and stime are the 12th and 13th fields after it.
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// loadAverage of the machine's last minute, or 0 where the system does not say.
func loadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}

// cpuName is what the machine calls its processor, or "".
func cpuName() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
