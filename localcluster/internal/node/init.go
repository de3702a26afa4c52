// Package node is the inside of a cluster: the first process of private mount, pid, network, ipc and host-name namespaces,
// which lays out what its node sees and keeps the node's processes running. When it ends, for any reason, the kernel ends all of
// them and takes back every mount, link and rule.
package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
)

// Run is the first process of the namespaces. It waits for the description of the cluster, which comes when the host has
// made its side, and returns when it is told to end.
func Run(description io.Reader) error {
	var c cluster.Config
	if err := json.NewDecoder(description).Decode(&c); err != nil {
		return fmt.Errorf("reading the cluster's description: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for _, step := range []func(cluster.Config) error{mounts, sysctls, network} {
		if err := step(c); err != nil {
			return err
		}
	}
	api, err := kube.New(c)
	if err != nil {
		return err
	}
	keeper := newKeeper(c)
	go keeper.reap(ctx)
	for _, part := range foundation(c) {
		keeper.start(part)
	}
	if err := api.Ready(ctx); err == nil {
		slog.Info("the API server is ready")
		for _, part := range rest(c) {
			keeper.start(part)
		}
	}
	<-ctx.Done()
	keeper.stop()
	return nil
}

// Directories of the node that lie in the cluster's directory, so that every default path of every component does.
func directories(c cluster.Config) map[string]string {
	return map[string]string{"/var/lib": c.Path("node", "lib"), "/var/log": c.Path("node", "log")}
}

// MakeDirectories makes what is bound into the node.
func MakeDirectories(c cluster.Config) error {
	dirs := []string{c.Path("log"), c.Path("node", "lib", "kubelet"), c.Path("node", "lib", "containerd"), c.Path("node", "lib", "cni")}
	for _, dir := range directories(c) {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // Pods' processes pass through
			return fmt.Errorf("making the node's directories: %w", err)
		}
	}
	return nil
}

func mounts(c cluster.Config) error {
	type mount struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}
	list := []mount{
		// First cut off from the host, then shared within: containers need mounts to propagate.
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"", "/", "", unix.MS_REC | unix.MS_SHARED, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{"", "/run", "", unix.MS_SHARED, ""},
	}
	for target, source := range directories(c) {
		list = append(list, mount{source, target, "", unix.MS_BIND, ""}, mount{"", target, "", unix.MS_SHARED, ""})
	}
	for _, m := range list {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	return nil
}

// sysctls shows the kubelet, which insists on six settings of the whole kernel, files that already hold its values: it reads
// them, finds them right, and the host keeps its own.
func sysctls(cluster.Config) error {
	const dir = "/run/sysctl"
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as readable as the real one
		return fmt.Errorf("making %s: %w", dir, err)
	}
	for name, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	} {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o444); err != nil { //nolint:gosec // as readable as the real one
			return fmt.Errorf("writing %s: %w", file, err)
		}
		if err := unix.Mount(file, "/proc/sys/"+name, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("showing %s: %w", name, err)
		}
	}
	return nil
}

func network(c cluster.Config) error {
	if err := unix.Sethostname([]byte(c.NodeName())); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("setting the loopback up: %w", err)
	}
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("finding the link to the host: %w", err)
	}
	at := c.Addresses()
	address, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", at.Node, at.Link))
	if err != nil {
		return fmt.Errorf("addressing the link to the host: %w", err)
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("addressing the link to the host: %w", err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting the link to the host up: %w", err)
	}
	// Settings of this network namespace alone. A connection whose process was killed keeps the namespace, and with it the
	// host's link, until its end was acknowledged, which a Pod's namespace that went before will never do: one retry is enough.
	for name, value := range map[string]string{"ip_forward": "1", "tcp_orphan_retries": "1"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0o644); err != nil { //nolint:gosec // a kernel's file
			return fmt.Errorf("setting net.ipv4.%s: %w", name, err)
		}
	}
	return nil
}
