package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// certificates is where Debian, Ubuntu and Go itself look for authorities.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// SuokeRecipe is the image of the static suoke binary. Certificates of root, the file system of this machine, go in
// where they are installed: without them suoke cannot speak TLS to the world.
func SuokeRecipe(executable, root string) (Recipe, error) {
	b, err := inspect(executable)
	if err != nil {
		return Recipe{}, err
	}
	if b.dynamic {
		return Recipe{}, fmt.Errorf("%s is dynamically linked; build it with CGO_ENABLED=0", executable)
	}
	system := account()
	bundle := filepath.Join(root, certificates)
	if _, err := os.Stat(bundle); err == nil {
		system = append(system, File{Path: certificates, Source: bundle})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Recipe{}, fmt.Errorf("looking for certificates: %w", err)
	}
	return Recipe{
		Architecture: b.architecture,
		Title:        Suoke,
		Entrypoint:   []string{"/usr/local/bin/suoke"},
		Layers: []Layer{
			{Purpose: "account and certificates", Files: system},
			{Purpose: "suoke", Files: []File{{Path: "/usr/local/bin/suoke", Source: executable, Executable: true}}},
		},
	}, nil
}

// ModelServerRecipe is the image of the model server: the C and C++ runtime of root, ONNX Runtime from a directory that
// holds libonnxruntime.so.1 and its LICENSE, and the binary.
func ModelServerRecipe(executable, onnxruntime, root string) (Recipe, error) {
	const library = "libonnxruntime.so.1"
	source := filepath.Join(onnxruntime, library)
	b, err := inspect(executable)
	if err != nil {
		return Recipe{}, err
	}
	engine, err := inspect(source)
	if err != nil {
		return Recipe{}, err
	}
	if b.architecture != engine.architecture {
		return Recipe{}, fmt.Errorf("%s is for %s and %s for %s; build both for one", executable, b.architecture, source, engine.architecture)
	}
	runtime, err := cRuntime(root, b.architecture)
	if err != nil {
		return Recipe{}, err
	}
	home := "/opt/onnxruntime"
	return Recipe{
		Architecture: b.architecture,
		Title:        ModelServer,
		Entrypoint:   []string{"/usr/local/bin/model-server"},
		Env:          []string{"ONNXRUNTIME_LIB=" + path.Join(home, library)},
		Layers: []Layer{
			{Purpose: "C and C++ runtime", Files: append(account(), runtime...)},
			{Purpose: "ONNX Runtime", Files: []File{
				{Path: path.Join(home, library), Source: source, Executable: true},
				{Path: path.Join(home, "LICENSE"), Source: filepath.Join(onnxruntime, "LICENSE")},
			}},
			{Purpose: "model-server", Files: []File{{Path: "/usr/local/bin/model-server", Source: executable, Executable: true}}},
		},
	}, nil
}

// account names the user for programs that ask.
func account() []File {
	return []File{
		{Path: "/etc/passwd", Content: "suoke:x:65532:65532::/:/sbin/nologin\n"},
		{Path: "/etc/group", Content: "suoke:x:65532:\n"},
	}
}
