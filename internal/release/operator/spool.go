package operator

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// pageSize of the spool's file, in bytes: what is kept is some kilobytes long, and its last page is half empty.
const pageSize = 1024

// spool keeps texts that are seldom read in a file instead of memory. The file has no name, so that nothing is left of it
// when the process ends, and it is as long as the most that was kept at once.
type spool struct {
	log *slog.Logger

	mu   sync.Mutex
	file *os.File
	// pages is how many the file has, free those that nobody holds; failing says that the last text could not be kept.
	pages   int64
	free    []int64
	failing bool
}

// spooled is a text in the spool. Its pages are free again once nobody holds it.
type spooled struct {
	in    *spool
	pages []int64
	size  int
}

// Keep puts a text into the file. It returns nil where that is not possible now, as on a disk that is full; the text stays
// in memory then.
func (s *spool) Keep(text []byte) analysis.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, err := s.write(text)
	if err != nil && !s.failing {
		s.log.Warn("what releases are judged on, and histories, are kept in memory for now", "error", err)
	}
	if s.failing = err != nil; s.failing {
		return nil
	}
	runtime.AddCleanup(kept, s.drop, kept.pages)
	return kept
}

// disk is the spool of all that need not be in memory.
func (o *Operator) disk() *spool {
	if o.spool == nil {
		o.spool = &spool{log: o.Log}
	}
	return o.spool
}

func (s *spool) write(text []byte) (*spooled, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	kept := &spooled{in: s, size: len(text)}
	for rest := text; len(rest) > 0; rest = rest[min(pageSize, len(rest)):] {
		page := s.pages
		if n := len(s.free); n > 0 {
			page, s.free = s.free[n-1], s.free[:n-1]
		} else {
			s.pages++
		}
		kept.pages = append(kept.pages, page)
		if _, err := s.file.WriteAt(rest[:min(pageSize, len(rest))], page*pageSize); err != nil {
			s.free = append(s.free, kept.pages...)
			return nil, fmt.Errorf("writing to the spool: %w", err)
		}
	}
	return kept, nil
}

func (s *spool) open() error {
	if s.file != nil {
		return nil
	}
	file, err := os.CreateTemp("", "suoke-spool-*")
	if err != nil {
		return fmt.Errorf("opening a spool: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return errors.Join(fmt.Errorf("opening a spool: %w", err), file.Close())
	}
	s.file = file
	return nil
}

// Read returns a text that was kept.
func (kept *spooled) Read() ([]byte, error) {
	defer runtime.KeepAlive(kept)
	text := make([]byte, kept.size)
	for i, page := range kept.pages {
		if _, err := kept.in.file.ReadAt(text[i*pageSize:min((i+1)*pageSize, len(text))], page*pageSize); err != nil {
			return nil, fmt.Errorf("reading from the spool: %w", err)
		}
	}
	return text, nil
}

// drop frees pages.
func (s *spool) drop(pages []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, pages...)
}
