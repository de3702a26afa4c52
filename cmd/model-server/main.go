// Command model-server serves one version of one model by the Open Inference Protocol v2. It is a binary of its own
// because its engine needs cgo and a shared library, and suoke needs neither.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/internal/model/serving"
	"github.com/suoke-life/suoke/internal/model/serving/onnx"
)

// terminationLog is where Kubernetes reads why a container ended.
const terminationLog = "/dev/termination-log"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := newCommand(log).ExecuteContext(ctx)
	stop()
	if err != nil {
		log.Error("model-server ends", "error", err)
		if written := explain(terminationLog, err); written != nil {
			log.Warn("the reason stands in this log only", "error", written)
		}
		os.Exit(1)
	}
}

// explain leaves the reason where the Pod's status shows it. Outside a Pod there is no such file, and none is made.
func explain(file string, reason error) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0) //nolint:gosec // a fixed path; tests name another
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, reason)
	return errors.Join(err, f.Close())
}

type options struct {
	dir, name, version string
	host               string
	port               int
	health             string
	threads, queue     int
	metrics            bool
	drain              serving.Drain
	library            string
}

func newCommand(log *slog.Logger) *cobra.Command {
	o := options{library: "/opt/onnxruntime/libonnxruntime.so.1"}
	if named := os.Getenv("ONNXRUNTIME_LIB"); named != "" {
		o.library = named
	}
	cmd := &cobra.Command{
		Use:   "model-server --model-dir DIR --name MODEL --version VERSION",
		Short: "Serve one version of one model by the Open Inference Protocol v2",
		Long: `model-server loads DIR/model.onnx and DIR/model.json and answers

  POST /v2/models/MODEL/infer   {"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]}]}
  GET  /v2/models/MODEL         inputs, outputs, and as parameters the task, features and labels
  GET  /ready, /v2/health/ready, /v2/health/live, /metrics, and the health path

On SIGTERM it turns /ready to 503, serves on through --drain-delay, and ends when the last request has its answer.
ONNXRUNTIME_LIB names ONNX Runtime's library where it is not /opt/onnxruntime/libonnxruntime.so.1.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o, log) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "model-dir", "/model", "directory with model.onnx and model.json")
	flags.StringVar(&o.name, "name", "", "the model's name in paths, answers and metrics")
	flags.StringVar(&o.version, "version", "", "the version in answers and metrics")
	flags.StringVar(&o.host, "host", "", "address to listen on; all if empty")
	flags.IntVar(&o.port, "port", 8080, "port to listen on")
	flags.StringVar(&o.health, "health-path", "/health", "path that answers 200 while the process lives")
	flags.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "threads that compute; the container's CPU limit if not said")
	flags.BoolVar(&o.metrics, "metrics", true, "serve /metrics")
	flags.IntVar(&o.queue, "queue", 256, "requests that may wait; further ones get 429")
	flags.DurationVar(&o.drain.Delay, "drain-delay", 3*time.Second, "how long to serve on after SIGTERM, not ready")
	flags.DurationVar(&o.drain.Grace, "drain-grace", 60*time.Second, "how long requests in flight may take after that")
	for _, needed := range []string{"name", "version"} {
		if err := cmd.MarkFlagRequired(needed); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

func (o options) check() error {
	switch {
	case o.port < 0 || o.port > 65535:
		return fmt.Errorf("--port is %d; write 1 to 65535", o.port)
	case o.threads < 1:
		return fmt.Errorf("--threads is %d; write at least 1", o.threads)
	case o.queue < 0:
		return fmt.Errorf("--queue is %d; write 0 or more", o.queue)
	case o.drain.Delay < 0 || o.drain.Grace < 0:
		return errors.New("--drain-delay and --drain-grace are not negative")
	}
	return nil
}

// run loads the model and serves it until ctx ends. The library is unloaded only after a clean drain: while a request may
// still be in it, its memory belongs to that request.
func run(ctx context.Context, o options, log *slog.Logger) error {
	if err := o.check(); err != nil {
		return err
	}
	manifest, err := serving.ReadManifest(filepath.Join(o.dir, "model.json"))
	if err != nil {
		return err
	}
	library, err := onnx.Load(o.library)
	if err != nil {
		return err
	}
	started := time.Now()
	engine, err := library.Open(filepath.Join(o.dir, "model.onnx"), manifest.Output(), o.threads)
	if err != nil {
		return err
	}
	server, err := serving.New(serving.Model{Name: o.name, Version: o.version, Manifest: manifest}, engine, serving.Options{
		HealthPath: o.health,
		Concurrent: o.threads,
		Queue:      o.queue,
		NoMetrics:  !o.metrics,
		Log:        log,
	})
	if err != nil {
		return err
	}
	warm(ctx, engine, len(manifest.Features), log)

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(o.host, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	log.Info("serving", "model", o.name, "version", o.version, "task", manifest.Task, "features", len(manifest.Features),
		"address", listener.Addr(), "threads", o.threads, "onnxruntime", library.Version(), "loading", time.Since(started))
	if err := server.Serve(ctx, listener, o.drain); err != nil {
		return err
	}
	return errors.Join(engine.Close(), library.Close())
}

// warm computes one row, so that no client pays for what the engine does on its first. A model that cannot take zeros may
// take real rows, so its error is only told.
func warm(ctx context.Context, engine serving.Engine, features int, log *slog.Logger) {
	if _, err := engine.Infer(ctx, serving.Batch{Rows: 1, Values: make([]float32, features)}); err != nil {
		log.Warn("a first row of zeros could not be computed", "error", err)
	}
}
