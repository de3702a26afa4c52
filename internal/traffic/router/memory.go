package router

import (
	"math/bits"
	"sync"
)

// Buffers are lent in sizes of powers of two between these; smaller ones are cheap, and larger ones rare.
const (
	leastLent = 4 << 10
	mostLent  = shieldedBody
)

// memory lends buffers for bodies. Without it, large bodies keep the garbage collector so busy that requests wait for it.
type memory struct {
	// sizes by the power of two.
	sizes [32]sync.Pool
}

// lend returns a buffer, with whatever was in it before. Whoever does not give it back loses nothing.
func (m *memory) lend(length int) []byte {
	if length < leastLent || length > mostLent {
		return make([]byte, length)
	}
	power := bits.Len(uint(length - 1))
	if kept, is := m.sizes[power].Get().(*[]byte); is {
		return (*kept)[:length]
	}
	return make([]byte, length, 1<<power)
}

// giveBack takes a buffer that nothing uses any more; it need not have been lent.
func (m *memory) giveBack(buffer []byte) {
	size := cap(buffer)
	if size < leastLent || size > mostLent || bits.OnesCount(uint(size)) != 1 {
		return
	}
	kept := buffer[:size] // apart from the argument, which would need memory of its own even where nothing is kept
	m.sizes[bits.Len(uint(size-1))].Put(&kept)
}
