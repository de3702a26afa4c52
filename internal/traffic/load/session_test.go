package load

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSessionsTakeTurnsAndTheirMovesAreCounted(t *testing.T) {
	asked := map[string]int{}
	c := config(func(c *Config) { c.Sessions = 5 })
	stats, _ := run(t, c, func(req *http.Request) (int, string) {
		name := req.Header.Get("X-Session-ID")
		asked[name]++
		version := "v1"
		if name == "session-2" && asked[name] == 2 {
			version = "v2"
		}
		return 200, fmt.Sprintf(`{"version": %q}`, version)
	})
	if diff := cmp.Diff(map[string]int{"session-0": 2, "session-1": 2, "session-2": 2, "session-3": 2, "session-4": 2}, asked); diff != "" {
		t.Errorf("requests by session, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"v1 -> v2": 1}, stats.Moves); diff != "" {
		t.Errorf("moves, -want +got:\n%s", diff)
	}
}

func TestOfTwoAnswersThatCrossTheLaterRequestTellsWhereASessionIs(t *testing.T) {
	s := newSessions(1)
	now := time.Now()
	s.answered(0, now.Add(time.Second), "v2")
	s.answered(0, now, "v1")
	s.answered(0, now.Add(2*time.Second), "v2")
	if moves := s.snapshot(); len(moves) > 0 {
		t.Errorf("a session that stayed moved: %v", moves)
	}
}

func TestStreams(t *testing.T) {
	const event = "data: {\"version\": \"v1\"}\n\n"
	for sentence, c := range map[string]struct {
		code int
		body string
		want Stats
	}{
		"a stream that comes whole is fine":          {200, event + event + "data: [DONE]\n\n", Stats{Sent: 10, OK: 10}},
		"one that breaks off after an event broke":   {200, event, Stats{Sent: 10, Broken: 10}},
		"an event that tells an error breaks it off": {200, event + "data: {\"error\": \"no\"}\n\ndata: [DONE]\n\n", Stats{Sent: 10, Broken: 10}},
		"one without an event failed": {200, "data: [DONE]\n\n", Stats{
			Sent: 10, Failed: 10, Reasons: map[string]int64{"200 with a stream that ended before its first event": 10},
		}},
		"an answer that is no stream and no success failed": {503, `{"error": "none is ready"}`, Stats{
			Sent: 10, Failed: 10, Reasons: map[string]int64{"503 none is ready": 10},
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, _ := run(t, config(func(c *Config) { c.Streams = true }), func(*http.Request) (int, string) { return c.code, c.body })
			if got.Sent != c.want.Sent || got.OK != c.want.OK || got.Failed != c.want.Failed || got.Broken != c.want.Broken {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			for reason, n := range c.want.Reasons {
				if got.Reasons[reason] != n {
					t.Errorf("reasons %v, want %v", got.Reasons, c.want.Reasons)
				}
			}
		})
	}
}
