package route_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

func TestRoutesThatCannotBeServed(t *testing.T) {
	for sentence, c := range map[string]struct{ json, want string }{
		"no JSON":                       {`route`, "parsing route: "},
		"no model":                      {`{}`, "route names no model"},
		"a version without an ID":       {`{"model": "m", "versions": [{"port": 1}]}`, `version id "" is empty or stands twice`},
		"the same version twice":        {`{"model": "m", "versions": [{"id": "a", "port": 1}, {"id": "a", "port": 1}]}`, `version id "a" is empty or stands twice`},
		"a weight below 0":              {`{"model": "m", "versions": [{"id": "a", "port": 1, "weight": -1}]}`, "version a has weight -1"},
		"a weight above 100":            {`{"model": "m", "versions": [{"id": "a", "port": 1, "weight": 101}]}`, "version a has weight 101"},
		"no port":                       {`{"model": "m", "versions": [{"id": "a", "weight": 100}]}`, "version a has port 0"},
		"a port beyond the last":        {`{"model": "m", "versions": [{"id": "a", "port": 65536}]}`, "version a has port 65536"},
		"weights that are not a whole":  {`{"model": "m", "versions": [{"id": "a", "port": 1, "weight": 99}]}`, "weights sum to 99, not 0 or 100"},
		"weights that are more than it": {`{"model": "m", "versions": [{"id": "a", "port": 1, "weight": 60}, {"id": "b", "port": 1, "weight": 60}]}`, "weights sum to 120"},
		"a stable that is no version":   {`{"model": "m", "stable": "b", "versions": [{"id": "a", "port": 1}]}`, "b is not among its versions"},
		"a candidate that is none":      {`{"model": "m", "candidate": "c", "versions": [{"id": "a", "port": 1}]}`, "c is not among its versions"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if _, err := route.Parse([]byte(c.json)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// routes draws Routes that can be served.
func routes(t *rapid.T) route.Route {
	r := route.Route{Model: "m", Revision: rapid.Int64Min(0).Draw(t, "revision")}
	left := 100
	for i, id := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`), 0, 4, rapid.ID[string]).Draw(t, "ids") {
		weight := rapid.IntRange(0, left).Draw(t, "weight")
		left -= weight
		r.Versions = append(r.Versions, route.Version{
			ID: id, Version: "v" + id, Weight: weight, Digest: "sha256:" + id, Port: rapid.IntRange(1, 65535).Draw(t, "port"),
			MayReask: rapid.Bool().Draw(t, "reask"), ShadowPercentage: rapid.IntRange(0, 100).Draw(t, "shadow"),
		})
		switch i {
		case 0:
			r.Stable = id
		case 1:
			r.Candidate = id
		}
	}
	if n := len(r.Versions); n > 0 && left < 100 {
		r.Versions[n-1].Weight += left
	}
	return r
}

func TestARouteSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := routes(t)
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := route.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", text, diff)
		}
		for _, v := range want.Versions {
			if found, ok := got.Version(v.ID); !ok || found != v {
				t.Fatalf("%s is not found by its ID", v.ID)
			}
		}
		if _, ok := got.Version("nobody's"); ok {
			t.Fatal("a version that is not there is found")
		}
	})
}

func TestAReportSurvivesJSON(t *testing.T) {
	want := route.Report{Router: "router-0", Process: "p", Now: 1700000001, Models: map[string]route.ModelReport{"m": {
		AppliedRevision: 7, InFlight: map[string]int{"m-1": 2},
		Seconds: []route.Second{{Unix: 1700000000, ID: "m-1", Pod: "m-1-pod-0", Requests: 9, Failures: 2, Reasked: 2, RepeatRequests: 1, RepeatFailures: 1, Mirrored: 3, Disagreed: 1, LatencySum: 1234, Latencies: map[int]int64{7: 9}}},
	}}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got route.Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAnAnswerTimeIsInItsBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := time.Duration(rapid.Int64Range(0, int64(60*time.Second)).Draw(t, "took"))
		b := route.Bucket(took)
		if bound := route.BucketBound(b); took > bound+time.Nanosecond {
			t.Fatalf("%v is in bucket %d, which ends at %v", took, b, bound)
		}
		if b > 0 && took < route.BucketBound(b-1) {
			t.Fatalf("%v is in bucket %d, and the one before ends at %v", took, b, route.BucketBound(b-1))
		}
	})
}
