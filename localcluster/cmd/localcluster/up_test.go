package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// TestWhatIsWrongWithAFlagIsSaid runs the command with flags that it refuses before it does anything.
func TestWhatIsWrongWithAFlagIsSaid(t *testing.T) {
	t.Chdir(t.TempDir())
	for line, want := range map[string]string{
		"up --name Local":                        "--name",
		"up --network 100":                       "--network 100: write a number from 0 to 99",
		"up --network one":                       "--network",
		"up --api-port 70000":                    "port 70000: write a number from 1 to 65535",
		"up --api-port 3000":                     "port 3000 is published twice",
		"up --publish 80":                        "write PORT=NAMESPACE/SERVICE:PORT",
		"up --publish 1=a/b:2 --publish 1=a/c:2": "port 1 is published twice",
		"up --images here.tar,there.tar":         "--images: stat here.tar",
		"up twice":                               "unknown command",
		"down everything":                        "unknown command",
		"load":                                   "requires at least 1 arg",
		"load --dir nowhere a.tar":               "no cluster is up in nowhere: start it with suoke up --dir nowhere",
		"sideways":                               "unknown command",
	} {
		root := newRootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(strings.Fields(line))
		err := root.ExecuteContext(t.Context())
		if needsRoot := needRoot(); needsRoot != nil && err != nil && err.Error() == needsRoot.Error() {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is answered %v, want one with %q", line, err, want)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("what was refused left %v, %v", left, err)
	}
}

func TestFlagsAreRead(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.tar")
	if err := os.WriteFile(archive, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := upOptions{
		config:  cluster.Config{Name: "n", Dir: dir, BuildDir: dir, APIPort: 6443},
		publish: []string{"1=a/b:2", "3=c/d:4"},
		images:  []string{archive},
	}
	want := o.config
	want.Publish = []cluster.Publication{{Port: 1, Namespace: "a", Service: "b", ServicePort: 2}, {Port: 3, Namespace: "c", Service: "d", ServicePort: 4}}
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, o.config); diff != "" {
		t.Errorf("cluster (-want +got):\n%s", diff)
	}
}

// stream is what a process in the background reports.
func stream(t *testing.T, tell func(*report)) *bytes.Buffer {
	t.Helper()
	var pipe, log bytes.Buffer
	tell(&report{out: &log, parent: json.NewEncoder(&pipe)})
	return &pipe
}

func TestFollow(t *testing.T) {
	c := cluster.Config{Dir: "/d", APIPort: 6443}
	steps := func(r *report) {
		r.say("images loaded")
		r.say("node Ready")
	}
	whole := stream(t, func(r *report) {
		steps(r)
		_ = r.end(errors.New("port 6443 is taken")) // it is the error that was given
	})
	for what, test := range map[string]struct {
		said  *bytes.Buffer
		shown string
		want  string // the error; none if it is empty
	}{
		"it comes up": {
			said: stream(t, func(r *report) {
				steps(r)
				if err := r.ready(c); err != nil {
					t.Error(err)
				}
				r.say("after the end")
			}),
			shown: "images loaded\nnode Ready\n",
		},
		"it says why it does not": {said: whole, shown: "images loaded\nnode Ready\n", want: "port 6443 is taken"},
		"it breaks off": {
			said: stream(t, steps), shown: "images loaded\nnode Ready\n", want: "the cluster ended before it was up",
		},
		"it breaks off within a word": {said: bytes.NewBufferString(`{"step":"a"}{"ste`), shown: "a\n", want: "the cluster ended before it was up"},
		"it says nothing":             {said: &bytes.Buffer{}, want: "the cluster ended before it was up"},
		"it panics":                   {said: bytes.NewBufferString("panic: out of luck"), want: "the cluster ended before it was up"},
	} {
		t.Run(what, func(t *testing.T) {
			var shown strings.Builder
			err := follow(json.NewDecoder(test.said), &shown)
			if (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
				t.Errorf("the answer is %v, want %q", err, test.want)
			}
			if shown.String() != test.shown {
				t.Errorf("shown was %q, want %q", shown.String(), test.shown)
			}
		})
	}
}

// TestWithoutAParentThereIsNobodyToTell runs in the foreground.
func TestWithoutAParentThereIsNobodyToTell(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	r.say("node Ready")
	if err := r.ready(cluster.Config{
		Dir: "/d", APIPort: 6443, Publish: []cluster.Publication{{Port: 3000, Namespace: "suoke-life", Service: "suokelife-app", ServicePort: 80}},
	}); err != nil {
		t.Fatal(err)
	}
	why := errors.New("why")
	if err := r.end(why); !errors.Is(err, why) {
		t.Errorf("the end is %v, want %v", err, why)
	}
	want := "node Ready\nexport KUBECONFIG=/d/kubeconfig\n127.0.0.1:6443 is the API server\n127.0.0.1:3000 is Service suoke-life/suokelife-app, port 80\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}
