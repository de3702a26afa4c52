package image

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestOwnImagesHoldTheirProgram(t *testing.T) {
	dir := programs(t)
	archives := own(t, dir)
	for program, reference := range map[string]string{"pause": Pause, "kubernetes": Kubernetes} {
		archive := filepath.Join(dir, "images", program+".tar")
		if !slices.Contains(archives, archive) {
			t.Errorf("%s is not among %v", archive, archives)
		}
		tag, err := name.NewTag(reference)
		if err != nil {
			t.Fatal(err)
		}
		image, err := tarball.ImageFromPath(archive, &tag)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != runtime.GOARCH || config.Config.User != "65532:65532" {
			t.Errorf("%s is for %s/%s and user %s", program, config.OS, config.Architecture, config.Config.User)
		}
		if !slices.Equal(config.Config.Entrypoint, []string{"/" + program}) {
			t.Errorf("%s starts %v", program, config.Config.Entrypoint)
		}
		layers, err := image.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%s has layers %v, %v; want one", program, layers, err)
		}
		content, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer content.Close()
		files := tar.NewReader(content)
		file, err := files.Next()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(files)
		if err != nil || file.Name != program || file.Mode != 0o755 || string(text) != "this is "+program {
			t.Errorf("%s holds %s %o %q, %v", program, file.Name, file.Mode, text, err)
		}
		if _, err := files.Next(); err != io.EOF {
			t.Errorf("%s holds more than its program (%v)", program, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "images")); err != nil || len(left) != 2 {
		t.Errorf("making images left %v, %v", left, err)
	}
}

// TestArchivesAreMadeAgainForANewProgram tells by the time of the file whether an archive was made again.
func TestArchivesAreMadeAgainForANewProgram(t *testing.T) {
	dir := programs(t)
	made := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, archive := range own(t, dir) {
		if err := os.Chtimes(archive, made, made); err != nil {
			t.Fatal(err)
		}
	}
	for program, age := range map[string]time.Duration{"pause": time.Minute, "kubernetes": -time.Minute} {
		if err := os.Chtimes(filepath.Join(dir, program), made.Add(-age), made.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	own(t, dir)
	for program, again := range map[string]bool{"pause": false, "kubernetes": true} {
		info, err := os.Stat(filepath.Join(dir, "images", program+".tar"))
		if err != nil || info.ModTime().Equal(made) == again {
			t.Errorf("%s is of %v, %v; made again: want %t", program, info.ModTime(), err, again)
		}
	}
}

func TestProgramThatIsNotBuilt(t *testing.T) {
	if _, err := Own(t.TempDir()); err == nil || !strings.Contains(err.Error(), "making the image suoke.local/") {
		t.Errorf("the answer is %v, want which image is not made", err)
	}
}

// TestTagIsTheVersion holds the image's tag against the version that go.mod requires.
func TestTagIsTheVersion(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(Kubernetes, ":")
	if !strings.Contains(string(text), "\tk8s.io/kubernetes "+version+"\n") {
		t.Errorf("go.mod does not require Kubernetes %s", version)
	}
}

// programs is a build directory.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, program := range []string{"pause", "kubernetes"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte("this is "+program), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func own(t *testing.T, dir string) []string {
	t.Helper()
	archives, err := Own(dir)
	if err != nil {
		t.Fatal(err)
	}
	return archives
}
