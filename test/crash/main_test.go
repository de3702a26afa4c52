// Package crash_test breaks the operator in the middle of whole releases, on a real API server: it is killed at every
// write, its calls fail, what it wrote is deleted or wiped, two of it run at once. However it was broken, a release must
// end as one that was not, and at no revision of any object may traffic have been promised to Pods that were not there.
//
// Many releases run side by side, each in a namespace of its own. Without -all a sample of the places to break is taken, the
// same one each time; with -seed=0 it is another one, and its seed is printed.
package crash_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/suoke-life/suoke/test/apiserver"
)

var (
	every = flag.Bool("all", false, "break the operator at every write and call, not at a sample of them")
	seed  = flag.Uint64("seed", 1, "seed of the sample; 0 takes a new one")
	share = flag.Int("share", 2, "how many places of each story are sampled")
	only  = flag.String("story", "", "tell only the stories whose name holds this")
	side  = flag.Int("side", 32, "how many releases run side by side")
)

// earth is the cluster that all releases of the package run on.
var earth *world

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	fmt.Printf("%d places of each story are broken, or all with -all; drawn with -seed=%d\n", *share, *seed) //nolint:forbidigo // it is to repeat the sample with
	ctrl.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	os.Exit(apiserver.Main(watched{m}, func(s *apiserver.Server) { earth = newWorld(s) }))
}

// watched tests end the watches of the world before the API server is stopped.
type watched struct{ *testing.M }

// Run runs the tests.
func (w watched) Run() int {
	defer earth.end()
	return w.M.Run()
}

// sample draws so many of 1 to n, the same ones for a name, a seed and an n; all of them with -all.
func sample(name string, n, about int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	if *every || about >= n {
		return all
	}
	of := fnv.New64a()
	_, _ = of.Write([]byte(name)) // it never fails
	random := rand.New(rand.NewPCG(*seed, of.Sum64()))
	random.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	drawn := all[:about]
	slices.Sort(drawn)
	return drawn
}

// places that releases may run at; each takes one.
var places = sync.OnceValue(func() chan struct{} { return make(chan struct{}, *side) })

// abreast runs the parts side by side, and returns when all are done.
type abreast struct {
	running sync.WaitGroup
}

func (a *abreast) run(t *testing.T, name string, part func(t *testing.T)) {
	t.Helper()
	a.running.Go(func() {
		places() <- struct{}{}
		defer func() { <-places() }()
		t.Run(name, part)
	})
}

func (a *abreast) wait() { a.running.Wait() }
