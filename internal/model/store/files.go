package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// file is one file of a directory that is packed.
type file struct {
	// path within the artifact, with slashes; name on this machine.
	path, name string
	digest     string
	size       int64
}

// readDir lists and hashes the files of a model or data set, in the order of their paths. Hidden ones are left out.
func readDir(ctx context.Context, dir string) ([]file, error) {
	var files []file
	tables := false
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no plain file; put the file itself there", name)
		}
		if len(files) == maxFiles {
			return fmt.Errorf("%s holds more than %d files; push the directory of one model or data set", dir, maxFiles)
		}
		f, err := hashed(ctx, dir, name)
		tables = tables || isTable(f.path)
		files = append(files, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	if len(files) == 0 || kindOf(files) == Dataset && !tables {
		return nil, fmt.Errorf("%s holds no model (such as model.onnx) and no data set (a .csv or .jsonl file); write the directory that does", dir)
	}
	return files, nil
}

func hashed(ctx context.Context, dir, name string) (file, error) {
	relative, err := filepath.Rel(dir, name)
	if err != nil {
		return file{}, err
	}
	opened, err := os.Open(name) //nolint:gosec // the user names the directory
	if err != nil {
		return file{}, err
	}
	defer func() { _ = opened.Close() }()
	sum := sha256.New()
	size, err := io.Copy(sum, contextReader{ctx, opened})
	if err != nil {
		return file{}, err
	}
	return file{
		path: filepath.ToSlash(relative), name: name, size: size,
		digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)),
	}, nil
}

// contextReader stops reading when the context ends.
type contextReader struct {
	ctx   context.Context
	inner io.Reader
}

// Read reads unless the context has ended.
func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.inner.Read(p)
}
