package routerbench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Names of the proxies that ours is compared with, and of their programs.
const (
	haproxy = "haproxy"
	nginx   = "nginx"
)

const haproxyConfig = `global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 1m
    timeout server 1m
    http-reuse always
    option http-no-delay
frontend in
    bind %[1]s
    default_backend out
backend out
    server one %[2]s maxconn 2048
`

const nginxConfig = `worker_processes 1;
daemon off;
master_process off;
pid %[3]s/nginx.pid;
error_log %[3]s/nginx.log;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path %[3]s/body;
    proxy_temp_path %[3]s/proxy;
    fastcgi_temp_path %[3]s/fastcgi;
    uwsgi_temp_path %[3]s/uwsgi;
    scgi_temp_path %[3]s/scgi;
    client_body_buffer_size 128k;
    keepalive_requests 1000000000;
    upstream out { server %[2]s; keepalive 256; keepalive_requests 1000000000; }
    server {
        listen %[1]s;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / { proxy_pass http://out; }
        location ~ infer_stream$ { proxy_pass http://out; proxy_buffering off; }
    }
}
`

// readyWithin is how long a proxy may take until it listens.
const readyWithin = 15 * time.Second

// proxy is a process that passes requests on to the backend; the direct way has none.
type proxy struct {
	name, address string
	process       *exec.Cmd
	ended         chan struct{}
	says          *tail
}

// startProxies starts our router and those of the others that are installed.
func startProxies(ctx context.Context, o Options, dir string, core int, backend string) (started []*proxy, missing []string, err error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, nil, err
	}
	p, err := startProxy(ctx, Suoke, address, core, o.Suoke(address, backend))
	if err != nil {
		return nil, nil, err
	}
	started = append(started, p)
	for _, other := range [...]struct{ name, debian string }{{haproxy, "haproxy"}, {nginx, "nginx-light"}} {
		program, err := exec.LookPath(other.name)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s is not there and was not measured: apt-get install %s", other.name, other.debian))
			continue
		}
		if address, err = freeAddress(ctx); err != nil {
			return started, nil, err
		}
		command, err := configured(other.name, program, dir, address, backend)
		if err != nil {
			return started, nil, err
		}
		if p, err = startProxy(ctx, other.name, address, core, command); err != nil {
			return started, nil, err
		}
		started = append(started, p)
	}
	return started, missing, nil
}

// configured writes a proxy's configuration and returns its command line.
func configured(name, program, dir, address, backend string) ([]string, error) {
	file := filepath.Join(dir, name+".conf")
	text, command := fmt.Sprintf(haproxyConfig, address, backend), []string{program, "-db", "-f", file}
	if name == nginx {
		text, command = fmt.Sprintf(nginxConfig, address, backend, dir), []string{program, "-c", file, "-p", dir}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing %s's configuration: %w", name, err)
	}
	return command, nil
}

// startProxy starts a program on one core, and waits until it listens.
func startProxy(ctx context.Context, name, address string, core int, command []string) (*proxy, error) {
	p := &proxy{name: name, address: address, ended: make(chan struct{}), says: &tail{}}
	//nolint:gosec // the proxies of this bench
	p.process = exec.Command(taskset, append([]string{"-c", strconv.Itoa(core)}, command...)...) //nolint:noctx // stop ends it
	p.process.Stdout, p.process.Stderr = p.says, p.says
	if err := p.process.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		_ = p.process.Wait() // how it ended is told by what it says
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("%s ended at once: %s", name, p.says)
		case <-ctx.Done():
			p.stop()
			return nil, fmt.Errorf("%s does not listen on %s: %s", name, address, p.says)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// cpu time that the proxy has used.
func (p *proxy) cpu() time.Duration {
	if p.process == nil {
		return 0
	}
	return cpuTime(p.process.Process.Pid)
}

// stop ends the process, first with a request.
func (p *proxy) stop() {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(2 * time.Second):
		_ = p.process.Process.Kill() // it may have ended
		<-p.ended
	}
}

// freeAddress is one on the loopback that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer socket.Close()
	return socket.Addr().String(), nil
}

// tail keeps the last of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// maxTail bytes are kept.
const maxTail = 2000

// Write implements io.Writer.
func (t *tail) Write(part []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, part...)
	t.text = t.text[max(0, len(t.text)-maxTail):]
	return len(part), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
