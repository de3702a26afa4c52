package operator

import "testing"

// What is told of a minute is its mean, and nothing is told of one in which nothing was heard, or not all of which was.
func TestRequestRate(t *testing.T) {
	t.Parallel()
	const start = 1_000_000
	for name, c := range map[string]struct {
		// counts of seconds after start, and now.
		counts map[int64]int64
		now    int64
		want   float64
	}{
		"nothing heard":                    {nil, 0, 0},
		"the first second of a burst":      {map[int64]int64{0: 6000}, 0, 0},
		"not a whole minute":               {map[int64]int64{0: 600, 58: 600}, 58, 0},
		"a minute, of which most was idle": {map[int64]int64{0: 60, 59: 60}, 59, 2},
		"a minute and older ones":          {map[int64]int64{0: 9000, 60: 60, 119: 60}, 119, 2},
		"what is older than a minute":      {map[int64]int64{0: 9000, 1: 9000, 62: 60}, 62, 1},
		"the last minute is not heard":     {map[int64]int64{0: 100, 59: 100}, 119, 0},
		"a minute that comes late":         {map[int64]int64{0: 60, 59: 60}, 80, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var r requestRate
			for unix := int64(start); unix <= start+c.now; unix++ {
				if n, found := c.counts[unix-start]; found {
					r.add(unix, n)
				}
			}
			if got := r.perSecond(start + c.now); got != c.want {
				t.Errorf("%g requests a second, want %g", got, c.want)
			}
		})
	}
}
