package image

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// debianPackage is a Debian package that the model server needs at run time, with the libraries taken from it.
type debianPackage struct {
	name      string
	libraries []string
}

// cRuntime takes the C and C++ runtime from a Debian or Ubuntu file system, that of this machine or one unpacked from
// packages of another architecture. This machine's own is the one that model-server was linked against. Licence texts go
// along. Libraries are laid out alike whether or not the system has merged /lib into /usr/lib.
func cRuntime(root, architecture string) ([]File, error) {
	triplet, loader, interpreter := "x86_64-linux-gnu", "ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"
	if architecture == "arm64" {
		triplet, loader, interpreter = "aarch64-linux-gnu", "ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1"
	}
	packages := []debianPackage{
		{"libc6", []string{loader, "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"}},
		{"libgcc-s1", []string{"libgcc_s.so.1"}},
		{"libstdc++6", []string{"libstdc++.so.6"}},
	}
	home := path.Join("/usr/lib", triplet)
	files := []File{{Path: interpreter, Link: path.Join(home, loader)}}
	for _, p := range packages {
		for _, library := range p.libraries {
			source, err := find(root, p.name, path.Join("/lib", triplet, library), path.Join(home, library))
			if err != nil {
				return nil, err
			}
			files = append(files, File{Path: path.Join(home, library), Source: source, Executable: true})
		}
		licence := path.Join("/usr/share/doc", p.name, "copyright")
		source, err := find(root, p.name, licence)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: licence, Source: source})
	}
	for _, licence := range []string{"LGPL-2.1", "GPL-3"} { // the texts that those copyright files refer to
		at := path.Join("/usr/share/common-licenses", licence)
		source, err := find(root, "base-files", at)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: at, Source: source})
	}
	return files, nil
}

// find returns the first of the places that is there.
func find(root, debian string, places ...string) (string, error) {
	for _, place := range places {
		file := filepath.Join(root, place)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s is not under %s: it comes with the Debian or Ubuntu package %s; install it (apt-get install --reinstall %s), "+
		"or name a directory into which the packages were unpacked", places[0], root, debian, debian)
}
