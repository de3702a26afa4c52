package operator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
)

const (
	// inquiriesASecond are made at most, inquiriesAtOnce side by side: of 6,000 models each in five minutes, and of more less often.
	inquiriesASecond = 20
	inquiriesAtOnce  = 8
	// hostRests is how long a registry is left alone that did not answer to a Secret, whatever else is due there.
	hostRests = 15 * time.Second
	// inquiriesEvery is how often it is looked whether one is due.
	inquiriesEvery = time.Second
)

// inquiries ask registries what becomes of versions that are served already, apart from what is decided about their models.
// They promise that no decision waits for a registry, and that registries, and the API server for the Secrets, are asked no
// more than the constants above say, however many models there are.
type inquiries struct {
	resolve func(ctx context.Context, reference ref.Reference, place credentials.Place) (Artifact, error)
	log     *slog.Logger
	clock   func() time.Time
	limit   *rate.Limiter
	// wake has a model looked at that an answer came for.
	wake func(model string)

	mu  sync.Mutex
	all map[topic]*inquiry
	// resting are registries that did not answer.
	resting map[asker]respite
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
	// due is when it is asked next, the zero value: not.
	due    time.Time
	answer answer
}

// answer is a digest, or why there is none; neither, before the first.
type answer struct {
	digest  string
	problem *Problem
}

// asker is a registry as it is asked with one Secret.
type asker struct{ host, secret string }

// respite is until when it is left alone, and why.
type respite struct {
	until time.Time
	why   *Problem
}

func newInquiries(o *Operator, wake func(model string)) *inquiries {
	return &inquiries{
		log: o.Log, clock: o.Now, limit: rate.NewLimiter(inquiriesASecond, inquiriesAtOnce), wake: wake,
		resolve: func(ctx context.Context, reference ref.Reference, place credentials.Place) (Artifact, error) {
			return o.resolve(ctx, reference, o.Namespace, place)
		},
		all: map[topic]*inquiry{}, resting: map[asker]respite{},
	}
}

// follow has a question asked, for the first time after a while, and returns the last answer to it.
func (q *inquiries) follow(s topic, asked inquiry, after time.Duration) answer {
	q.mu.Lock()
	defer q.mu.Unlock()
	known := q.all[s]
	if known == nil || known.reference != asked.reference || known.place != asked.place {
		known = &asked
		known.due = q.clock().Add(after)
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
	var group errgroup.Group
	group.SetLimit(inquiriesAtOnce)
	defer func() { _ = group.Wait() }() // what could not be asked is no error
	tick := time.NewTicker(inquiriesEvery)
	defer tick.Stop()
	for {
		for s, asked := range q.due() {
			if q.limit.Wait(ctx) != nil {
				return nil // ctx ended
			}
			group.Go(func() error {
				q.ask(ctx, s, asked)
				return nil
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// NeedLeaderElection says that only the leader asks.
func (*inquiries) NeedLeaderElection() bool { return true }

// due takes the questions whose time has come. Those of a registry that rests are answered with why it does.
func (q *inquiries) due() map[topic]inquiry {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, all := q.clock(), map[topic]inquiry{}
	for at, r := range q.resting {
		if !now.Before(r.until) {
			delete(q.resting, at)
		}
	}
	for s, known := range q.all {
		if known.due.IsZero() || now.Before(known.due) {
			continue
		}
		known.due = time.Time{}
		if r, rests := q.resting[known.asker()]; rests {
			q.settle(s, known, answer{problem: r.why})
			continue
		}
		all[s] = *known
	}
	return all
}

func (i *inquiry) asker() asker { return asker{i.reference.Host, i.place.Secret} }

// ask asks one question.
func (q *inquiries) ask(ctx context.Context, s topic, asked inquiry) {
	artifact, err := q.resolve(ctx, asked.reference, asked.place)
	got := answer{digest: artifact.Digest}
	if err != nil {
		p, ours := problem(err)
		if !ours {
			q.log.Warn("asking a registry", "model", s.model, "reference", asked.reference.String(), "error", err)
			p = &Problem{Reason: suokev1.ReasonRegistryUnreachable, Err: err}
		}
		got = answer{problem: p}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if got.problem != nil && got.problem.Reason == suokev1.ReasonRegistryUnreachable {
		q.resting[asked.asker()] = respite{q.clock().Add(hostRests), got.problem}
	}
	// What was asked meanwhile is another question.
	if known := q.all[s]; known != nil && known.reference == asked.reference && known.place == asked.place {
		q.settle(s, known, got)
	}
}

// settle keeps an answer, says when it is asked again, and wakes the model if it is another one than before. The caller holds
// the lock.
func (q *inquiries) settle(s topic, known *inquiry, got answer) {
	after := known.again
	if got.problem != nil {
		after = known.retry
	}
	if after > 0 {
		known.due = q.clock().Add(after)
	}
	if !got.same(known.answer) {
		known.answer = got
		q.wake(s.model)
	}
}

// same says whether two answers say the same to people.
func (a answer) same(b answer) bool {
	if a.problem == nil || b.problem == nil {
		return a == b
	}
	return a.problem.Reason == b.problem.Reason && a.problem.Error() == b.problem.Error()
}
