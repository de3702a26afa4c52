package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/rollout"
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
	// at is how many are under way at each host now, mostAt how many were at most.
	at, mostAt map[string]int
}

func (c *askedOf) resolve(_ context.Context, reference ref.Reference, place credentials.Place) (Artifact, error) {
	c.mu.Lock()
	c.models[reference.Repository]++
	c.hosts[reference.Host]++
	c.seconds[time.Now().Unix()]++
	c.together++
	c.most = max(c.most, c.together)
	c.at[reference.Host]++
	c.mostAt[reference.Host] = max(c.mostAt[reference.Host], c.at[reference.Host])
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.together--
		c.at[reference.Host]--
	}()
	if strings.HasPrefix(reference.Host, "dead") {
		time.Sleep(10 * time.Second)
		return Artifact{}, &Problem{Reason: suokev1.ReasonRegistryUnreachable, Err: errors.New("no answer to " + place.Secret)}
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
	counted := &askedOf{models: map[string]int{}, hosts: map[string]int{}, seconds: map[int64]int{}, at: map[string]int{}, mostAt: map[string]int{}}
	q := newInquiries(&Operator{Now: time.Now, Log: slog.New(slog.DiscardHandler)}, func(_ context.Context, model string) { wake(model) })
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
	return inquiry{reference: ref.Reference{Host: host, Repository: name, Tag: "v1"}, again: 5 * time.Minute, retry: 5 * time.Minute, digestOnly: true}
}

// proof is a question about the credentials of a model, which are its own.
func proof(host, name string) inquiry {
	return inquiry{
		reference: ref.Reference{Host: host, Repository: name, Digest: "sha256:" + name}, place: credentials.Place{Secret: "access-" + name}, retry: retryResolve,
	}
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
			if n > inquiriesASecond+2 {
				t.Errorf("%d were asked for in second %d", n, second)
			}
		}
		if counted.most > inquiriesAtAHost {
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
		if n := counted.hosts["dead"]; n < 10 || n > 600/25+inquiriesAtAHost+1 {
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
		proof := proof("alive", "m")
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

// TestADeadRegistryHoldsUpNoOtherWhenAllIsDueTogether, as when an operator begins: what is due there is found to rest when its
// turn comes, and takes few places.
func TestADeadRegistryHoldsUpNoOtherWhenAllIsDueTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, counted, stop := asking(func(string) {})
		defer stop()
		began := time.Now()
		answeredWithin := func(host, model string, within time.Duration) {
			t.Helper()
			asked := time.Now()
			for q.follow(credentialsOf(model), proof(host, model), 0).digest == "" {
				if time.Since(asked) > within {
					t.Fatalf("the proof of %s waits for more than %v", model, within)
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		for i := range 1000 {
			name := fmt.Sprint("d", i)
			q.follow(credentialsOf(name), proof("dead", name), 0)
		}
		time.Sleep(time.Millisecond) // it is due later than all these
		answeredWithin("alive", "a", 2*time.Second)

		for i := range 1000 {
			name := fmt.Sprint("e", i)
			q.follow(credentialsOf(name), proof(fmt.Sprint("dead", i%5), name), 0)
		}
		time.Sleep(time.Minute)
		for i := range 100 { // at any time of their rest
			answeredWithin("alive", fmt.Sprint("b", i), 2*time.Second)
		}
		counted.mu.Lock()
		defer counted.mu.Unlock()
		for host, n := range counted.mostAt {
			if n > inquiriesAtAHost {
				t.Errorf("%s was asked for %d side by side", host, n)
			}
		}
		if n := counted.hosts["dead"]; n > inquiriesAtAHost+int(time.Since(began)/(25*time.Second)) {
			t.Errorf("the one that does not answer was asked %d times in %v", n, time.Since(began))
		}
	})
}

// TestARegistryThatComesBackIsAskedByAll, and is as any other then.
func TestARegistryThatComesBackIsAskedByAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, counted, stop := asking(func(string) {})
		defer stop()
		var back atomic.Bool
		q.resolve = func(ctx context.Context, r ref.Reference, p credentials.Place) (Artifact, error) {
			if back.Load() {
				r.Host = "alive"
			}
			return counted.resolve(ctx, r, p)
		}
		for i := range 200 {
			name := fmt.Sprint("m", i)
			q.follow(credentialsOf(name), proof("dead", name), 0)
		}
		time.Sleep(time.Minute)
		back.Store(true)
		time.Sleep(10*time.Second + hostRests + 200*time.Second/inquiriesASecond + 2*time.Second)
		for i := range 200 {
			name := fmt.Sprint("m", i)
			if got := q.follow(credentialsOf(name), proof("dead", name), 0); got.digest == "" {
				t.Fatalf("the answer to %s is %v", name, got.problem)
			}
		}
		synctest.Wait()
		time.Sleep(2 * hostRests)
		q.mu.Lock()
		defer q.mu.Unlock()
		if len(q.hosts) != 0 || q.asking != 0 {
			t.Errorf("nothing is asked, and there are %d hosts and %d inquiries", len(q.hosts), q.asking)
		}
	})
}

