package serving_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/serving"
)

const (
	streamPath = "/v2/models/adder/infer_stream"
	threeRows  = `{"id": "7", "inputs":[{"name":"input","shape":[3,2],"datatype":"FP32","data":[1,2,3,4,5,6]}]}`
)

// open asks for a stream, and returns its body once its header has come.
func open(ctx context.Context, tb testing.TB, url, body string) io.Reader {
	tb.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = response.Body.Close() })
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		tb.Fatalf("%d %s", response.StatusCode, kind)
	}
	return response.Body
}

// next reads an event's data.
func next(tb testing.TB, from *bufio.Reader) string {
	tb.Helper()
	line, err := from.ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	if blank, err := from.ReadString('\n'); err != nil || blank != "\n" {
		tb.Fatalf("after %q: %q, %v", line, blank, err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(line, "data: "), "\n")
}

func TestAStreamGivesEachRowAsSoonAsItIsComputed(t *testing.T) {
	compute := make(chan struct{}, 1)
	engine := sum{infer: func(_ context.Context, batch serving.Batch) ([]float32, error) {
		<-compute
		return []float32{batch.Values[0] + batch.Values[1]}, nil
	}}
	url := start(t, engine, serving.Options{})
	compute <- struct{}{}
	events := bufio.NewReader(open(t.Context(), t, url+streamPath, threeRows))
	for row, value := range []float64{3, 7, 11} {
		if row > 0 {
			compute <- struct{}{}
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(next(t, events)), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"model_name": "adder", "model_version": "v1.2.0", "id": "7",
			"outputs": []any{map[string]any{"name": "value", "datatype": "FP32", "shape": []any{1.0, 1.0}, "data": []any{value}}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", row, diff)
		}
	}
	if last := next(t, events); last != "[DONE]" {
		t.Errorf("the last event is %q", last)
	}
	if rest, err := io.ReadAll(events); err != nil || len(rest) != 0 {
		t.Errorf("after the last event: %q, %v", rest, err)
	}
}

func TestAStreamThatFails(t *testing.T) {
	failsAt := func(row float32) sum {
		return sum{infer: func(_ context.Context, batch serving.Batch) ([]float32, error) {
			if batch.Values[0] == row {
				return nil, errors.New("out of memory")
			}
			return []float32{1}, nil
		}}
	}
	t.Run("at its first row has an answer like any other", func(t *testing.T) {
		url := start(t, failsAt(1), serving.Options{})
		code, got, _ := ask(t, http.MethodPost, url+streamPath, threeRows)
		if message, _ := got["error"].(string); code != http.StatusInternalServerError || !strings.Contains(message, "out of memory") {
			t.Errorf("%d %v", code, got)
		}
	})
	t.Run("later breaks the connection", func(t *testing.T) {
		url := start(t, failsAt(3), serving.Options{})
		text, err := io.ReadAll(open(t.Context(), t, url+streamPath, threeRows))
		if err == nil || strings.Count(string(text), "data: ") != 1 || strings.Contains(string(text), "DONE") {
			t.Errorf("got %q, %v; want one event and a broken connection", text, err)
		}
		if n := value(t, url, "suoke_model_requests_total", "500"); n != 1 {
			t.Errorf("%v requests were counted as failed", n)
		}
	})
	t.Run("because it is wrong is refused", func(t *testing.T) {
		url := start(t, sum{}, serving.Options{})
		if code, got, _ := ask(t, http.MethodPost, url+streamPath, `{}`); code != http.StatusBadRequest {
			t.Errorf("%d %v", code, got)
		}
		if code, got, _ := ask(t, http.MethodGet, url+streamPath, ""); code != http.StatusMethodNotAllowed {
			t.Errorf("%d %v", code, got)
		}
	})
}

func TestAClientThatLeavesAStreamStopsIt(t *testing.T) {
	stopped := make(chan struct{})
	engine := sum{infer: func(ctx context.Context, batch serving.Batch) ([]float32, error) {
		if batch.Values[0] == 1 {
			return []float32{1}, nil
		}
		<-ctx.Done()
		close(stopped)
		return nil, ctx.Err()
	}}
	url := start(t, engine, serving.Options{})
	ctx, leave := context.WithCancel(t.Context())
	next(t, bufio.NewReader(open(ctx, t, url+streamPath, threeRows)))
	leave()
	<-stopped
}
