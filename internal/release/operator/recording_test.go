package operator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/events"
	"pgregory.net/rapid"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	recordfile "github.com/suoke-life/suoke/internal/release/record"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

func digits() *suokev1.AIModel {
	model := &suokev1.AIModel{}
	model.Name, model.Namespace = "digits", "suoke-life"
	return model
}

// begun is the recording of a first attempt to take v2 beside v1.
func begunRecording(r *recordings, s analysis.Statistic) *recording {
	j := judge{ID: "id2", Attempt: 1, Version: "v2", StableVersion: "v1", StableDigest: "sha256:1", CandidateDigest: "sha256:2", Statistic: s}
	return r.of(digits(), &j, subject{id: "id2", stable: "id1", version: "v2", attempt: 1})
}

func readRecord(t interface{ Fatal(...any) }, text []byte) (recordfile.Header, []recordfile.Entry) {
	reader, err := recordfile.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []recordfile.Entry
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return reader.Header, all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry)
	}
}

func TestARecordHoldsWhatWasJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRecordings(&Operator{Log: slog.New(slog.DiscardHandler)})
		live := analysis.Statistic{Config: analysis.Config{Slow: true}}
		recording := begunRecording(r, live)
		unix, historical := int64(1_700_000_000), false
		var want []recordfile.Entry
		for range rapid.IntRange(1, 50).Draw(t, "seconds") {
			unix += rapid.Int64Range(1, 400).Draw(t, "later")
			entry := recordfile.Entry{Second: analysis.Second{Unix: unix}}
			if !historical && rapid.IntRange(0, 20).Draw(t, "switch") == 0 {
				historical, entry.Historical = true, true
			}
			for _, pod := range rapid.SliceOfNDistinct(rapid.IntRange(0, 300), 1, 6, rapid.ID[int]).Draw(t, "pods") {
				n := rapid.Int64Range(1, 5000).Draw(t, "requests")
				entry.Pods = append(entry.Pods, analysis.PodSecond{Pod: fmt.Sprint("pod-", pod), Candidate: pod%2 == 0, Counts: analysis.Counts{
					Requests: n, Failures: rapid.Int64Range(0, n).Draw(t, "failures"), Slow: rapid.Int64Range(0, n).Draw(t, "slow"),
				}})
			}
			recording.add(entry.Second, historical)
			live = entry.AddTo(live)
			want = append(want, entry)
		}
		var text bytes.Buffer
		if err := recording.write(&text); err != nil {
			t.Fatal(err)
		}
		header, got := readRecord(t, text.Bytes())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		verdict := header.Start
		for _, entry := range got {
			verdict = entry.AddTo(verdict)
		}
		if diff := cmp.Diff(live.Judgement(), verdict.Judgement()); diff != "" {
			t.Fatalf("the record gives another verdict (-live +record):\n%s", diff)
		}
	})
}

// recorded is a recording of some seconds of six Pods, and what they are judged as.
func recorded(seconds int64) (*recording, analysis.Statistic) {
	r := newRecordings(&Operator{Log: slog.New(slog.DiscardHandler)})
	live := analysis.Statistic{Config: analysis.Config{Slow: true}}
	recording := begunRecording(r, live)
	for i := range seconds {
		second := analysis.Second{Unix: 1_700_000_000 + i}
		for pod := range 6 {
			second.Pods = append(second.Pods, analysis.PodSecond{Pod: fmt.Sprint("pod-", pod), Candidate: pod == 0, Counts: analysis.Counts{Requests: 20, Slow: i % 2}})
		}
		recording.add(second, false)
		live = live.Add(second)
	}
	return recording, live
}

