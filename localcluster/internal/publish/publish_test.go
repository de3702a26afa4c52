package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// serve publishes a target until the test ends or the returned function is called, which returns when Serve has.
func serve(t *testing.T, target Target) (address string, stop func()) {
	t.Helper()
	f, err := Listen(t.Context(), 0, "--publish")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		f.Serve(ctx, target)
		close(done)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return f.Address(), stop
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// server is a program behind a published port: it handles one connection after the other.
func server(t *testing.T, handle func(*net.TCPConn)) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(conn.(*net.TCPConn))
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// free is an address at which nothing listens.
func free(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestBothWaysUntilBothHaveEnded has a client that ends its half first, and a server that answers only then, more than
// buffers hold.
func TestBothWaysUntilBothHaveEnded(t *testing.T) {
	const question = "how are you?"
	long := strings.Repeat("as ever; ", 1<<20)
	behind := server(t, func(conn *net.TCPConn) {
		asked, err := io.ReadAll(conn) // until the client's end comes through
		if err != nil || string(asked) != question {
			t.Errorf("the server read %q, %v", asked, err)
		}
		_, _ = io.WriteString(conn, long) // the client looks at what comes
	})
	address, _ := serve(t, Fixed(behind))
	for range 3 {
		conn := dial(t, address)
		if _, err := io.WriteString(conn, question); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || string(answer) != long {
			t.Errorf("the client read %d bytes, %v; want %d", len(answer), err, len(long))
		}
	}
}

func TestServerThatEndsFirst(t *testing.T) {
	heard := make(chan string, 1)
	behind := server(t, func(conn *net.TCPConn) {
		_ = conn.CloseWrite() // the client looks at what comes
		all, _ := io.ReadAll(conn)
		heard <- string(all)
	})
	address, _ := serve(t, Fixed(behind))
	conn := dial(t, address)
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "still here") // the server says what came
	conn.Close()
	if got := <-heard; got != "still here" {
		t.Errorf("after its own end the server heard %q", got)
	}
}

func TestConnectionWithoutATargetIsClosed(t *testing.T) {
	for what, target := range map[string]Target{
		"nothing is found":   func(context.Context) (string, error) { return "", errors.New("no such Service") },
		"nobody listens":     Fixed(free(t)),
		"it is no address":   Fixed("nowhere"),
		"the lookup gave up": func(context.Context) (string, error) { return "", context.DeadlineExceeded },
	} {
		t.Run(what, func(t *testing.T) {
			address, _ := serve(t, target)
			for range 2 { // the port goes on being served
				if got, err := io.ReadAll(dial(t, address)); err != nil || len(got) > 0 {
					t.Errorf("the client read %q, %v; want the end", got, err)
				}
			}
		})
	}
}

// TestPortThatIsTaken wants the flag named that chooses another port.
func TestPortThatIsTaken(t *testing.T) {
	taken, err := Listen(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.listener.Addr().(*net.TCPAddr).Port
	_, err = Listen(t.Context(), port, "--api-port")
	if err == nil || !strings.Contains(err.Error(), "is taken by another program: choose another with --api-port") {
		t.Errorf("the answer is %v, want the flag named", err)
	}
}

// TestEndsWithItsContext ends a forwarder while one connection is idle and another waits for its target.
func TestEndsWithItsContext(t *testing.T) {
	behind := server(t, func(conn *net.TCPConn) { _, _ = io.Copy(conn, conn) }) // it ends when the connection does
	waiting := make(chan struct{})
	var asked atomic.Int32
	address, stop := serve(t, func(ctx context.Context) (string, error) {
		if asked.Add(1) == 1 {
			return behind, nil
		}
		close(waiting)
		<-ctx.Done()
		return "", ctx.Err()
	})
	idle := dial(t, address)
	if _, err := io.WriteString(idle, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(idle, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	early := dial(t, address)
	<-waiting
	stop()
	for what, conn := range map[string]net.Conn{"idle": idle, "early": early} {
		if got, _ := io.ReadAll(conn); len(got) > 0 { // it returns because there is an end, of one kind or another
			t.Errorf("the %s connection read %q", what, got)
		}
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp4", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the port is answered %v, want that it is free", err)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, name := range []string{"publish.(*Forwarder).forward(", "publish.(*Forwarder).Serve(", "publish.pipe("} {
		if strings.Contains(string(stacks), name) {
			t.Errorf("%s is still there:\n%s", name, stacks)
		}
	}
}

// full is a listener of a process that has too many open files.
type full struct {
	net.Listener
	tries  atomic.Int32
	closed atomic.Bool
}

func (f *full) Accept() (net.Conn, error) {
	f.tries.Add(1)
	if f.closed.Load() {
		return nil, net.ErrClosed
	}
	return nil, syscall.EMFILE
}

func (f *full) Addr() net.Addr { return &net.TCPAddr{} }

func (f *full) Close() error {
	f.closed.Store(true)
	return nil
}

func TestTakesABreathWhenNoConnectionCanBeTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &full{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*breath)
		defer cancel()
		(&Forwarder{listener: listener}).Serve(ctx, Fixed(""))
		if tries := listener.tries.Load(); tries < 5 || tries > 12 {
			t.Errorf("it tried %d times in %v", tries, 10*breath)
		}
	})
}

// api answers for one Service.
type api struct {
	clusterIP string
	err       error
	asked     []string
}

func (a *api) Get(_ context.Context, path string, value any) error {
	a.asked = append(a.asked, path)
	return errors.Join(a.err, json.Unmarshal(fmt.Appendf(nil, `{"spec": {"clusterIP": %q}}`, a.clusterIP), value))
}

// TestServiceIsLookedUpAgainAfterASecond makes the Service anew while connections come.
func TestServiceIsLookedUpAgainAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{clusterIP: "10.101.128.7"}
		target := Service(a, "suoke-life", "console", 80)
		for _, step := range []struct {
			what, now, want string
			asked           int
		}{
			{"the first connection", "10.101.128.7", "10.101.128.7:80", 1},
			{"another at once", "10.101.128.8", "10.101.128.7:80", 1},
			{"one a second later", "10.101.128.8", "10.101.128.8:80", 2},
		} {
			if step.asked == 2 {
				time.Sleep(remembered)
			}
			a.clusterIP = step.now
			got, err := target(t.Context())
			if err != nil || got != step.want || len(a.asked) != step.asked {
				t.Errorf("%s goes to %s, %v, after %d questions; want %s after %d", step.what, got, err, len(a.asked), step.want, step.asked)
			}
		}
		if want := "/api/v1/namespaces/suoke-life/services/console"; a.asked[0] != want {
			t.Errorf("it asked for %s, want %s", a.asked[0], want)
		}
	})
}

