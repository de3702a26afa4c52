package bench_test

import (
	"bufio"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/bench"
)

// TestConversation reads it twice: two replays may run side by side.
func TestConversation(t *testing.T) {
	for range 2 {
		r, err := bench.Conversation()
		if err != nil {
			t.Fatal(err)
		}
		lines, rows := bufio.NewScanner(r), -1
		for lines.Scan() {
			if rows < 0 && !strings.HasPrefix(lines.Text(), "TIMESTAMP,") {
				t.Errorf("header %q", lines.Text())
			}
			rows++
		}
		if err := lines.Err(); err != nil || rows != 19366 {
			t.Errorf("%d rows, %v; data/README.md says 19,366", rows, err)
		}
	}
}
