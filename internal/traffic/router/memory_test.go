package router

import "testing"

func TestMemoryIsLentInPowersOfTwo(t *testing.T) {
	var m memory
	for length, want := range map[int]int{
		0: 0, 100: 100, 4095: 4095, 4096: 4096, 4097: 8192, 65536: 65536, 65537: 131072, mostLent: mostLent, mostLent + 1: mostLent + 1,
	} {
		buffer := m.lend(length)
		if len(buffer) != length || length <= mostLent && cap(buffer) != want {
			t.Errorf("%d bytes: got %d of %d, want them of %d", length, len(buffer), cap(buffer), want)
		}
		m.giveBack(buffer)
	}
}

func TestMemoryThatWasNotLentIsNeverTooSmall(t *testing.T) {
	var m memory
	for _, size := range []int{0, 1, 4096, 5000, 8191, 8192, 8193, 2 * mostLent} {
		m.giveBack(make([]byte, size))
		for _, length := range []int{4097, 5000, 8192, mostLent} {
			if got := len(m.lend(length)); got != length {
				t.Errorf("after %d bytes that came from elsewhere, %d were lent instead of %d", size, got, length)
			}
		}
	}
}
