package serving

import (
	"errors"
	"fmt"
	"strconv"
)

// kind says which numbers a datatype holds.
type kind struct {
	integer  bool
	bits     int
	unsigned bool
}

// kindOf knows the datatypes that can fill an FP32 input.
func kindOf(datatype string) (kind, bool) {
	switch datatype {
	case "FP32":
		return kind{bits: 32}, true
	case "FP64":
		return kind{bits: 64}, true
	case "INT8":
		return kind{integer: true, bits: 8}, true
	case "INT16":
		return kind{integer: true, bits: 16}, true
	case "INT32":
		return kind{integer: true, bits: 32}, true
	case "INT64":
		return kind{integer: true, bits: 64}, true
	case "UINT8":
		return kind{integer: true, bits: 8, unsigned: true}, true
	case "UINT16":
		return kind{integer: true, bits: 16, unsigned: true}, true
	case "UINT32":
		return kind{integer: true, bits: 32, unsigned: true}, true
	case "UINT64":
		return kind{integer: true, bits: 64, unsigned: true}, true
	default:
		return kind{}, false
	}
}

func (k kind) String() string {
	switch {
	case !k.integer:
		return fmt.Sprintf("FP%d", k.bits)
	case k.unsigned:
		return fmt.Sprintf("UINT%d", k.bits)
	default:
		return fmt.Sprintf("INT%d", k.bits)
	}
}

// readNumbers reads a tensor's data, flat or nested by rows. text is one valid JSON value: encoding/json has checked it,
// so only its meaning is in question here.
func readNumbers(text []byte, k kind, rows, width int) ([]float32, error) {
	if len(text) == 0 {
		return nil, errors.New("data is missing")
	}
	c := &cursor{text: text, kind: k, values: make([]float32, 0, min(rows*width, len(text)))}
	if c.next() != '[' {
		return nil, fmt.Errorf("data is %s; write an array of %d numbers", c.what(), rows*width)
	}
	c.at++
	if c.next() != '[' {
		if err := c.list(rows * width); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		return c.values, nil
	}
	for row := 0; c.next() != ']'; row++ {
		if row == rows {
			return nil, fmt.Errorf("data has more than the %d rows of its shape", rows)
		}
		if c.next() != '[' {
			return nil, fmt.Errorf("data[%d] is %s; write every row as an array, or all numbers in one", row, c.what())
		}
		c.at++
		if err := c.list(width); err != nil {
			return nil, fmt.Errorf("data[%d]: %w", row, err)
		}
		c.comma()
	}
	if len(c.values) != rows*width {
		return nil, fmt.Errorf("data has %d rows, but its shape says %d", len(c.values)/width, rows)
	}
	return c.values, nil
}

// cursor walks over the text of an array.
type cursor struct {
	text   []byte
	at     int
	kind   kind
	values []float32
}

// list reads numbers up to and including the closing bracket, exactly want of them.
func (c *cursor) list(want int) error {
	count := 0
	for ; c.next() != ']'; count++ {
		if count == want {
			return fmt.Errorf("there are more than %d numbers", want)
		}
		v, err := c.number()
		if err != nil {
			return fmt.Errorf("number %d %w", count, err)
		}
		c.values = append(c.values, v)
		c.comma()
	}
	if count != want {
		return fmt.Errorf("there are %d numbers, not %d", count, want)
	}
	c.at++
	return nil
}

func (c *cursor) number() (float32, error) {
	first := c.next()
	if first != '-' && (first < '0' || first > '9') {
		return 0, fmt.Errorf("is %s; write a number", c.what())
	}
	start := c.at
	for c.at < len(c.text) && !endsNumber(c.text[c.at]) {
		c.at++
	}
	token := c.text[start:c.at]
	var v float64
	var err error
	switch {
	case c.kind.unsigned:
		var n uint64
		n, err = strconv.ParseUint(string(token), 10, c.kind.bits)
		v = float64(n)
	case c.kind.integer:
		var n int64
		n, err = strconv.ParseInt(string(token), 10, c.kind.bits)
		v = float64(n)
	default:
		// The model computes in FP32: an FP64 beyond its range is infinite to it.
		v, err = strconv.ParseFloat(string(token), 32)
	}
	if err != nil {
		if !c.kind.integer {
			return 0, fmt.Errorf("is %s, which is not finite in FP32", token)
		}
		return 0, fmt.Errorf("is %s, which is not %s", token, c.kind)
	}
	return float32(v), nil
}

// next is the next byte that is not white space.
func (c *cursor) next() byte {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return c.text[c.at]
		}
	}
	return ']'
}

func (c *cursor) comma() {
	if c.next() == ',' {
		c.at++
	}
}

// what words the value at the cursor.
func (c *cursor) what() string {
	switch c.next() {
	case '"':
		return "text"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	default:
		return "a number"
	}
}

func endsNumber(b byte) bool {
	switch b {
	case ',', ']', ' ', '\t', '\n', '\r':
		return true
	default:
		return false
	}
}
