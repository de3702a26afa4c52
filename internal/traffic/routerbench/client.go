package routerbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sizes of bodies, in bytes.
const (
	smallBody   = 300
	smallAnswer = 130
	largeBody   = 64 << 10
)

// paced is the query that asks for a stream at the open rate.
const paced = "paced"

// answerWithin is the longest wait for one answer.
const answerWithin = 10 * time.Second

// kind is one kind of request.
type kind struct {
	name, says, unit string
	// body bytes of a request; of a stream, which has events in its answer.
	body    int
	streams bool
}

// kinds are all there are.
func kinds() []kind {
	return []kind{
		{"small", fmt.Sprintf("POST of %d B, answer of %d B", smallBody, smallAnswer), "requests", smallBody, false},
		{"large", fmt.Sprintf("POST of %d KiB, answer of %d KiB", largeBody>>10, largeBody>>10), "requests", largeBody, false},
		{"stream", fmt.Sprintf("POST of %d B, answer of %d events", smallBody, eventsPerStream), "events", smallBody, true},
	}
}

// Names of the scenarios.
func Names() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

func chosen(only []string) ([]kind, error) {
	if len(only) == 0 {
		return kinds(), nil
	}
	byName := map[string]kind{}
	for _, k := range kinds() {
		byName[k.name] = k
	}
	var some []kind
	for _, name := range only {
		k, known := byName[name]
		if !known {
			return nil, fmt.Errorf("there is no scenario %q; write one of %s", name, strings.Join(Names(), ", "))
		}
		some = append(some, k)
	}
	return some, nil
}

// request is the whole request as it is sent.
func (k kind) request(query string) []byte {
	path := inferPath
	if k.streams {
		path = streamPath
	}
	if query != "" {
		path += "?" + query
	}
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, k.body)
	return append(head, document(k.body)...)
}

// client keeps one connection.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, address string) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReaderSize(conn, 80<<10)}, nil
}

// ask sends a request and reads the answer to its end; each event of a stream is told. It returns how much was counted.
func (c *client) ask(k kind, request []byte, told func(sent time.Time)) (int, error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	if k.streams {
		return c.events(told)
	}
	code, length, err := readHead(c.in)
	if err != nil {
		return 0, err
	}
	want := smallAnswer
	if k.body >= largeBody {
		want = largeBody
	}
	if code != "200" || length != want {
		return 0, fmt.Errorf("answered %s with %d bytes, not 200 with %d", code, length, want)
	}
	_, err = c.in.Discard(length)
	return 1, err
}

func (c *client) events(told func(sent time.Time)) (int, error) {
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		text, is := strings.CutPrefix(lines.Text(), `data: {"sent":`)
		if !is {
			continue
		}
		n++
		if told == nil {
			continue
		}
		number, _, _ := strings.Cut(text, ",")
		sent, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return n, fmt.Errorf("reading an event: %w", err)
		}
		told(time.Unix(0, sent))
	}
	if n != eventsPerStream || res.StatusCode != http.StatusOK {
		return n, fmt.Errorf("answered %d with %d events, not 200 with %d", res.StatusCode, n, eventsPerStream)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return n, err
}

// saturate keeps every connection busy, and returns how much was passed on.
func (k kind) saturate(ctx context.Context, address string, duration time.Duration) (int, error) {
	counts := make([]int, connections)
	err := each(ctx, address, duration, func(ctx context.Context, i int, c *client) error {
		request := k.request("")
		for ctx.Err() == nil {
			n, err := c.ask(k, request, nil)
			if err != nil {
				return err
			}
			counts[i] += n
		}
		return nil
	})
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum, err
}

// paced returns the times of requests, or of a stream's events, at the open rate.
func (k kind) paced(ctx context.Context, address string, duration time.Duration) ([]time.Duration, error) {
	times := make([][]time.Duration, connections)
	due := arrivals(ctx, duration, k.streams)
	err := each(ctx, address, duration, func(ctx context.Context, i int, c *client) error {
		var err error
		if k.streams {
			times[i], err = k.listen(ctx, c)
		} else {
			times[i], err = k.answer(c, due)
		}
		return err
	})
	var all []time.Duration
	for _, some := range times {
		all = append(all, some...)
	}
	return all, err
}

// listen asks for streams one after another, and times the way of each event.
func (k kind) listen(ctx context.Context, c *client) ([]time.Duration, error) {
	var times []time.Duration
	request := k.request(paced)
	for ctx.Err() == nil {
		if _, err := c.ask(k, request, func(sent time.Time) { times = append(times, time.Since(sent)) }); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// answer sends what is due, and times it from when it was due.
func (k kind) answer(c *client, due <-chan time.Time) ([]time.Duration, error) {
	var times []time.Duration
	request := k.request("")
	for at := range due {
		if _, err := c.ask(k, request, nil); err != nil {
			return nil, err
		}
		times = append(times, time.Since(at))
	}
	return times, nil
}

// arrivals are due at the open rate, whether or not earlier ones were answered. The clock wakes once a millisecond or so;
// what is due then is due from then on, so that its grain is no part of the time.
func arrivals(ctx context.Context, duration time.Duration, none bool) <-chan time.Time {
	most := int(duration.Seconds()*openRate) + 1
	due := make(chan time.Time, most)
	if none {
		close(due)
		return due
	}
	go func() {
		defer close(due)
		start := time.Now()
		for n := 0; n < most && ctx.Err() == nil; n++ {
			if wait := time.Duration(n)*time.Second/openRate - time.Since(start); wait > 0 {
				time.Sleep(wait)
			}
			due <- time.Now()
		}
	}()
	return due
}

// each runs work on every connection at once, with a context that ends after the duration.
func each(ctx context.Context, address string, duration time.Duration, work func(ctx context.Context, i int, c *client) error) error {
	var clients []*client
	var closing sync.Once
	closeAll := func() {
		for _, c := range clients {
			_ = c.conn.Close() // all that was asked was answered, or the run is over
		}
	}
	defer closing.Do(closeAll)
	for range connections {
		c, err := dial(ctx, address)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		clients = append(clients, c)
		if err := c.conn.SetDeadline(time.Now().Add(duration + answerWithin)); err != nil {
			return fmt.Errorf("bounding a connection: %w", err)
		}
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	var group errgroup.Group
	for i, c := range clients {
		group.Go(func() error { return work(ctx, i, c) })
	}
	// Whoever ends the command need not wait for answers.
	defer context.AfterFunc(whole, func() { closing.Do(closeAll) })()
	err := group.Wait()
	if whole.Err() != nil {
		return errors.Join(whole.Err(), context.Cause(whole))
	}
	return err
}
