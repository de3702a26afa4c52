package image_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/suoke-life/suoke/internal/image"
)

// program writes the smallest file that is a Linux executable: an ELF header and, if it needs a loader, one segment.
func program(t *testing.T, machine elf.Machine, segments ...elf.Prog64) string {
	t.Helper()
	header := elf.Header64{
		Ident:     [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(machine),
		Version:   uint32(elf.EV_CURRENT),
		Phoff:     64,
		Ehsize:    64,
		Phentsize: 56,
		Phnum:     uint16(len(segments)),
	}
	var content bytes.Buffer
	if err := errors.Join(binary.Write(&content, binary.LittleEndian, header), binary.Write(&content, binary.LittleEndian, segments)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "program")
	write(t, file, content.String())
	return file
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// debian writes what the recipes take from a system. libraries is where the system keeps them.
func debian(t *testing.T, libraries string) string {
	t.Helper()
	root := t.TempDir()
	for _, library := range []string{
		"ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6.0.30",
	} {
		write(t, filepath.Join(root, libraries, library), library)
	}
	if err := os.Symlink("libstdc++.so.6.0.30", filepath.Join(root, libraries, "libstdc++.so.6")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "usr/share/doc/libc6/copyright"), "LGPL")
	write(t, filepath.Join(root, "usr/share/doc/gcc-12-base/copyright"), "GPL with exception")
	for _, doc := range []string{"libgcc-s1", "libstdc++6"} {
		if err := os.Symlink("gcc-12-base", filepath.Join(root, "usr/share/doc", doc)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "usr/share/common-licenses/LGPL-2.1"), "LGPL 2.1")
	write(t, filepath.Join(root, "usr/share/common-licenses/GPL-3"), "GPL 3")
	return root
}

func engine(t *testing.T, library string) string {
	t.Helper()
	dir := t.TempDir()
	content, err := os.ReadFile(library)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "libonnxruntime.so.1"), string(content))
	write(t, filepath.Join(dir, "LICENSE"), "MIT")
	return dir
}

func assemble(t *testing.T, recipe image.Recipe, err error) v1.Image {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Assemble(recipe)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// tree lists an image's files as mode, path and link.
func tree(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	content := mutate.Extract(img)
	defer func() { _ = content.Close() }()
	all := map[string]string{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s is of %d:%d at %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		all["/"+h.Name] = h.FileInfo().Mode().Perm().String() + strings.Repeat(" -> ", min(1, len(h.Linkname))) + h.Linkname
	}
}

func TestTheModelServersImage(t *testing.T) {
	executable := program(t, elf.EM_X86_64)
	onnxruntime := engine(t, executable)
	want := map[string]string{
		"/etc/group":                                     "-rw-r--r--",
		"/etc/passwd":                                    "-rw-r--r--",
		"/lib64/ld-linux-x86-64.so.2":                    "-rwxrwxrwx -> /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"/opt/onnxruntime/LICENSE":                       "-rw-r--r--",
		"/opt/onnxruntime/libonnxruntime.so.1":           "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/libc.so.6":            "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/libdl.so.2":           "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/libgcc_s.so.1":        "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/libm.so.6":            "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/libpthread.so.0":      "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/librt.so.1":           "-rwxr-xr-x",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6":       "-rwxr-xr-x",
		"/usr/local/bin/model-server":                    "-rwxr-xr-x",
		"/usr/share/common-licenses/GPL-3":               "-rw-r--r--",
		"/usr/share/common-licenses/LGPL-2.1":            "-rw-r--r--",
		"/usr/share/doc/libc6/copyright":                 "-rw-r--r--",
		"/usr/share/doc/libgcc-s1/copyright":             "-rw-r--r--",
		"/usr/share/doc/libstdc++6/copyright":            "-rw-r--r--",
	}
	digests := map[v1.Hash]bool{}
	for _, libraries := range []string{"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"} {
		recipe, err := image.ModelServerRecipe(executable, onnxruntime, debian(t, libraries))
		img := assemble(t, recipe, err)
		if diff := cmp.Diff(want, tree(t, img)); diff != "" {
			t.Errorf("from %s (-want +got):\n%s", libraries, diff)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[digest] = true
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != "amd64" || config.Config.User != "65532:65532" || len(config.RootFS.DiffIDs) != 3 {
			t.Errorf("architecture %s, user %s, %d layers", config.Architecture, config.Config.User, len(config.RootFS.DiffIDs))
		}
	}
	if len(digests) != 1 {
		t.Errorf("the layout of the system shows in the digest: %v", digests)
	}
}

func TestSuokesImageIsReproducible(t *testing.T) {
	executable, root := program(t, elf.EM_X86_64), debian(t, "lib/x86_64-linux-gnu")
	write(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), "authorities")
	digest := func() v1.Hash {
		recipe, err := image.SuokeRecipe(executable, root)
		h, err := assemble(t, recipe, err).Digest()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := digest()
	touched := time.Unix(1_700_000_000, 0)
	if err := os.Chtimes(executable, touched, touched); err != nil {
		t.Fatal(err)
	}
	if second := digest(); first != second {
		t.Errorf("equal files gave %s and %s", first, second)
	}
	write(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), "other authorities")
	if other := digest(); other == first {
		t.Error("a changed file did not change the digest")
	}
}

func TestAnImageIsForThePlatformOfItsBinary(t *testing.T) {
	recipe, err := image.SuokeRecipe(program(t, elf.EM_AARCH64), t.TempDir())
	if err != nil || recipe.Architecture != "arm64" {
		t.Errorf("architecture %q, %v", recipe.Architecture, err)
	}
}

func TestRecipesRefuseWhatWouldNotRun(t *testing.T) {
	amd64, arm64 := program(t, elf.EM_X86_64), program(t, elf.EM_AARCH64)
	root := debian(t, "lib/x86_64-linux-gnu")
	notes := filepath.Join(t.TempDir(), "notes")
	write(t, notes, "not a binary")
	suoke := func(file string) error { _, err := image.SuokeRecipe(file, root); return err }
	server := func(file, library, system string) error {
		_, err := image.ModelServerRecipe(file, engine(t, library), system)
		return err
	}
	cases := map[string]struct {
		err  error
		want string
	}{
		"a missing binary":              {suoke(notes + "x"), "build it first"},
		"a file that is no binary":      {suoke(notes), "is no Linux binary"},
		"a library of another platform": {server(amd64, arm64, root), "build both for one"},
		"a system that is not Debian":   {server(amd64, amd64, t.TempDir()), "it comes with the Debian or Ubuntu package libc6"},
		"a dynamic suoke":               {suoke(program(t, elf.EM_X86_64, elf.Prog64{Type: uint32(elf.PT_INTERP)})), "build it with CGO_ENABLED=0"},
		"another processor":             {suoke(program(t, elf.EM_RISCV)), "built for EM_RISCV"},
		"a system for another platform": {server(arm64, arm64, root), "ld-linux-aarch64.so.1 is not under"},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
				t.Errorf("got %v; want %q in it", c.err, c.want)
			}
		})
	}
}

