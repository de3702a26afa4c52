package analysis_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// texts is a shelf with room for some.
type texts struct {
	room int
	kept []*text
}

type text struct {
	of   []byte
	lost error
}

func (s *texts) Keep(of []byte) analysis.Kept {
	if len(s.kept) == s.room {
		return nil
	}
	s.kept = append(s.kept, &text{of: bytes.Clone(of)})
	return s.kept[len(s.kept)-1]
}

func (t *text) Read() ([]byte, error) { return t.of, t.lost }

// aDay has 20 Pod-hours in ten hours.
func aDay(on analysis.Shelf) *analysis.History {
	h := &analysis.History{}
	if on != nil {
		h.Shelve(on)
	}
	for unix := int64(3600); unix < 11*3600; unix += 10 {
		h.Add(unix, "a", analysis.Counts{Requests: 20, Failures: unix / 10 % 7, Slow: 1})
		h.Add(unix, "b", analysis.Counts{Requests: 30, Slow: unix / 10 % 3})
	}
	return h
}

func TestAHistoryIsTheSameOnAShelf(t *testing.T) {
	for room, want := range map[int]int{0: 0, 5: 5, 100: 18} {
		shelf := &texts{room: room}
		plain, shelved := aDay(nil), aDay(shelf)
		if len(shelf.kept) != want { // the tenth hour of both is open
			t.Errorf("%d hours are on a shelf with room for %d, want %d", len(shelf.kept), room, want)
		}
		text, _ := plain.MarshalBinary()
		got, err := shelved.MarshalBinary()
		if err != nil || !bytes.Equal(got, text) || shelved.PodHours() != plain.PodHours() {
			t.Errorf("with room for %d: %d bytes of %g Pod-hours (%v), want %d of %g", room, len(got), shelved.PodHours(), err, len(text), plain.PodHours())
		}
		again := &texts{room: room}
		var read analysis.History
		read.Shelve(again)
		if err := read.UnmarshalBinary(text); err != nil || len(again.kept) != want {
			t.Errorf("with room for %d: %d hours that were read are on the shelf (%v), want %d", room, len(again.kept), err, want)
		}
	}
}

func TestAnHourThatAShelfLostIsMissed(t *testing.T) {
	shelf := &texts{room: 100}
	h := aDay(shelf)
	before := h.PodHours()
	shelf.kept[0].lost = errors.New("the disk is gone")
	if got := h.PodHours(); got != before-1 {
		t.Errorf("%g Pod-hours, want one less than %g", got, before)
	}
	text, err := h.MarshalBinary()
	var read analysis.History
	if err = errors.Join(err, read.UnmarshalBinary(text)); err != nil || read.PodHours() != before-1 {
		t.Errorf("%g Pod-hours are written (%v), want one less than %g", read.PodHours(), err, before)
	}
}
