package operator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
)

const (
	// inquiriesASecond are made at most, inquiriesAtOnce side by side: of 6,000 models each in five minutes, and of more less often.
	inquiriesASecond = 20
	inquiriesAtOnce  = 8
	// inquiriesAtAHost are made side by side at most, so that one registry that is slow to answer leaves places to others; one is
	// where the registry did not answer before.
	inquiriesAtAHost = 4
	// hostRests is how long a registry is left alone that did not answer, whatever else is due there.
	hostRests = 15 * time.Second
	// inquiriesEvery is how often it is looked whether one is due.
	inquiriesEvery = time.Second
)

// inquiries ask registries what becomes of versions that are served already, apart from what is decided about their models.
// They promise that no decision waits for a registry and no registry for another that does not answer, that registries, and the
// API server for the Secrets, are asked no more than the constants above say, however many models there are, and that a model is
// looked at after an answer that is another one than before.
type inquiries struct {
	resolve func(ctx context.Context, reference ref.Reference, place credentials.Place) (Artifact, error)
	log     *slog.Logger
	clock   func() time.Time
	limit   *rate.Limiter
	// wake has a model looked at that an answer came for. It returns once that is certain, or ctx ended.
	wake func(ctx context.Context, model string)
	// ended says that one came to its end, so that there is a place for another.
	ended chan struct{}

	mu  sync.Mutex
	all map[topic]*inquiry
	// hosts are the registries that are asked now, or did not answer of late; asking is how many inquiries are under way at all.
	hosts  map[string]*host
	asking int
}

// topic is what is asked about: a model's tag, or its credentials.
type topic struct {
	model string
	about string
}

// inquiry is a question and what became of it.
type inquiry struct {
	reference ref.Reference
	place     credentials.Place
	// again is when it is asked again after an answer, and after a failure; 0: not.
	again, retry time.Duration
	// digestOnly says that a failure is no answer: the one before stands.
	digestOnly bool
	// due is when it is asked next, the zero value: not.
	due time.Time
	// answer is the last one; what is known already, before the first.
	answer answer
}

// same says whether two are one question.
func (i *inquiry) same(other *inquiry) bool {
	return i.reference == other.reference && i.place == other.place
}

// answer is a digest, or why there is none; neither, before the first.
type answer struct {
	digest  string
	problem *Problem
}

// host is a registry, whatever it is asked with.
type host struct {
	asking int
	// failed says that it did not answer when it was asked last; it rests until then.
	failed bool
	until  time.Time
}

func newInquiries(o *Operator, wake func(ctx context.Context, model string)) *inquiries {
	return &inquiries{
		log: o.Log, clock: o.Now, limit: rate.NewLimiter(inquiriesASecond, 1), wake: wake,
		resolve: func(ctx context.Context, reference ref.Reference, place credentials.Place) (Artifact, error) {
			return o.resolve(ctx, reference, o.Namespace, place)
		},
		ended: make(chan struct{}, 1), all: map[topic]*inquiry{}, hosts: map[string]*host{},
	}
}

// follow has a question asked, for the first time after a while, and returns the last answer to it.
func (q *inquiries) follow(s topic, asked inquiry, after time.Duration) answer {
	q.mu.Lock()
	defer q.mu.Unlock()
	known := q.all[s]
	if known == nil || !known.same(&asked) {
		known = &asked
		known.due = q.clock().Add(after)
		if h := q.hosts[asked.reference.Host]; h != nil && h.failed {
			known.rests()
		}
		q.all[s] = known
	}
	return known.answer
}

// forget drops what is asked about a model, or one thing of it.
func (q *inquiries) forget(all ...topic) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range all {
		delete(q.all, s)
	}
}

// Start asks until ctx ends.
func (q *inquiries) Start(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTicker(inquiriesEvery)
	defer tick.Stop()
	for q.limit.Wait(ctx) == nil {
		s, asked, found := q.next()
		for !found {
			select {
			case <-ctx.Done():
				return nil
			case <-q.ended:
			case <-tick.C:
			}
			s, asked, found = q.next()
		}
		asking.Go(func() { q.ask(ctx, s, asked) })
	}
	return nil // ctx ended
}

// NeedLeaderElection says that only the leader asks.
func (*inquiries) NeedLeaderElection() bool { return true }

