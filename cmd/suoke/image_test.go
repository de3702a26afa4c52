package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/suoke-life/suoke/internal/image"
)

// built fills a directory with both archives, as suoke image build does.
func built(t *testing.T) (dir string, images map[string]v1.Image) {
	t.Helper()
	dir, images = t.TempDir(), map[string]v1.Image{}
	for _, title := range []string{image.Suoke, image.ModelServer} {
		img, err := image.Assemble(image.Recipe{
			Architecture: "amd64", Title: title,
			Layers: []image.Layer{{Purpose: title, Files: []image.File{{Path: "/" + title, Content: title}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ref, err := image.Reference(image.DefaultPrefix, title, "dev")
		if err != nil {
			t.Fatal(err)
		}
		if err := image.Save(filepath.Join(dir, title+".tar"), map[name.Tag]v1.Image{ref: img}); err != nil {
			t.Fatal(err)
		}
		images[title] = img
	}
	return dir, images
}

func runImage(t *testing.T, args ...string) (string, error) {
	t.Helper()
	t.Setenv("SUOKE_IMAGE_PREFIX", "")
	t.Setenv("SUOKE_IMAGE_TAG", "")
	cmd := newImageCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestImagePushBringsBothImagesToARegistry(t *testing.T) {
	dir, images := built(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	prefix := strings.TrimPrefix(server.URL, "http://") + "/team"
	out, err := runImage(t, "push", "--images", dir, "--prefix", prefix, "--tag", "v7")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for title, img := range images {
		want, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		ref, err := image.Reference(prefix, title, "v7", name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		got, err := remote.Head(ref, remote.WithContext(t.Context()))
		if err != nil || got.Digest != want || !strings.Contains(out, want.String()) {
			t.Errorf("%s: %v, %v; want %s, and that in\n%s", ref, got, err, want, out)
		}
	}
	if !strings.Contains(out, "SUOKE_IMAGE_PREFIX="+prefix+" SUOKE_IMAGE_TAG=v7") {
		t.Errorf("how to deploy is not said:\n%s", out)
	}
}

func TestImageSaveHoldsBothUnderTheWantedNames(t *testing.T) {
	dir, images := built(t)
	file := filepath.Join(t.TempDir(), "both.tar")
	if out, err := runImage(t, "save", "--images", dir, "--prefix", "registry.example/team", "--tag", "v7", "--file", file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for title, img := range images {
		ref, err := image.Reference("registry.example/team", title, "v7")
		if err != nil {
			t.Fatal(err)
		}
		saved, err := tarball.ImageFromPath(file, &ref)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := img.Digest()
		got, gotErr := saved.Digest()
		if got != want || wantErr != nil || gotErr != nil {
			t.Errorf("%s: %s, %v; want %s, %v", ref, got, gotErr, want, wantErr)
		}
	}
}

func TestImageLoadRunsTheClustersProgram(t *testing.T) {
	dir, _ := built(t)
	said := filepath.Join(t.TempDir(), "said")
	loader := filepath.Join(t.TempDir(), "localcluster")
	if err := os.WriteFile(loader, []byte("#!/bin/sh\necho \"$@\" > "+said+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := runImage(t, "load", "--images", dir, "--cluster-dir", "somewhere", "--loader", loader); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	want := "load --dir somewhere " + filepath.Join(dir, "suoke.tar") + " " + filepath.Join(dir, "suoke-model-server.tar") + "\n"
	if string(got) != want {
		t.Errorf("the program was told %q; want %q", got, want)
	}
}

func TestImageSaysWhatIsMissing(t *testing.T) {
	dir, _ := built(t)
	cases := map[string]struct {
		args []string
		want string
	}{
		"no archives":          {[]string{"push", "--images", t.TempDir(), "--prefix", "registry.example"}, "suoke image build"},
		"no registry":          {[]string{"push", "--images", dir}, "SUOKE_IMAGE_PREFIX"},
		"a prefix of no sense": {[]string{"save", "--images", dir, "--prefix", "UPPER CASE"}, `prefix "UPPER CASE"`},
		"no local cluster":     {[]string{"load", "--images", dir, "--loader", filepath.Join(dir, "none")}, "run suoke up"},
		"no binaries":          {[]string{"build", "--suoke", filepath.Join(dir, "none"), "--out", t.TempDir()}, "build it first"},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			if out, err := runImage(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %q in it\n%s", err, c.want, out)
			}
		})
	}
}