func TestSaveAndPushKeepTheDigest(t *testing.T) {
	recipe, err := image.SuokeRecipe(program(t, elf.EM_X86_64), t.TempDir())
	img := assemble(t, recipe, err)
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	local, err := image.Reference("suoke.local/", image.Suoke, "dev")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "deep", "suoke.tar")
	if err := image.Save(file, map[name.Tag]v1.Image{local: img}); err != nil {
		t.Fatal(err)
	}
	opened, err := image.Open(file)
	if err != nil {
		t.Fatal(err)
	}

	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref, err := image.Reference(strings.TrimPrefix(server.URL, "http://")+"/team", image.Suoke, "v1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	var done, total int64
	if err := image.Push(t.Context(), ref, opened, func(d, n int64) { done, total = d, n }); err != nil {
		t.Fatal(err)
	}
	if total == 0 || done > total {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	pulled, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pulled.Digest(); err != nil || got != want {
		t.Errorf("pulled %s, %v; want %s", got, err, want)
	}
	if err := validate.Image(pulled); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the archive: %v, %v", left, err)
	}
}

func TestPushRefusesThePrefixThatIsNoRegistry(t *testing.T) {
	recipe, err := image.SuokeRecipe(program(t, elf.EM_X86_64), t.TempDir())
	img := assemble(t, recipe, err)
	ref, err := image.Reference(image.DefaultPrefix, image.Suoke, "dev")
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Push(t.Context(), ref, img, func(int64, int64) {}); err == nil || !strings.Contains(err.Error(), "SUOKE_IMAGE_PREFIX") {
		t.Errorf("got %v", err)
	}
}

func TestPushNamesTheRegistryThatIsNotThere(t *testing.T) {
	recipe, err := image.SuokeRecipe(program(t, elf.EM_X86_64), t.TempDir())
	img := assemble(t, recipe, err)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	host := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	ref, err := image.Reference(host, image.Suoke, "dev", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Push(t.Context(), ref, img, func(int64, int64) {}); err == nil || !strings.Contains(err.Error(), host) {
		t.Errorf("got %v; want %s in it", err, host)
	}
}

func TestReferencesAreChecked(t *testing.T) {
	for _, c := range []struct{ prefix, tag string }{{"", "dev"}, {"suoke.local", ""}, {"Registry.example/UPPER", "dev"}, {"suoke.local", "a b"}} {
		if ref, err := image.Reference(c.prefix, image.Suoke, c.tag); err == nil {
			t.Errorf("prefix %q and tag %q gave %s", c.prefix, c.tag, ref)
		}
	}
}

func TestAMissingArchiveSaysHowToMakeIt(t *testing.T) {
	if _, err := image.Open(filepath.Join(t.TempDir(), "suoke.tar")); err == nil || !strings.Contains(err.Error(), "suoke image build") {
		t.Errorf("got %v", err)
	}
}
