package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

func TestAScreenIsDrawnInPlace(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, terminal: true, size: func() (int, int) { return 10, 5 }}
	for _, frame := range []struct{ text, want string }{
		{"one\ntwo\n", "\rone\x1b[K\ntwo\x1b[K\n\x1b[J"},
		{"a line too long\n", "\x1b[1A\x1b[1A\ra line to…\x1b[K\n\x1b[J"},
		{"1\n2\n3\n4\n5\n6\n", "\x1b[1A\r1\x1b[K\n2\x1b[K\n3\x1b[K\n…\x1b[K\n\x1b[J"},
		{"小克小克小克\n", "\x1b[1A\x1b[1A\x1b[1A\x1b[1A\r小克小克…\x1b[K\n\x1b[J"},
	} {
		out.Reset()
		if err := s.show(frame.text); err != nil {
			t.Fatal(err)
		}
		if out.String() != frame.want {
			t.Errorf("%q is drawn as %q, want %q", frame.text, out.String(), frame.want)
		}
	}
}

func TestElsewhereTextsAreAppended(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	for _, text := range []string{"one\n", "two\n"} {
		if err := s.show(text); err != nil {
			t.Fatal(err)
		}
	}
	if want := "one\n\ntwo\n\n"; s.terminal || out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// interrupted ends a command when it has written a text, as Ctrl-C would.
type interrupted struct {
	bytes.Buffer

	at   string
	stop context.CancelFunc
}

func (w *interrupted) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.at) {
		w.stop()
	}
	return n, err
}

// TestAWatchAppendsChangesAndEndsQuietly looks until a change was shown: what did not change in between is not.
func TestAWatchAppendsChangesAndEndsQuietly(t *testing.T) {
	t.Parallel()
	d := newDigits(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	changed := &interrupted{at: "v3 is wanted", stop: stop}
	first := &interrupted{at: "v2 is wanted", stop: func() {
		model := d.model(t)
		model.Spec.Version = "v3"
		if err := cluster.Client.Update(t.Context(), model); err != nil {
			t.Error(err)
		}
	}}
	root := newRootCommand()
	once := false
	root.SetOut(writerFunc(func(p []byte) (int, error) {
		if !once {
			once = true
			if _, err := first.Write(p); err != nil {
				return 0, err
			}
		}
		return changed.Write(p)
	}))
	root.SetArgs([]string{"rollout", "get", "digits", "--watch", "--namespace", d.namespace, "--kubeconfig", d.kubeconfig})
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatalf("interrupted, it ends with %v", err)
	}
	if frames := strings.Count(changed.String(), "digits · "+string(suokev1.ModelDeploying)); frames != 2 {
		t.Errorf("%d looks are shown, want the first and the changed one:\n%s", frames, changed.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
