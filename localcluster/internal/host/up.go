// Package host is the outside of a cluster: it makes the namespaces, links and cgroups in which a node runs, publishes what
// people use on loopback, and takes all of it back. Whatever ends the process that runs Up ends the cluster: the kernel
// then removes everything but empty cgroups, which the next Up or Down removes.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/suoke-life/suoke/localcluster/internal/addon"
	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/image"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
	"github.com/suoke-life/suoke/localcluster/internal/node"
	"github.com/suoke-life/suoke/localcluster/internal/pki"
	"github.com/suoke-life/suoke/localcluster/internal/publish"
)

const (
	// patience is how long a cluster may take to come up; on a busy machine it takes well under a minute.
	patience = 5 * time.Minute
	// grace is how long the node gets to end by itself.
	grace = 5 * time.Second
)

// NodeArgument is the argument by which this program, started anew, is the node's first process.
const NodeArgument = "node"

// Up runs a cluster until ctx ends. It calls ready once everything that comes with a cluster is available, and say with each step on the way.
func Up(ctx context.Context, c cluster.Config, archives []string, say func(string), ready func() error) (err error) {
	for _, name := range []string{"name/" + c.Name, fmt.Sprintf("network/%d", c.Network)} {
		taken, err := lockName(name)
		if errors.Is(err, ErrHeld) {
			kind, value, _ := strings.Cut(name, "/")
			return fmt.Errorf("another cluster of this machine has the %s %s: choose another with --%s", kind, value, kind)
		}
		if err != nil {
			return err
		}
		defer taken.Close()
	}
	if err := mayUse(c.Dir); err != nil {
		return err
	}
	if err := Sweep(c); err != nil {
		return err
	}
	ports, err := listen(ctx, c)
	if err != nil {
		return err
	}
	defer ports.close()
	if err := prepare(c); err != nil {
		return err
	}
	own, err := image.Own(c.BuildDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, Sweep(c)) }()
	inside, err := launch(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inside.end()) }()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		<-inside.done
		cancel(fmt.Errorf("the node ended (%s): %s says why", inside.how, c.Path("log", "node.log")))
	}()
	err = tend(ctx, c, ports, inside.process.Pid, append(own, archives...), say, ready)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// tend brings the cluster up from its first process to the last Deployment, and then stays until ctx ends.
func tend(ctx context.Context, c cluster.Config, ports published, nodePID int, archives []string, say func(string), ready func() error) error {
	api, err := kube.New(c)
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ports.serve(ctx, &serving, c, api)
	serving.Go(func() { addon.Reclaim(ctx, api, c) })

	record := cluster.Record{Config: c, NodePID: nodePID}
	if err := record.Write(); err != nil {
		return err
	}
	if err := bringUp(ctx, api, c, nodePID, archives, say); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	record.Ready = true
	if err := record.Write(); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// prepare writes what the node reads when it starts.
func prepare(c cluster.Config) error {
	if err := removeState(c.Dir); err != nil {
		return err
	}
	if err := (cluster.Record{Config: c}).Write(); err != nil {
		return err
	}
	if err := node.MakeDirectories(c); err != nil {
		return err
	}
	if err := addon.MakeVolumes(c); err != nil {
		return err
	}
	if err := pki.Provision(c, time.Now()); err != nil {
		return err
	}
	if err := handOver(c.Kubeconfig()); err != nil {
		return err
	}
	if err := node.WriteFiles(c); err != nil {
		return err
	}
	return makeCgroups(c.Cgroup())
}

// first is the node's first process.
type first struct {
	process *os.Process
	// done is closed when the process has ended, and how is set before.
	done chan struct{}
	how  string
}

// launch starts the node's first process in namespaces of its own and connects it with the host.
func launch(c cluster.Config) (*first, error) {
	log, err := os.Create(c.Path("log", "node.log"))
	if err != nil {
		return nil, fmt.Errorf("starting the node: %w", err)
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the node: %w", err)
	}
	defer read.Close()
	defer write.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{c.NodeName(), NodeArgument},
		Dir: "/", Stdin: read, Stdout: log, Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid: true, Pdeathsig: syscall.SIGKILL,
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		},
	}
	f, err := start(cmd)
	if err != nil {
		return nil, fmt.Errorf("starting the node: %w", err)
	}
	err = enterCgroups(c.Cgroup(), f.process.Pid)
	if err == nil {
		err = connect(c, f.process.Pid)
	}
	if err == nil {
		err = json.NewEncoder(write).Encode(c)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the node: %w", err), f.end())
	}
	return f, nil
}

// start starts a command on a thread that stays until the command has ended: the kernel sends the signal of a parent's death
// when the thread ends that started the child.
func start(cmd *exec.Cmd) (*first, error) {
	f := &first{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		f.process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state says more
			f.how = cmd.ProcessState.String()
			close(f.done)
		}
	}()
	return f, <-started
}

// end tells the node to end, and makes sure that it did.
func (f *first) end() error {
	if err := f.process.Signal(syscall.SIGTERM); err == nil {
		select {
		case <-f.done:
			return nil
		case <-time.After(grace):
			slog.Warn("the node does not end by itself")
		}
	}
	if err := f.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending the node: %w", err)
	}
	<-f.done
	return nil
}

// Sweep removes what a cluster of this name left on the host. The caller knows that none is up.
func Sweep(c cluster.Config) error {
	return errors.Join(removeCgroups(c.Cgroup()), disconnect(c))
}

// published are the listeners of a cluster, in the order API server, Publish.
type published []*publish.Forwarder

// listen takes every port before anything else is done, so that a taken one is told at once.
func listen(ctx context.Context, c cluster.Config) (published, error) {
	api, err := publish.Listen(ctx, c.APIPort, "--api-port")
	if err != nil {
		return nil, err
	}
	ports := published{api}
	for _, p := range c.Publish {
		port, err := publish.Listen(ctx, p.Port, "--publish PORT="+p.Target())
		if err != nil {
			ports.close()
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func (p published) serve(ctx context.Context, serving *sync.WaitGroup, c cluster.Config, api *kube.Client) {
	serving.Go(func() { p[0].Serve(ctx, publish.Fixed(net.JoinHostPort(c.Addresses().Node.String(), "6443"))) })
	for i, to := range c.Publish {
		serving.Go(func() { p[i+1].Serve(ctx, publish.Service(api, to.Namespace, to.Service, to.ServicePort)) })
	}
}

func (p published) close() {
	for _, port := range p {
		_ = port.Close() // serving closes it too
	}
}
