package operator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/analysis"
	recordfile "github.com/suoke-life/suoke/internal/release/record"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// Recorder publishes the record of a release.
type Recorder interface {
	// Record keeps what write writes under a name such as records/digits:v2-1.
	Record(ctx context.Context, name string, write func(io.Writer) error) error
}

const (
	// recordsPrefix is where records stand in the registry.
	recordsPrefix = "records/"
	// longestTag in a registry.
	longestTag = 128
	// blockSeconds of a recording are dropped together, and mostBlocks are kept: 8 hours.
	blockSeconds = 600
	mostBlocks   = 48
	// waitingRecords may wait to be published, publishedAtOnce are, and publishWithin is how long one attempt may take.
	waitingRecords  = 256
	publishedAtOnce = 4
	publishWithin   = time.Minute
	// publishedAtEnd is how long the last attempts of an operator that ends may take together.
	publishedAtEnd = 5 * time.Second
)

// retryRecord are the waits before a record is tried to be published again.
func retryRecord() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute}
}

// recordings are the releases that are judged now, and those that ended and are not published yet. None of it holds a
// release up: what cannot be published is told and lost.
type recordings struct {
	recorder Recorder
	events   events.EventRecorder
	log      *slog.Logger

	spool *spool

	mu       sync.Mutex
	releases map[string]*recording
	ended    chan *recording
}

// recording is what one release was judged on, in a few bytes a second.
type recording struct {
	spool     *spool
	model     *suokev1.AIModel
	id        rollout.ID
	version   string
	header    recordfile.Header
	pods      []analysis.PodSecond // without counts, as they came
	known     map[analysis.PodSecond]uint64
	blocks    []block
	historied bool
}

// block is some minutes of a recording.
type block struct {
	// first and last second of it, and its seconds as pack writes them: in the spool once there are later ones, as a thousand
	// long releases would fill the memory.
	first, last int64
	text        []byte
	spooled     analysis.Kept
}

func newRecordings(o *Operator) *recordings {
	return &recordings{
		recorder: o.Recorder, events: o.Events, log: o.Log, spool: o.disk(), releases: map[string]*recording{}, ended: make(chan *recording, waitingRecords),
	}
}

// of is the recording of a model's release. One that is not there begins with what was judged before.
func (r *recordings) of(model *suokev1.AIModel, j *judge, s subject) *recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	if there := r.releases[model.Name]; there != nil && there.is(s) {
		return there
	}
	begun := &recording{spool: r.spool, model: model.DeepCopy(), id: s.id, version: s.version, header: recordfile.Header{
		Model: model.Name, Stable: j.StableVersion, Candidate: j.Version, Attempt: j.Attempt, StableDigest: j.StableDigest, CandidateDigest: j.CandidateDigest,
	}}
	if j.StableVersion == j.Version { // another Pod template of the same version
		begun.header.Stable, begun.header.Candidate = string(s.stable), string(s.id)
	}
	begun.restart(j.Statistic)
	r.releases[model.Name] = begun
	return begun
}

func (r *recording) is(s subject) bool { return r.id == s.id && r.header.Attempt == s.attempt }

// restart drops the seconds and begins with a statistic.
func (r *recording) restart(from analysis.Statistic) {
	r.header.Start, r.historied = from, from.Failures.Before != nil
	r.pods, r.known, r.blocks = nil, map[analysis.PodSecond]uint64{}, nil
}

// add takes in a second, which is later than the last. What is older than the longest record goes into its start.
func (r *recording) add(second analysis.Second, historical bool) {
	if n := len(r.blocks); n == 0 || second.Unix >= r.blocks[n-1].first+blockSeconds {
		r.putAway()
		r.blocks = append(r.blocks, block{first: second.Unix, last: second.Unix})
	}
	b := &r.blocks[len(r.blocks)-1]
	b.text = r.pack(b.text, second, second.Unix-b.last, historical && !r.historied)
	b.last, r.historied = second.Unix, r.historied || historical
	if len(r.blocks) > mostBlocks {
		_ = r.unpack(r.blocks[0], func(e recordfile.Entry) error { // what was packed here is whole
			r.header.Start = e.AddTo(r.header.Start)
			return nil
		})
		r.blocks = r.blocks[1:]
	}
}

// putAway spools the last block.
func (r *recording) putAway() {
	if len(r.blocks) == 0 {
		return
	}
	last := &r.blocks[len(r.blocks)-1]
	if last.spooled = r.spool.Keep(last.text); last.spooled != nil {
		last.text = nil
	}
}

// pack writes a second: how long after the last it is, whether stable has lost its traffic, and of each Pod its number,
// which counts are not 0, and those.
func (r *recording) pack(text []byte, second analysis.Second, after int64, historical bool) []byte {
	text = binary.AppendUvarint(text, uint64(after)) //nolint:gosec // seconds come in rising order
	pods := uint64(len(second.Pods)) << 1
	if historical {
		pods |= 1
	}
	text = binary.AppendUvarint(text, pods)
	for _, pod := range second.Pods {
		name := analysis.PodSecond{Pod: pod.Pod, Candidate: pod.Candidate}
		number, known := r.known[name]
		if !known {
			number = uint64(len(r.pods))
			r.pods, r.known[name] = append(r.pods, name), number
		}
		mask, counts := uint64(0), []byte(nil)
		for i, n := range [...]int64{pod.Requests, pod.Failures, pod.Slow, pod.Mirrored, pod.Disagreed} {
			if n > 0 {
				mask |= 1 << i
				counts = binary.AppendUvarint(counts, uint64(n))
			}
		}
		text = binary.AppendUvarint(text, number<<5|mask)
		text = append(text, counts...)
	}
	return text
}

