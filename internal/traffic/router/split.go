package router

import (
	"math/rand/v2"
	"sync"
)

// blockSize is the number of requests in which every weight, in percent, is kept exactly.
const blockSize = 100

// blocks deals versions in random permuted blocks: of every 100 requests each version gets exactly its weight, in an
// order that nobody outside can foresee. (Lachin, Matts & Wei, "Randomization in clinical trials", Controlled Clinical
// Trials 9, 1988, give the scheme and why it beats independent coins: the share cannot drift.)
type blocks struct {
	mu    sync.Mutex
	slots [blockSize]int
	next  int
}

// newBlocks returns blocks for weights that sum to 100, or nil for weights that are all 0.
func newBlocks(weights []int) *blocks {
	b, slot := &blocks{}, 0
	for version, weight := range weights {
		for range weight {
			b.slots[slot] = version
			slot++
		}
	}
	if slot != blockSize {
		return nil
	}
	b.shuffle()
	return b
}

func (b *blocks) shuffle() {
	//nolint:gosec // it mixes the versions; nobody gains by guessing it
	rand.Shuffle(blockSize, func(i, j int) { b.slots[i], b.slots[j] = b.slots[j], b.slots[i] })
	b.next = 0
}

// deal returns the next version that is ready. The slots of one that is not are passed over, so that the others share
// its requests by their weights. It returns false if no version with a weight is ready.
func (b *blocks) deal(ready func(version int) bool) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// The rest of this block and the whole of the next hold every version that has a weight.
	for range 2 * blockSize {
		if b.next == blockSize {
			b.shuffle()
		}
		version := b.slots[b.next]
		b.next++
		if ready(version) {
			return version, true
		}
	}
	return 0, false
}