// next takes the question that is due for longest, of those whose registry may be asked now, and with it a place at that registry.
func (q *inquiries) next() (topic, inquiry, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.clock()
	for name, h := range q.hosts {
		if h.asking == 0 && now.Sub(h.until) >= hostRests { // nothing is due there
			delete(q.hosts, name)
		}
	}
	var of topic
	var first *inquiry
	for s, known := range q.all {
		if known.due.IsZero() || now.Before(known.due) || first != nil && !known.due.Before(first.due) || !q.mayAsk(known.reference.Host, now) {
			continue
		}
		of, first = s, known
	}
	if first == nil {
		return topic{}, inquiry{}, false
	}
	first.due = time.Time{}
	q.at(first.reference.Host).asking++
	q.asking++
	return of, *first, true
}

// mayAsk says whether a registry may be asked one thing more. The caller holds the lock.
func (q *inquiries) mayAsk(name string, now time.Time) bool {
	h := q.hosts[name]
	switch {
	case q.asking >= inquiriesAtOnce:
		return false
	case h == nil:
		return true
	case h.failed:
		return h.asking == 0 && !now.Before(h.until)
	}
	return h.asking < inquiriesAtAHost
}

// at is what is known of a registry. The caller holds the lock.
func (q *inquiries) at(name string) *host {
	if q.hosts[name] == nil {
		q.hosts[name] = &host{}
	}
	return q.hosts[name]
}

// ask asks one question that was taken.
func (q *inquiries) ask(ctx context.Context, s topic, asked inquiry) {
	artifact, err := q.resolve(ctx, asked.reference, asked.place)
	got := answer{digest: artifact.Digest}
	p, ours := problem(err)
	switch {
	case ours:
		got = answer{problem: p}
	case err != nil:
		if ctx.Err() == nil {
			q.log.Warn("asking a registry", "model", s.model, "reference", asked.reference.String(), "error", err)
		}
		got = answer{problem: &Problem{Reason: suokev1.ReasonRegistryUnreachable, Err: err}}
	}
	for _, model := range q.end(s, asked, got, err == nil || ours) {
		q.wake(ctx, model)
	}
	select {
	case q.ended <- struct{}{}:
	default: // it is said already
	}
}

// end gives the place of a question back and keeps the answer to it. What is no answer of the registry, such as that the API
// server did not give the Secret, says nothing of the registry. It returns the models that have another answer than before.
func (q *inquiries) end(s topic, asked inquiry, got answer, answered bool) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.at(asked.reference.Host)
	h.asking--
	q.asking--
	var told []string
	// What was asked meanwhile is another question.
	if known := q.all[s]; known != nil && known.same(&asked) && q.settle(known, got) {
		told = append(told, s.model)
	}
	switch p := got.problem; {
	case !answered || p != nil && p.Reason == suokev1.ReasonSecretNotFound:
	case p == nil || p.Reason != suokev1.ReasonRegistryUnreachable || p.Denied:
		h.failed, h.until = false, time.Time{}
	default:
		h.failed, h.until = true, q.clock().Add(hostRests)
		for other, known := range q.all {
			if known.reference.Host == asked.reference.Host && known.rests() {
				told = append(told, other.model)
			}
		}
	}
	return told
}

// settle keeps an answer, says when it is asked again, and whether it is another one than before. The caller holds the lock.
func (q *inquiries) settle(known *inquiry, got answer) bool {
	after := known.again
	if got.problem != nil {
		after = known.retry
	}
	if after > 0 {
		known.due = q.clock().Add(after)
	}
	if got.same(known.answer) || got.problem != nil && known.digestOnly {
		return false
	}
	known.answer = got
	return true
}

// rests answers what was not answered yet with that its registry rests, and says whether it did. What the registry said to
// another stays with that one: it may name what is not everybody's.
func (i *inquiry) rests() bool {
	if i.answer != (answer{}) || i.digestOnly {
		return false
	}
	i.answer.problem = &Problem{Reason: suokev1.ReasonRegistryUnreachable, Err: fmt.Errorf("%s rests after a failure; it is asked again soon", i.reference.Host)}
	return true
}

// same says whether two answers say the same to people.
func (a answer) same(b answer) bool {
	if a.problem == nil || b.problem == nil {
		return a == b
	}
	return a.problem.Reason == b.problem.Reason && a.problem.Denied == b.problem.Denied && lasting(a.problem.Error()) == lasting(b.problem.Error())
}

// lasting is a sentence without our ends of connections, which have another port each time: "read tcp 10.0.0.1:35028->10.0.0.2:5000".
func lasting(sentence string) string {
	words := strings.Fields(sentence)
	for i, word := range words {
		if _, theirs, found := strings.Cut(word, "->"); found {
			words[i] = theirs
		}
	}
	return strings.Join(words, " ")
}
