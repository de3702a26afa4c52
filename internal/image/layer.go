package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
)

// File is one file or symbolic link of a layer. Exactly one of Source, Content and Link says what it is.
type File struct {
	Path       string // absolute, in the image
	Source     string // a file of this machine
	Content    string
	Link       string // what a symbolic link points to
	Executable bool
}

// bundle is a layer's tar in memory: the largest is 50 MB.
type bundle []byte

func (b bundle) open() io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// pack writes files, and the directories above them, as a tar that depends on nothing but paths, modes and contents.
func pack(files []File) (bundle, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	made := map[string]bool{"/": true}
	for i, f := range files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path {
			return nil, fmt.Errorf("%q is not a clean absolute path", f.Path)
		}
		if i > 0 && files[i-1].Path == f.Path {
			return nil, fmt.Errorf("%s is there twice", f.Path)
		}
		if err := makeParents(w, made, path.Dir(f.Path)); err != nil {
			return nil, err
		}
		if err := add(w, f); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing the tar: %w", err)
	}
	return buffer.Bytes(), nil
}

func makeParents(w *tar.Writer, made map[string]bool, dir string) error {
	if made[dir] {
		return nil
	}
	if err := makeParents(w, made, path.Dir(dir)); err != nil {
		return err
	}
	made[dir] = true
	return header(w, tar.Header{Name: dir[1:] + "/", Typeflag: tar.TypeDir, Mode: 0o755})
}

func add(w *tar.Writer, f File) error {
	if f.Link != "" {
		return header(w, tar.Header{Name: f.Path[1:], Typeflag: tar.TypeSymlink, Linkname: f.Link, Mode: 0o777})
	}
	content := []byte(f.Content)
	if f.Source != "" {
		var err error
		if content, err = os.ReadFile(f.Source); err != nil {
			return err
		}
	}
	mode := int64(0o644)
	if f.Executable {
		mode = 0o755
	}
	if err := header(w, tar.Header{Name: f.Path[1:], Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("writing %s: %w", f.Path, err)
	}
	return nil
}

func header(w *tar.Writer, h tar.Header) error {
	h.ModTime = epoch()
	if err := w.WriteHeader(&h); err != nil {
		return fmt.Errorf("writing %s: %w", h.Name, err)
	}
	return nil
}