func TestServiceWithoutAnAddress(t *testing.T) {
	gone := errors.New("404")
	for what, test := range map[string]struct {
		api  api
		want string
	}{
		"it is not there":   {api{err: gone}, "looking up Service ns/app: 404"},
		"it is headless":    {api{clusterIP: "None"}, `Service ns/app has no address of its own (clusterIP "None")`},
		"it is a name only": {api{}, `clusterIP ""`},
	} {
		t.Run(what, func(t *testing.T) {
			target := Service(&test.api, "ns", "app", 80)
			_, err := target(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the answer is %v, want one with %q", err, test.want)
			}
			test.api.err, test.api.clusterIP = nil, "10.101.128.9" // a failure is not remembered
			if got, err := target(t.Context()); err != nil || got != "10.101.128.9:80" {
				t.Errorf("once it is there, the answer is %s, %v", got, err)
			}
		})
	}
}

// slowAPI answers after a while, or not at all if nothing ends its patience.
type slowAPI struct {
	*api

	takes time.Duration
}

func (a slowAPI) Get(ctx context.Context, path string, value any) error {
	select {
	case <-time.After(a.takes):
		return a.api.Get(ctx, path, value)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestTheAddressOfBeforeIsUsedWhileTheAPIServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &slowAPI{api: &api{clusterIP: "10.101.128.7"}}
		target := Service(a, "suoke-life", "console", 80)
		if _, err := target(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.takes = time.Hour
		for range 20 {
			time.Sleep(remembered)
			start := time.Now()
			got, err := target(t.Context())
			if took := time.Since(start); err != nil || got != "10.101.128.7:80" || took > patience {
				t.Fatalf("the answer is %s, %v after %v", got, err, took)
			}
		}
		synctest.Wait()
		time.Sleep(dialTime) // the last question is given up
	})
}