var errPacked = errors.New("a recording that cannot be read")

// textOf is what a block's seconds were packed to.
func (r *recording) textOf(b block) ([]byte, error) {
	if b.spooled == nil {
		return b.text, nil
	}
	return b.spooled.Read()
}

// unpack reads the seconds of a block.
func (r *recording) unpack(b block, each func(recordfile.Entry) error) error {
	text, err := r.textOf(b)
	if err != nil {
		return err
	}
	whole := true
	next := func() uint64 {
		n, size := binary.Uvarint(text)
		if size <= 0 {
			whole, text = false, nil
			return 0
		}
		text = text[size:]
		return n
	}
	for unix := b.first; len(text) > 0; {
		unix += int64(next()) //nolint:gosec // as pack wrote it
		pods := next()
		entry := recordfile.Entry{Historical: pods&1 == 1, Second: analysis.Second{Unix: unix}}
		for range pods >> 1 {
			number := next()
			if number>>5 >= uint64(len(r.pods)) {
				return errPacked
			}
			var counts [5]int64
			for i := range counts {
				if number>>i&1 == 1 {
					counts[i] = int64(next()) //nolint:gosec // as pack wrote it
				}
			}
			pod := r.pods[number>>5]
			pod.Counts = recordfile.OfShown(counts[:])
			entry.Pods = append(entry.Pods, pod)
		}
		if !whole {
			return errPacked
		}
		if err := each(entry); err != nil {
			return err
		}
	}
	return nil
}

// write writes the record.
func (r *recording) write(to io.Writer) error {
	w, err := recordfile.NewWriter(to, r.header)
	if err != nil {
		return fmt.Errorf("writing the record of %s %s: %w", r.model.Name, r.version, err)
	}
	for _, b := range r.blocks {
		if err := r.unpack(b, w.Write); err != nil {
			return fmt.Errorf("writing the record of %s %s: %w", r.model.Name, r.version, err)
		}
	}
	return nil
}

// name of the record in the registry.
func (r *recording) name() string {
	tag := fmt.Sprintf("%s-%d", r.version, r.header.Attempt)
	if len(tag) > longestTag {
		tag = ref.LabelValue(tag)
	}
	return recordsPrefix + r.model.Name + ":" + tag
}

// settle ends the recording of a model's release if that is over, and has it published.
func (r *recordings) settle(model string, state rollout.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := r.releases[model]
	if there == nil {
		return
	}
	if s, judging := subjectOf(state); judging && there.is(s) {
		return
	}
	delete(r.releases, model)
	if r.recorder == nil || len(there.blocks) == 0 {
		return
	}
	select {
	case r.ended <- there:
	default:
		r.lost(there, errors.New("too many records wait to be published"))
	}
}

func (r *recordings) forget(model string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.releases, model)
}

// Start publishes records until ctx ends; those that wait then are tried once more.
func (r *recordings) Start(ctx context.Context) error {
	slots := make(chan struct{}, publishedAtOnce)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publish := func(ctx context.Context, ended *recording) {
		slots <- struct{}{}
		publishing.Go(func() {
			r.publish(ctx, ended)
			<-slots
		})
	}
	for {
		select {
		case ended := <-r.ended:
			publish(ctx, ended)
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case ended := <-r.ended:
				publish(ctx, ended)
				continue
			default:
				return nil
			}
		}
	}
}

// NeedLeaderElection says that only the leader, who judges, publishes.
func (*recordings) NeedLeaderElection() bool { return true }

// publish tries to publish a record until it is, or there are no attempts left. When ctx ends there is one more.
func (r *recordings) publish(ctx context.Context, ended *recording) {
	var err error
	for _, wait := range append(retryRecord(), 0) {
		attempt, cancel := context.WithTimeout(ctx, publishWithin)
		err = r.recorder.Record(attempt, ended.name(), ended.write)
		cancel()
		if err == nil {
			r.log.Info("record published", "model", ended.model.Name, "record", ended.name())
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishedAtEnd)
			err = r.recorder.Record(last, ended.name(), ended.write)
			cancel()
			if err != nil {
				r.lost(ended, err)
			}
			return
		}
	}
	r.lost(ended, err)
}

// lost tells that there is no record of a release.
func (r *recordings) lost(ended *recording, err error) {
	r.log.Warn("the record of a release is lost", "model", ended.model.Name, "record", ended.name(), "error", err)
	r.events.Eventf(ended.model, nil, corev1.EventTypeWarning, suokev1.ReasonRecordLost, "Record",
		"the record %s of the release is not in the registry: %s", ended.name(), shorten(err.Error(), 800))
}
