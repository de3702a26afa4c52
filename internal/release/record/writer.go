package record

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// Writer writes the record of a release.
type Writer struct {
	header  Header
	encoder *json.Encoder
	last    int64
}

// NewWriter writes the header. Each line is one Write.
func NewWriter(to io.Writer, header Header) (*Writer, error) {
	if err := header.check(); err != nil {
		return nil, err
	}
	w := &Writer{header: header, encoder: json.NewEncoder(to)}
	return w, w.encoder.Encode(header)
}

// Write adds a second, which must be later than the last. Pods that answered nothing are left out. Of a second that is
// refused, for counts that cannot be, nothing is written, and the next one may be.
func (w *Writer) Write(entry Entry) error {
	if entry.Unix <= w.last {
		return fmt.Errorf("second %d after second %d", entry.Unix, w.last)
	}
	answered := Entry{Second: analysis.Second{Unix: entry.Unix}}
	for _, pod := range entry.Pods {
		if pod.Counts == (analysis.Counts{}) {
			continue
		}
		if err := answered.add(pod); err != nil {
			return err
		}
	}
	w.last = entry.Unix
	if entry.Historical {
		if err := w.encoder.Encode(historicalLine{Second: entry.Unix, Historical: true}); err != nil {
			return err
		}
	}
	for _, pod := range answered.Pods {
		if err := w.encoder.Encode(w.line(entry.Unix, pod)); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) line(unix int64, pod analysis.PodSecond) podLine {
	version := w.header.Stable
	if pod.Candidate {
		version = w.header.Candidate
	}
	return podLine{
		Second: unix, Version: version, Pod: pod.Pod,
		Requests: pod.Requests, Failures: pod.Failures, Slow: pod.Slow, Mirrored: pod.Mirrored, Disagreed: pod.Disagreed,
	}
}
