package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSessionOfARequest(t *testing.T) {
	for sentence, c := range map[string]struct{ header, cookie, want string }{
		"none":                      {"", "", ""},
		"by header":                 {"a", "", "a"},
		"by cookie":                 {"", "theme=dark; suoke-session=b", "b"},
		"the header wins":           {"a", "suoke-session=b", "a"},
		"another cookie is no name": {"", "session=b", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			in := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
			if c.header != "" {
				in.Header.Set("X-Session-ID", c.header)
			}
			if c.cookie != "" {
				in.Header.Set("Cookie", c.cookie)
			}
			if got := Session(in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatStreams(t *testing.T) {
	for kind, want := range map[string]bool{
		"text/event-stream": true, "text/event-stream; charset=utf-8": true, "Text/Event-Stream": true,
		"application/json": false, "text/event-streams": false, "": false, "text/plain; x=text/event-stream": false,
	} {
		if got := Streams(http.Header{"Content-Type": {kind}}); got != want {
			t.Errorf("%q: %v, want %v", kind, got, want)
		}
	}
}

func TestADeadlineHoldsUntilTheFirstByteAndThenForEachPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, deadline := WithDeadline(t.Context(), time.Second)
		defer deadline.Stop()
		for range 10 {
			time.Sleep(900 * time.Millisecond)
			deadline.Extend()
		}
		time.Sleep(StreamIdle - time.Nanosecond)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Fatal("it ended before the pause was too long")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("after the longest pause: %v", context.Cause(ctx))
		}
		deadline.Extend()
		if ctx.Err() == nil {
			t.Error("a late part brought it back")
		}
	})
}

func TestAStreamEndsAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, deadline := WithDeadline(t.Context(), time.Second)
		defer deadline.Stop()
		for ctx.Err() == nil {
			deadline.Extend()
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		if took := time.Since(began); took != LongestStream {
			t.Errorf("it lasted %v, want %v", took, LongestStream)
		}
	})
}

func TestAPassedDeadlineAndAClientThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, deadline := WithDeadline(t.Context(), time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		deadline.Stop()
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("passed: %v", context.Cause(ctx))
		}
		parent, leave := context.WithCancel(t.Context())
		ctx, deadline = WithDeadline(parent, time.Second)
		defer deadline.Stop()
		leave()
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("left: %v", context.Cause(ctx))
		}
	})
}

func TestAStreamOutlastsTheTimeOfAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parts = 10
		pause := answerTimeout / 4
		r := start(t, func(s *Server) {
			s.Listeners[0].Handler = http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
				stream := NewStream(w)
				for range parts {
					if _, err := io.WriteString(stream, "data: x\n\n"); err != nil || in.Context().Err() != nil {
						t.Errorf("writing: %v, %v", err, in.Context().Err())
					}
					time.Sleep(pause)
				}
			})
		})
		c, err := r.public.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if code, text, _, err := c.get("/"); code != http.StatusOK || err != nil || strings.Count(text, "data: x") != parts {
			t.Errorf("got %d %q, %v", code, text, err)
		}
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}