// TestADenialIsAnAnswer: who is denied holds up nobody whose credentials open the same registry.
func TestADenialIsAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, counted, stop := asking(func(string) {})
		defer stop()
		q.resolve = func(ctx context.Context, r ref.Reference, p credentials.Place) (Artifact, error) {
			artifact, err := counted.resolve(ctx, r, p)
			if strings.HasPrefix(r.Repository, "denied") {
				return Artifact{}, &Problem{Reason: suokev1.ReasonRegistryUnreachable, Denied: true, Err: errors.New("it wants others than those of " + p.Secret)}
			}
			return artifact, err
		}
		for i := range 5 {
			name := fmt.Sprint("denied", i)
			q.follow(credentialsOf(name), proof("r", name), 0)
		}
		time.Sleep(1500 * time.Millisecond)
		q.follow(credentialsOf("m"), proof("r", "m"), 0)
		time.Sleep(1500 * time.Millisecond)
		if got := q.follow(credentialsOf("m"), proof("r", "m"), 0); got.digest == "" {
			t.Errorf("the answer to who may is %v", got.problem)
		}
		for i := range 5 {
			name := fmt.Sprint("denied", i)
			if got := q.follow(credentialsOf(name), proof("r", name), 0); got.problem == nil || got.problem.Error() != "it wants others than those of access-"+name {
				t.Errorf("the answer to %s is %v", name, got.problem)
			}
		}
	})
}

// TestAFailureIsToldToWhomItBefell, and to others that there is one; what they were answered before stands.
func TestAFailureIsToldToWhomItBefell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var woken sync.Map
		q, counted, stop := asking(func(model string) { woken.Store(model, true) })
		defer stop()
		q.resolve = func(ctx context.Context, r ref.Reference, p credentials.Place) (Artifact, error) {
			if p.Secret == "access-early" {
				return Artifact{}, &Problem{Reason: suokev1.ReasonSecretNotFound, Err: errors.New("there is no Secret access-early")}
			}
			return counted.resolve(ctx, r, p)
		}
		told := func(model string) string {
			got := q.follow(credentialsOf(model), proof("dead", model), 0)
			if got.problem == nil {
				return ""
			}
			return got.problem.Error()
		}
		told("early")
		time.Sleep(2 * time.Second)
		const models = 20
		for i := range models {
			told(fmt.Sprint("m", i))
		}
		time.Sleep(13 * time.Second)
		befell := 0
		for i := range models {
			name := fmt.Sprint("m", i)
			switch said := told(name); said {
			case "no answer to access-" + name:
				befell++
			case "dead rests after a failure; it is asked again soon":
			default:
				t.Errorf("%s is told %q", name, said)
			}
			if _, was := woken.Load(name); !was {
				t.Errorf("%s was not woken", name)
			}
		}
		if befell != inquiriesAtAHost {
			t.Errorf("%d were asked", befell)
		}
		if said := told("early"); said != "there is no Secret access-early" {
			t.Errorf("who had an answer is told %q", said)
		}
		if said := told("late"); said != "dead rests after a failure; it is asked again soon" {
			t.Errorf("who comes while it rests is told %q", said)
		}
	})
}

