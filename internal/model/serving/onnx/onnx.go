// Package onnx computes ONNX graphs with ONNX Runtime, as the engine of the model server.
//
// It promises that a library or a model file which cannot be loaded is an error that names the file, that a computation
// ends early when its context does, and that nothing is computed on more threads than were asked for. It needs cgo and
// the shared library, so only cmd/model-server imports it. One process holds one Runtime.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/suoke-life/suoke/internal/model/serving"
)

// Runtime is the loaded library.
type Runtime struct{}

// Load loads the shared library. The library holds its state once a process, so a second Load before Close fails.
func Load(library string) (*Runtime, error) {
	if _, err := os.Stat(library); err != nil {
		return nil, fmt.Errorf("loading ONNX Runtime: %w; name libonnxruntime.so.1 by ONNXRUNTIME_LIB", err)
	}
	ort.SetSharedLibraryPath(library)
	// Errors come back as values; the library need not print them as well.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return nil, fmt.Errorf("loading ONNX Runtime from %s: %w", library, err)
	}
	return &Runtime{}, nil
}

// Version is the library's own.
func (*Runtime) Version() string { return ort.GetVersion() }

// Close unloads the library. Every engine must be closed before.
func (*Runtime) Close() error {
	if err := ort.DestroyEnvironment(); err != nil {
		return fmt.Errorf("unloading ONNX Runtime: %w", err)
	}
	return nil
}

// Engine is one loaded graph. It is safe for use by many goroutines.
type Engine struct {
	session       *ort.DynamicAdvancedSession
	input, output serving.Tensor
}

// Open loads the graph in file, to be asked for the output of that name, and computed on that many threads.
func (*Runtime) Open(file, output string, threads int) (*Engine, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("loading the model: %w", err)
	}
	e := &Engine{}
	if err := e.load(file, output, threads); err != nil {
		return nil, fmt.Errorf("loading the model %s (%d bytes): %w", file, info.Size(), err)
	}
	return e, nil
}

func (e *Engine) load(file, output string, threads int) error {
	quick, err := options(threads)
	if err != nil {
		return err
	}
	defer func() { _ = quick.Destroy() }()
	// The first look wants names and shapes only; the session below optimises.
	if err := quick.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll); err != nil {
		return fmt.Errorf("setting up the session: %w", err)
	}
	inputs, outputs, err := ort.GetInputOutputInfoWithOptions(file, quick)
	if err != nil {
		return fmt.Errorf("it is damaged, or not an ONNX graph that this runtime knows: %w", err)
	}
	if len(inputs) != 1 {
		return fmt.Errorf("the graph has %d inputs (%s); export it with one", len(inputs), names(inputs))
	}
	at := slices.IndexFunc(outputs, func(o ort.InputOutputInfo) bool { return o.Name == output })
	if at < 0 {
		return fmt.Errorf("the graph has no output %q, only %s", output, names(outputs))
	}
	e.input, e.output = tensor(inputs[0]), tensor(outputs[at])

	full, err := options(threads)
	if err != nil {
		return err
	}
	defer func() { _ = full.Destroy() }()
	e.session, err = ort.NewDynamicAdvancedSession(file, []string{e.input.Name}, []string{e.output.Name}, full)
	if err != nil {
		return fmt.Errorf("it is damaged, or not an ONNX graph that this runtime knows: %w", err)
	}
	return nil
}

// options sets the threads: the library's own default is every core of the node, whatever the Pod's limit is.
func options(threads int) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("setting up the session: %w", err)
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(max(threads, 1)),
		o.SetInterOpNumThreads(1),
		// Idle threads that spin would eat the Pod's CPU quota, and be counted as load by the HPA.
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setting up the session: %w", err), o.Destroy())
	}
	return o, nil
}

// Input and Output are the tensors of the graph.
func (e *Engine) Input() serving.Tensor { return e.input }

// Output is the tensor that Infer returns.
func (e *Engine) Output() serving.Tensor { return e.output }

// Close frees the graph.
func (e *Engine) Close() error {
	if err := e.session.Destroy(); err != nil {
		return fmt.Errorf("closing the model: %w", err)
	}
	return nil
}

// Infer computes one batch.
func (e *Engine) Infer(ctx context.Context, batch serving.Batch) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if batch.Rows < 1 || len(batch.Values)%batch.Rows != 0 {
		return nil, fmt.Errorf("%d numbers are not %d rows", len(batch.Values), batch.Rows)
	}
	shape := ort.NewShape(int64(batch.Rows), int64(len(batch.Values)/batch.Rows))
	in, err := ort.NewTensor(shape, batch.Values)
	if err != nil {
		return nil, fmt.Errorf("making the input: %w", err)
	}
	defer func() { _ = in.Destroy() }()

	outs := []ort.Value{nil} // the library allocates it: its width may be free
	if err := e.run(ctx, in, outs); err != nil {
		return nil, err
	}
	defer func() { _ = outs[0].Destroy() }()
	out, ok := outs[0].(*ort.Tensor[float32])
	if !ok {
		return nil, fmt.Errorf("output %q is not FP32", e.output.Name)
	}
	return slices.Clone(out.GetData()), nil // its memory is the library's and goes with it
}

// run computes, and stops when ctx ends.
func (e *Engine) run(ctx context.Context, in ort.Value, outs []ort.Value) error {
	control, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("setting up the run: %w", err)
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = control.Terminate()
	})
	err = e.session.RunWithOptions([]ort.Value{in}, outs, control)
	if !stop() {
		<-stopped // Terminate must not touch options that are gone
	}
	return errors.Join(err, control.Destroy())
}

func tensor(info ort.InputOutputInfo) serving.Tensor {
	return serving.Tensor{Name: info.Name, Datatype: datatype(info.DataType), Shape: info.Dimensions}
}

// datatype is the protocol's word for an element type.
func datatype(t ort.TensorElementDataType) string {
	switch t {
	case ort.TensorElementDataTypeFloat:
		return "FP32"
	case ort.TensorElementDataTypeDouble:
		return "FP64"
	case ort.TensorElementDataTypeInt64:
		return "INT64"
	case ort.TensorElementDataTypeInt32:
		return "INT32"
	default:
		return t.String()
	}
}

func names(infos []ort.InputOutputInfo) string {
	all := make([]string, len(infos))
	for i, info := range infos {
		all[i] = info.Name
	}
	return strings.Join(all, ", ")
}
