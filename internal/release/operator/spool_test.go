package operator

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// TestASpoolGivesBackWhatItKeeps, however texts come and go; and it is no longer than the most that was kept at once.
func TestASpoolGivesBackWhatItKeeps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &spool{log: slog.New(slog.DiscardHandler)}
		type keeping struct {
			text []byte
			kept *spooled
		}
		var all []keeping
		pages, most := 0, 0
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			if len(all) > 0 && rapid.Bool().Draw(t, "drop") {
				at := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				pages -= len(all[at].kept.pages)
				s.drop(all[at].kept.pages)
				all[at].kept.pages = nil
				all = append(all[:at], all[at+1:]...)
				continue
			}
			text := bytes.Repeat([]byte{byte(i + 1)}, rapid.IntRange(0, 3*pageSize).Draw(t, "size"))
			kept, err := s.write(text) // which is not dropped by itself
			if err != nil {
				t.Fatal(err)
			}
			pages += len(kept.pages)
			most = max(most, pages)
			all = append(all, keeping{text, kept})
		}
		for _, k := range all {
			text, err := k.kept.Read()
			if err != nil || !bytes.Equal(text, k.text) {
				t.Fatalf("%d bytes are read as %d others (%v)", len(k.text), len(text), err)
			}
		}
		if s.pages != int64(most) {
			t.Fatalf("the file has %d pages, and at most %d were needed at once", s.pages, most)
		}
		if s.file != nil {
			_ = s.file.Close()
		}
	})
}

func TestPagesThatNobodyHoldsAreFree(t *testing.T) {
	t.Parallel()
	s := &spool{log: slog.New(slog.DiscardHandler)}
	defer func() { _ = s.file.Close() }()
	free := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.free)
	}
	held := s.Keep([]byte("held"))
	for tries := 0; free() == 0; tries++ {
		if tries == 1000 {
			t.Fatal("a thousand texts were let go, and no page is free")
		}
		s.Keep([]byte("let go"))
		runtime.GC()
	}
	if text, err := held.Read(); err != nil || string(text) != "held" {
		t.Errorf("what is held reads %q (%v)", text, err)
	}
}

// TestASpoolKeepsAgain once the disk that failed takes texts again, and loses no page over it.
func TestASpoolKeepsAgain(t *testing.T) {
	t.Parallel()
	s := &spool{log: slog.New(slog.DiscardHandler)}
	whole := s.Keep([]byte("whole"))
	disk := s.file
	full, err := os.Open(os.DevNull) // which takes no writes
	if err != nil {
		t.Fatal(err)
	}
	s.file = full
	if s.Keep(make([]byte, 3*pageSize)) != nil {
		t.Fatal("it says that it kept what it could not write")
	}
	s.file = disk
	defer func() { _ = errors.Join(disk.Close(), full.Close()) }()
	again := s.Keep([]byte("again"))
	if again == nil {
		t.Fatal("it keeps nothing any more")
	}
	for want, kept := range map[string]analysis.Kept{"whole": whole, "again": again} {
		if text, err := kept.Read(); err != nil || string(text) != want {
			t.Errorf("%q reads %q (%v)", want, text, err)
		}
	}
	if s.pages != 2 {
		t.Errorf("the file has %d pages for two texts of one", s.pages)
	}
}

func TestASpoolLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := &spool{log: slog.New(slog.DiscardHandler)}
	if s.Keep([]byte("text")) == nil {
		t.Fatal("it keeps nothing")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v has a name (%v)", left, err)
	}
}

// TestARecordingIsTheSameWithoutADisk: what is spooled is read as it was, and where nothing can be written all stays in
// memory.
func TestARecordingIsTheSameWithoutADisk(t *testing.T) {
	written := map[string]string{}
	for disk, dir := range map[string]string{"a disk": t.TempDir(), "no disk": filepath.Join(t.TempDir(), "missing")} {
		t.Setenv("TMPDIR", dir)
		r, _ := recorded(20 * blockSeconds)
		spooled := 0
		for _, b := range r.blocks {
			if b.spooled != nil {
				spooled++
			}
		}
		if want := map[string]int{"a disk": len(r.blocks) - 1}[disk]; spooled != want {
			t.Errorf("with %s, %d of %d blocks are in a file, want %d", disk, spooled, len(r.blocks), want)
		}
		var text bytes.Buffer
		if err := r.write(&text); err != nil {
			t.Errorf("with %s: %v", disk, err)
		}
		written[disk] = text.String()
	}
	if written["a disk"] != written["no disk"] {
		t.Errorf("the records of %d and %d bytes differ", len(written["a disk"]), len(written["no disk"]))
	}
}

// TestADayOfAModelIsInTheSpool: of a thousand models it would fill the memory.
func TestADayOfAModelIsInTheSpool(t *testing.T) {
	o := &Operator{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	p := newHistories(o, nil).of("digits")
	for unix := int64(0); unix < 3*3600; unix += 10 {
		p.history.Add(unix, "pod", analysis.Counts{Requests: 20})
	}
	if o.spool.pages != 2 {
		t.Errorf("there are %d pages in the spool, want one for each of the two hours that are over", o.spool.pages)
	}
	if hours := p.history.PodHours(); hours != 3 {
		t.Errorf("%g Pod-hours, want 3", hours)
	}
	_ = o.spool.file.Close()
}