// TestAnAnswerThatSaysTheSameWakesNobody, though a socket has another port each time. Of a tag, only another digest does.
func TestAnAnswerThatSaysTheSameWakesNobody(t *testing.T) {
	t.Parallel()
	no := func(reason, says string) error { return &Problem{Reason: reason, Err: errors.New(says)} }
	const reset = "registry not reachable: r:5000: read tcp 10.0.0.1:%d->10.0.0.2:5000: read: connection reset by peer"
	for sentence, c := range map[string]struct {
		asked inquiry
		// answers follow each other: a digest, or an error.
		answers []any
		want    int
	}{
		"a proof at a registry that resets": {proof("r", "m"), []any{
			no(suokev1.ReasonRegistryUnreachable, fmt.Sprintf(reset, 35028)), no(suokev1.ReasonRegistryUnreachable, fmt.Sprintf(reset, 35030)),
		}, 1},
		"a proof that something else is wrong with": {proof("r", "m"), []any{
			no(suokev1.ReasonSecretNotFound, "there is no Secret"), no(suokev1.ReasonSecretNotFound, "it has no key"), no(suokev1.ReasonRegistryUnreachable, "it has no key"),
		}, 3},
		"a tag that is known":         {tag("r", "m"), []any{"first", "first"}, 0},
		"a tag that moves":            {tag("r", "m"), []any{"first", "second", "second"}, 1},
		"a tag that is not told once": {tag("r", "m"), []any{"second", no(suokev1.ReasonRegistryUnreachable, "no"), no(suokev1.ReasonArtifactNotFound, "none"), "second"}, 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			now, woken := time.Unix(1_700_000_000, 0), 0
			q := newInquiries(&Operator{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}, func(context.Context, string) { woken++ })
			about := topic{"m", "it"}
			if c.asked.digestOnly {
				c.asked.answer.digest = "first"
			}
			q.follow(about, c.asked, 0)
			for i, gives := range c.answers {
				q.resolve = func(context.Context, ref.Reference, credentials.Place) (Artifact, error) {
					if err, fails := gives.(error); fails {
						return Artifact{}, err
					}
					return Artifact{Digest: gives.(string)}, nil
				}
				s, asked, found := q.next()
				if !found {
					t.Fatalf("inquiry %d is not due", i)
				}
				q.ask(t.Context(), s, asked)
				now = now.Add(10 * time.Minute)
			}
			if woken != c.want {
				t.Errorf("woken %d times, want %d", woken, c.want)
			}
		})
	}
}

// TestOurOwnFailuresAreNotTheRegistrys: where the API server does not give a Secret, the registry was not asked.
func TestOurOwnFailuresAreNotTheRegistrys(t *testing.T) {
	t.Parallel()
	q := newInquiries(&Operator{Now: time.Now, Log: slog.New(slog.DiscardHandler)}, func(context.Context, string) {})
	q.resolve = func(context.Context, ref.Reference, credentials.Place) (Artifact, error) {
		return Artifact{}, errors.New("reading Secret access-m: the API server is away")
	}
	q.follow(credentialsOf("m"), proof("r", "m"), 0)
	q.follow(credentialsOf("n"), proof("r", "n"), 0)
	for range 2 {
		s, asked, found := q.next()
		if !found {
			t.Fatal("the other one is not asked for")
		}
		q.ask(t.Context(), s, asked)
	}
}

// TestAnAnswerBelongsToItsQuestion: one that comes after the spec has changed is nobody's, and the same answer wakes nobody twice.
func TestAnAnswerBelongsToItsQuestion(t *testing.T) {
	t.Parallel()
	woken := 0
	q := newInquiries(&Operator{Now: time.Now, Log: slog.New(slog.DiscardHandler)}, func(context.Context, string) { woken++ })
	q.resolve = func(_ context.Context, reference ref.Reference, _ credentials.Place) (Artifact, error) {
		return Artifact{Digest: "sha256:" + reference.Repository}, nil
	}
	take := func() func() {
		t.Helper()
		s, asked, found := q.next()
		if !found {
			t.Fatal("nothing is due")
		}
		return func() { q.ask(t.Context(), s, asked) }
	}
	about, one, two := tagOf("m"), tag("r", "one"), tag("r", "two")
	q.follow(about, one, 0)
	take()()
	if got := q.follow(about, one, 0); got.digest != "sha256:one" || woken != 1 {
		t.Errorf("it names %q, and the model was woken %d times", got.digest, woken)
	}
	q.forget(about)
	q.follow(about, one, 0)
	old := take()
	if got := q.follow(about, two, 0); got != (answer{}) {
		t.Errorf("another question is answered with %+v", got)
	}
	old()
	if got := q.follow(about, two, 0); got != (answer{}) || woken != 1 {
		t.Errorf("an old answer came as %+v, and the model was woken %d times", got, woken)
	}
	late := take()
	q.forget(about, credentialsOf("m"))
	late()
	if woken != 1 || len(q.all) != 0 {
		t.Errorf("a model that is gone was woken: %d times, and %v", woken, q.all)
	}
}

// nothing is a registry without any artifact.
type nothing struct{}

func (nothing) Resolve(context.Context, ref.Reference, credentials.Proof) (Artifact, error) {
	return Artifact{}, &Problem{Reason: suokev1.ReasonArtifactNotFound, Err: errors.New("it is not there")}
}

// writing is an API server that takes all that is created.
type writing struct{ client.Client }

func (writing) Create(context.Context, client.Object, ...client.CreateOption) error { return nil }

