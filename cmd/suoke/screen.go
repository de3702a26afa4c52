package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen shows a text that changes: on a terminal in place of the one before, elsewhere after it.
type screen struct {
	out      io.Writer
	terminal bool
	// size of the terminal in columns and rows.
	size func() (columns, rows int)
	// shown is how many lines of the last text stand above the cursor.
	shown int
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	file, isFile := out.(*os.File)
	if !isFile {
		return s
	}
	descriptor := int(file.Fd())
	if term.IsTerminal(descriptor) {
		s.terminal = true
		s.size = func() (int, int) {
			columns, rows, err := term.GetSize(descriptor)
			if err != nil {
				return 80, 24
			}
			return columns, rows
		}
	}
	return s
}

const (
	cursorUp    = "\x1b[1A"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	lineTooLong = "…"
)

// show writes the text. Lines that do not fit are cut: a terminal would break them, and the cursor not find back.
func (s *screen) show(text string) error {
	if !s.terminal {
		_, err := io.WriteString(s.out, text+"\n")
		return err
	}
	columns, rows := s.size()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) >= rows {
		lines = append(lines[:max(rows-2, 0)], lineTooLong)
	}
	var frame strings.Builder
	frame.WriteString(strings.Repeat(cursorUp, s.shown) + "\r")
	for _, line := range lines {
		frame.WriteString(cut(line, columns) + clearLine + "\n")
	}
	frame.WriteString(clearBelow)
	s.shown = len(lines)
	_, err := io.WriteString(s.out, frame.String())
	return err
}

// cut is the beginning of a line that fits into so many columns.
func cut(line string, columns int) string {
	if widthOfAll(line) <= columns {
		return line
	}
	width := 0
	for i, r := range line {
		if width += widthOf(r); width >= columns {
			return line[:i] + lineTooLong
		}
	}
	return line
}

func widthOfAll(text string) int {
	width := 0
	for _, r := range text {
		width += widthOf(r)
	}
	return width
}

// widthOf is 2 for the characters that terminals show twice as wide: those of Chinese, Japanese and Korean.
func widthOf(r rune) int {
	for _, wide := range [...][2]rune{{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0x20000, 0x3fffd}} {
		if wide[0] <= r && r <= wide[1] {
			return 2
		}
	}
	return 1
}
