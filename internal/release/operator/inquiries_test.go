package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
)

// askedOf counts what is asked of registries, by host and by second. Those whose name is dead take as long as they may and
// do not answer.
type askedOf struct {
	mu       sync.Mutex
	models   map[string]int
	hosts    map[string]int
	seconds  map[int64]int
	together int
	most     int
}

func (c *askedOf) resolve(_ context.Context, reference ref.Reference, _ credentials.Place) (Artifact, error) {
	c.mu.Lock()
	c.models[reference.Repository]++
	c.hosts[reference.Host]++
	c.seconds[time.Now().Unix()]++
	c.together++
	c.most = max(c.most, c.together)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.together--
	}()
	if reference.Host == "dead" {
		time.Sleep(10 * time.Second)
		return Artifact{}, &Problem{Reason: suokev1.ReasonRegistryUnreachable, Err: errors.New("no answer")}
	}
	time.Sleep(20 * time.Millisecond)
	return Artifact{Digest: "sha256:" + reference.Repository}, nil
}

// times is how often a model was asked for.
func (c *askedOf) times(model string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.models[model]
}

// asking runs inquiries in the time of a synctest bubble; the function that it returns ends them.
func asking(wake func(string)) (*inquiries, *askedOf, func()) {
	counted := &askedOf{models: map[string]int{}, hosts: map[string]int{}, seconds: map[int64]int{}}
	q := newInquiries(&Operator{Now: time.Now, Log: slog.New(slog.DiscardHandler)}, wake)
	q.resolve = counted.resolve
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Start(ctx) // it ends with ctx
	}()
	return q, counted, func() { stop(); <-done }
}

// tag is a question about the tag of a model.
func tag(host, name string) inquiry {
	return inquiry{reference: ref.Reference{Host: host, Repository: name, Tag: "v1"}, again: 5 * time.Minute, retry: 5 * time.Minute}
}

// TestFiveThousandTagsCostARegistryLittle: all are asked for once in an interval, and never many at once.
func TestFiveThousandTagsCostARegistryLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const models = 5000
		q, counted, stop := asking(func(string) {})
		for i := range models {
			name := fmt.Sprint("m", i)
			q.follow(tagOf(name), tag("alive", name), spread(name, 5*time.Minute))
		}
		time.Sleep(5*time.Minute + 10*time.Second)
		stop()
		counted.mu.Lock()
		defer counted.mu.Unlock()
		if n := len(counted.models); n != models {
			t.Errorf("%d of %d models were asked for", n, models)
		}
		for second, n := range counted.seconds {
			if n > inquiriesASecond+inquiriesAtOnce {
				t.Errorf("%d were asked for in second %d", n, second)
			}
		}
		if counted.most > inquiriesAtOnce {
			t.Errorf("%d were asked for side by side", counted.most)
		}
	})
}

// TestARegistryThatDoesNotAnswerHoldsUpNoOther, and is asked again now and then.
func TestARegistryThatDoesNotAnswerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, counted, stop := asking(func(string) {})
		for i := range 1000 {
			dead, alive := fmt.Sprint("d", i), fmt.Sprint("a", i)
			q.follow(tagOf(dead), tag("dead", dead), spread(dead, 5*time.Minute))
			q.follow(tagOf(alive), tag("alive", alive), spread(alive, 5*time.Minute))
		}
		time.Sleep(10*time.Minute + 30*time.Second)
		stop()
		counted.mu.Lock()
		defer counted.mu.Unlock()
		if n := counted.hosts["dead"]; n < 10 || n > 600/25*3*inquiriesAtOnce {
			t.Errorf("the one that does not answer was asked %d times in ten minutes", n)
		}
		for i := range 1000 {
			if n := counted.models[fmt.Sprint("a", i)]; n < 2 {
				t.Errorf("a%d was asked for %d times in two intervals", i, n)
			}
		}
	})
}

// TestAProofIsAskedForAtOnceAndUntilItSucceeds, and then no more.
func TestAProofIsAskedForAtOnceAndUntilItSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var woken atomic.Int64
		q, counted, stop := asking(func(string) { woken.Add(1) })
		proof := inquiry{reference: ref.Reference{Host: "alive", Repository: "m", Digest: "sha256:m"}, retry: retryResolve}
		var there atomic.Bool
		q.mu.Lock()
		resolve := q.resolve
		q.resolve = func(ctx context.Context, r ref.Reference, p credentials.Place) (Artifact, error) {
			artifact, err := resolve(ctx, r, p)
			if !there.Load() {
				return Artifact{}, &Problem{Reason: suokev1.ReasonSecretNotFound, Err: errors.New("there is no Secret")}
			}
			return artifact, err
		}
		q.mu.Unlock()
		q.follow(credentialsOf("m"), proof, 0)
		time.Sleep(21 * time.Second)
		synctest.Wait()
		if got := q.follow(credentialsOf("m"), proof, 0); got.problem == nil || got.problem.Reason != suokev1.ReasonSecretNotFound || woken.Load() != 1 {
			t.Errorf("while it is missing: %+v, and woken %d times", got, woken.Load())
		}
		before := counted.times("m")
		if before < 3 || before > 5 {
			t.Errorf("asked %d times in 21 s", before)
		}
		there.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := q.follow(credentialsOf("m"), proof, 0); got.digest != "sha256:m" || woken.Load() != 2 || counted.times("m") != before+1 {
			t.Errorf("once it is there: %+v, woken %d times, asked %d times", got, woken.Load(), counted.times("m"))
		}
		stop()
	})
}

// TestAnAnswerBelongsToItsQuestion: one that comes after the spec has changed is nobody's, and the same answer wakes nobody twice.
func TestAnAnswerBelongsToItsQuestion(t *testing.T) {
	t.Parallel()
	woken := 0
	q := newInquiries(&Operator{Now: time.Now, Log: slog.New(slog.DiscardHandler)}, func(string) { woken++ })
	q.resolve = func(_ context.Context, reference ref.Reference, _ credentials.Place) (Artifact, error) {
		return Artifact{Digest: "sha256:" + reference.Repository}, nil
	}
	about, one, two := tagOf("m"), tag("r", "one"), tag("r", "two")
	q.follow(about, one, 0)
	q.ask(t.Context(), about, one)
	q.ask(t.Context(), about, one)
	if got := q.follow(about, one, 0); got.digest != "sha256:one" || woken != 1 {
		t.Errorf("it names %q, and the model was woken %d times", got.digest, woken)
	}
	if got := q.follow(about, two, 0); got != (answer{}) {
		t.Errorf("another question is answered with %+v", got)
	}
	q.ask(t.Context(), about, one)
	if got := q.follow(about, two, 0); got != (answer{}) || woken != 1 {
		t.Errorf("an old answer came as %+v, and the model was woken %d times", got, woken)
	}
	q.forget(about, credentialsOf("m"))
	q.ask(t.Context(), about, two)
	if woken != 1 || len(q.all) != 0 {
		t.Errorf("a model that is gone was woken: %d times, and %v", woken, q.all)
	}
}
