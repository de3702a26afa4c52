package analysis

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// historyVersion is the first byte of a written history.
const historyVersion = 2

// pack writes an hour as numbers of variable length, deflated.
func (h *hour) pack() []byte {
	raw := make([]byte, 0, 2*len(h.requests)+2*hourSeconds)
	for _, n := range h.requests {
		raw = binary.AppendVarint(raw, int64(n))
	}
	for _, bad := range [...][]uint16{h.failures[:], h.slow[:]} {
		for _, n := range bad {
			raw = binary.AppendVarint(raw, int64(n))
		}
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // the level is right, and a buffer takes everything
	}
	return bytes.Clone(packed.Bytes()) // a buffer holds up to twice as much, for a day
}

// unpack reads what pack wrote.
func unpack(packed []byte) (*hour, error) {
	// The longest hour has numbers of five and of three bytes.
	const most = 5*hourSeconds/requestSeconds + 2*3*hourSeconds
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most+1))
	if err != nil {
		return nil, fmt.Errorf("inflating an hour: %w", err)
	}
	r := reader{rest: raw}
	h := &hour{}
	for i := range h.requests {
		h.requests[i] = narrow[uint32](r.number(math.MaxUint32), math.MaxUint32)
	}
	for _, bad := range [...][]uint16{h.failures[:], h.slow[:]} {
		for i := range bad {
			bad[i] = narrow[uint16](r.number(math.MaxUint16), math.MaxUint16)
		}
	}
	return h, r.end()
}

// MarshalBinary writes the history: about a kilobyte for each Pod and hour at 20 requests a second.
func (h *History) MarshalBinary() ([]byte, error) {
	data := []byte{historyVersion}
	data = binary.AppendVarint(data, h.since)
	data = appendBool(data, h.whole)
	data = binary.AppendVarint(data, h.last)
	data = binary.AppendVarint(data, int64(len(h.pods)))
	for _, name := range slices.Sorted(maps.Keys(h.pods)) {
		p := h.pods[name]
		data = appendBytes(data, []byte(name))
		data = binary.AppendVarint(data, p.first)
		data = appendBool(data, p.recorded)
		data = p.start.append(data)
		hours := map[int64][]byte{}
		for number, finished := range p.finished {
			if text, err := finished.read(); err == nil { // what a shelf has lost is not known any more
				hours[number] = text
			}
		}
		for number, open := range p.open {
			hours[number] = open.pack()
		}
		data = binary.AppendVarint(data, int64(len(hours)))
		for _, number := range slices.Sorted(maps.Keys(hours)) {
			data = binary.AppendVarint(data, number)
			data = appendBytes(data, hours[number])
		}
	}
	return data, nil
}

func appendBool(data []byte, b bool) []byte {
	if b {
		return binary.AppendVarint(data, 1)
	}
	return binary.AppendVarint(data, 0)
}

func appendBytes(data, b []byte) []byte {
	return append(binary.AppendVarint(data, int64(len(b))), b...)
}

// UnmarshalBinary reads what MarshalBinary wrote. What comes next must go on where that ended, or seconds were missed. After an
// error the history is as it was.
func (h *History) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != historyVersion {
		return errors.New("reading a history: it does not begin with the version that this suoke writes")
	}
	r := reader{rest: data[1:]}
	read := History{since: r.number(math.MaxInt64), whole: r.bool(), last: r.number(math.MaxInt64), pods: map[string]*pastPod{}, shelf: h.shelf}
	for range r.number(int64(len(data))) {
		name := string(r.bytes())
		p := &pastPod{first: r.number(math.MaxInt64), recorded: r.bool(), start: r.start(), open: map[int64]*hour{}, finished: map[int64]packed{}}
		for range r.number(int64(len(data))) {
			number, text := r.number(math.MaxInt64/hourSeconds-1), r.bytes()
			if r.err != nil {
				break
			}
			past, err := unpack(text)
			switch {
			case err != nil:
				return fmt.Errorf("reading a history: Pod %s: %w", name, err)
			case over(number, read.last):
				p.finished[number] = read.putAway(slices.Clone(text))
			default:
				p.open[number] = past
			}
		}
		if r.err != nil {
			break
		}
		read.pods[name] = p
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("reading a history: %w", err)
	}
	read.loaded, read.missed = read.last, true
	*h = read
	return nil
}

// reader takes numbers and byte strings off the front; after the first that is not there it gives zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) number(most int64) int64 {
	n, length := binary.Varint(r.rest)
	if length <= 0 || n < 0 || n > most {
		r.rest, r.err = nil, errors.New("a number is cut off or too large")
		return 0
	}
	r.rest = r.rest[length:]
	return n
}

func (r *reader) bool() bool { return r.number(1) == 1 }

func (r *reader) bytes() []byte {
	length := r.number(int64(len(r.rest)))
	if length > int64(len(r.rest)) {
		r.rest, r.err = nil, errors.New("a string of bytes is cut off")
		return nil
	}
	b := r.rest[:length]
	r.rest = r.rest[length:]
	return b
}

// end is the first error, or that something is left.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		return errors.New("there are bytes left over")
	}
	return r.err
}