// TestNoQuestionOutlivesWhatItIsAskedFor: a model whose spec asks for another version asks for nothing of the former.
func TestNoQuestionOutlivesWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	runtimes, err := profile.LoadRuntimes("")
	if err != nil {
		t.Fatal(err)
	}
	model := digits()
	model.Spec.ModelName, model.Spec.Version, model.Spec.ModelType = "digits", "v1", suokev1.ModelTypeClassification
	model.Spec.Framework = suokev1.FrameworkONNX
	model.Spec.Repository.URL = "oci://r:5000/models/digits"
	for sentence, c := range map[string]struct {
		change func(*suokev1.AIModelSpec)
		// left is what is asked on.
		left []topic
	}{
		"other credentials":             {func(s *suokev1.AIModelSpec) { s.Repository.SecretRef = &suokev1.SecretRef{Name: "next"} }, []topic{tagOf("digits"), credentialsOf("digits")}},
		"a version that is not there":   {func(s *suokev1.AIModelSpec) { s.Version = "v2" }, nil},
		"a runtime that is not there":   {func(s *suokev1.AIModelSpec) { s.Runtime = &suokev1.Runtime{Name: "none"} }, nil},
		"another template of a version": {func(s *suokev1.AIModelSpec) { s.Runtime = &suokev1.Runtime{Args: []string{"--threads=1"}} }, []topic{tagOf("digits")}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			o := &Operator{
				Config: Config{Runtimes: runtimes, TagInterval: time.Minute}, Client: writing{}, Live: writing{}, Resolver: nothing{},
				Log: slog.New(slog.DiscardHandler), Now: time.Now,
			}
			o.inquiries = newInquiries(o, nil)
			rt, err := selectRuntime(model, runtimes)
			if err != nil {
				t.Fatal(err)
			}
			f := frozen{Source: model.Spec.Repository, revision: &appsv1.ControllerRevision{}}
			f.Version.ID, f.Version.Version, f.Version.Template = "digits-1", "v1", o.template(model, rt)
			f.Version.Digest = "sha256:" + strings.Repeat("1", 64)
			f.Version.Reference = "r:5000/models/digits@" + f.Version.Digest
			look := func(change func(*suokev1.AIModelSpec)) {
				t.Helper()
				seen := &observed{model: model.DeepCopy(), now: time.Now(), verdict: Verdict{Accepted: true}, known: map[rollout.ID]frozen{"digits-1": f}}
				change(&seen.model.Spec)
				if s := seen.model.Spec.Repository.SecretRef; s != nil {
					seen.place.Secret = s.Name
				}
				if err := (&models{o}).observeWanted(t.Context(), seen); err != nil {
					t.Fatal(err)
				}
			}
			look(func(s *suokev1.AIModelSpec) { s.Repository.SecretRef = &suokev1.SecretRef{Name: "access"} })
			if n := len(o.inquiries.all); n != 2 {
				t.Fatalf("before, %d questions are asked", n)
			}
			look(c.change)
			if len(o.inquiries.all) != len(c.left) {
				t.Errorf("%v are asked, want %v", slices.Collect(maps.Keys(o.inquiries.all)), c.left)
			}
			for _, s := range c.left {
				if o.inquiries.all[s] == nil {
					t.Errorf("%v is not asked", s)
				}
			}
		})
	}
}

// TestWhatIsToldIsNotPolled: a model whose credentials are asked about is looked at when there is an answer.
func TestWhatIsToldIsNotPolled(t *testing.T) {
	t.Parallel()
	why := &Problem{Reason: suokev1.ReasonRegistryUnreachable, Err: errors.New("no answer")}
	for sentence, c := range map[string]struct {
		seen observed
		want time.Duration
	}{
		"credentials that open nothing":    {observed{unproven: why}, resyncAfter},
		"a version that is not there":      {observed{trouble: why}, retryResolve},
		"nothing that anybody waits for":   {observed{}, resyncAfter},
		"both, of two versions, is polled": {observed{unproven: why, trouble: why}, retryResolve},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			c.seen.model, c.seen.now = digits(), time.Unix(1_700_000_000, 0)
			if d := (&models{&Operator{}}).decide(&c.seen); d.after != c.want {
				t.Errorf("looked at again after %v, want %v", d.after, c.want)
			}
		})
	}
}

// TestWhoIsSummonedIsLookedAt, however many models wait.
func TestWhoIsSummonedIsLookedAt(t *testing.T) {
	p := newPolled(t)
	synctest.Test(t, func(t *testing.T) {
		p.wake = make(chan event.TypedGenericEvent[call], 2)
		for range cap(p.wake) {
			p.rouse(call{model: "other"})
		}
		p.rouse(call{model: "one that is polled"})
		go p.summon(t.Context(), "m")
		synctest.Wait()
		var all []string
		for range cap(p.wake) + 1 {
			all = append(all, (<-p.wake).Object.model)
		}
		if want := []string{"other", "other", "m"}; !slices.Equal(all, want) {
			t.Errorf("looked at are %v, want %v", all, want)
		}
	})
}