func TestALongRecordKeepsItsVerdictAndItsSize(t *testing.T) {
	recording, live := recorded(10 * 3600)
	size, inMemory := 0, 0
	for _, b := range recording.blocks {
		inMemory += len(b.text)
		size += len(b.text)
		if b.spooled != nil {
			text, err := b.spooled.Read()
			if err != nil {
				t.Fatal(err)
			}
			size += len(text)
		}
	}
	if inMemory > 30*blockSeconds {
		t.Errorf("%d bytes are in memory", inMemory)
	}
	if len(recording.blocks) > mostBlocks || size > 30*mostBlocks*blockSeconds {
		t.Errorf("%d blocks hold %d bytes", len(recording.blocks), size)
	}
	var text bytes.Buffer
	if err := recording.write(&text); err != nil {
		t.Fatal(err)
	}
	header, entries := readRecord(t, text.Bytes())
	if n := len(entries); n != mostBlocks*blockSeconds {
		t.Errorf("%d seconds are recorded", n)
	}
	verdict := header.Start
	for _, entry := range entries {
		verdict = entry.AddTo(verdict)
	}
	if diff := cmp.Diff(live.Judgement(), verdict.Judgement()); diff != "" {
		t.Errorf("-live +record:\n%s", diff)
	}
}

// shelf is a Recorder that fails as often as it is told.
type shelf struct {
	mu       sync.Mutex
	failures int
	attempts int
	kept     map[string]string
}

// Record keeps what is written.
func (s *shelf) Record(_ context.Context, name string, write func(io.Writer) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.failures > 0 {
		s.failures--
		return errors.New("the registry is away")
	}
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	s.kept[name] = text.String()
	return nil
}

func TestARecordThatCannotBePublishedIsTriedAgainAndThenTold(t *testing.T) {
	for sentence, c := range map[string]struct {
		failures, attempts int
		lost               bool
	}{
		"at once":                     {0, 1, false},
		"after the registry was away": {3, 4, false},
		"never":                       {100, 4, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to, told := &shelf{failures: c.failures, kept: map[string]string{}}, events.NewFakeRecorder(10)
				r := newRecordings(&Operator{Log: slog.New(slog.DiscardHandler), Recorder: to, Events: told})
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- r.Start(ctx) }()

				begunRecording(r, analysis.Statistic{}).add(analysis.Second{Unix: 1, Pods: []analysis.PodSecond{{Pod: "p", Counts: analysis.Counts{Requests: 1}}}}, false)
				r.settle("digits", rollout.State{Stable: "id1", Release: &rollout.Release{Candidate: "id2", Attempt: 1}})
				synctest.Wait()
				if to.attempts != 0 {
					t.Error("a release under way is published")
				}
				r.settle("digits", rollout.State{Stable: "id1"})
				for range retryRecord() {
					synctest.Wait()
					time.Sleep(retryRecord()[2]) // of the bubble
				}
				synctest.Wait()
				if to.attempts != c.attempts || c.lost == (to.kept["records/digits:v2-1"] != "") {
					t.Errorf("%d attempts, kept %v", to.attempts, to.kept)
				}
				if lost := len(told.Events) > 0; lost != c.lost {
					t.Errorf("told: %v", lost)
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestAnOperatorThatEndsPublishesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &shelf{failures: 1, kept: map[string]string{}}
		r := newRecordings(&Operator{Log: slog.New(slog.DiscardHandler), Recorder: to, Events: events.NewFakeRecorder(10)})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Start(ctx) }()
		begunRecording(r, analysis.Statistic{}).add(analysis.Second{Unix: 1, Pods: []analysis.PodSecond{{Pod: "p", Counts: analysis.Counts{Requests: 1}}}}, false)
		r.settle("digits", rollout.State{})
		synctest.Wait() // the first attempt has failed
		stop()
		if err := <-ended; err != nil || len(to.kept) != 1 {
			t.Errorf("kept %v, %v", to.kept, err)
		}
	})
}

func TestNamesOfRecordsAreTags(t *testing.T) {
	for version, want := range map[string]string{"v2": "records/digits:v2-1", strings.Repeat("v", 128): ""} {
		r := recording{model: digits(), version: version, header: recordfile.Header{Attempt: 1}}
		name := r.name()
		if want != "" && name != want {
			t.Errorf("%s, want %s", name, want)
		}
		if _, tag, _ := strings.Cut(name, ":"); len(tag) > longestTag {
			t.Errorf("the tag has %d characters", len(tag))
		}
	}
}
