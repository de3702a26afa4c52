package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
)

// binary is what an executable or library says of itself.
type binary struct {
	architecture string
	dynamic      bool // it names an interpreter
}

func inspect(file string) (binary, error) {
	f, err := elf.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return binary{}, fmt.Errorf("%s is not there; build it first (make build onnxruntime)", file)
	}
	if err != nil {
		return binary{}, fmt.Errorf("%s is no Linux binary: %w", file, err)
	}
	defer func() { _ = f.Close() }()
	architectures := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}
	b := binary{architecture: architectures[f.Machine]}
	if b.architecture == "" {
		return b, fmt.Errorf("%s is built for %s; images are made for amd64 and arm64", file, f.Machine)
	}
	for _, p := range f.Progs {
		b.dynamic = b.dynamic || p.Type == elf.PT_INTERP
	}
	return b, nil
}
