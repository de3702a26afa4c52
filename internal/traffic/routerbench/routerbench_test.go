package routerbench

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheListOfCores(t *testing.T) {
	for list, want := range map[string][]int{"0": {0}, "0,1": {0, 1}, "0-3,8": {0, 1, 2, 3, 8}} {
		if got, err := parseCores(list); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: got %v, %v, want %v", list, got, err, want)
		}
	}
	for _, list := range []string{"", "a", "0-", "0-b"} {
		if got, err := parseCores(list); err == nil {
			t.Errorf("%q: got %v and no error", list, got)
		}
	}
}

func TestAScenarioThatIsUnknown(t *testing.T) {
	if _, err := Run(t.Context(), Options{Only: []string{"huge"}}); err == nil || !strings.Contains(err.Error(), "write one of small, large, stream") {
		t.Errorf("got %v", err)
	}
}

func TestFiguresAreMediansAgainstTheSameRound(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	direct := []sample{{perSecond: 10, p50: ms(1), p99: ms(2)}, {perSecond: 30, p50: ms(5), p99: ms(9)}, {perSecond: 20, p50: ms(1), p99: ms(2)}}
	ours := []sample{
		{perSecond: 1, cpuMicros: 3, proxyBusy: .95, p50: ms(2), p99: ms(5)},
		{perSecond: 3, cpuMicros: 1, proxyBusy: .99, p50: ms(7), p99: ms(10)},
		{perSecond: 2, cpuMicros: 2, proxyBusy: .5, p50: ms(4), p99: ms(4)},
	}
	want := Figure{Proxy: Suoke, PerSecond: 2, CPUMicros: 2, AddedP50: 2, AddedP99: 2, P50: 4, P99: 5, Limit: "its core"}
	if diff := cmp.Diff(want, figure(Suoke, ours, direct)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestTheClientReadsWhatTheBackendGives asks the backend without a proxy: every kind of request, both ways of measuring.
func TestTheClientReadsWhatTheBackendGives(t *testing.T) {
	b, err := startBackend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	const short = 50 * time.Millisecond
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			n, err := k.saturate(t.Context(), b.address, short)
			if err != nil || n == 0 || k.streams && n%eventsPerStream != 0 {
				t.Errorf("%d %s, %v", n, k.unit, err)
			}
			times, err := k.paced(t.Context(), b.address, short)
			if err != nil || len(times) == 0 {
				t.Errorf("%d times, %v", len(times), err)
			}
			if most := int(short.Seconds()*openRate) + 1; !k.streams && len(times) != most {
				t.Errorf("%d times, want the %d that were due", len(times), most)
			}
		})
	}
}

func TestAnInterruptEndsAMeasurement(t *testing.T) {
	b, err := startBackend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := kinds()[0].saturate(ctx, b.address, time.Hour); err == nil {
		t.Error("it went on")
	}
}

func TestTheTables(t *testing.T) {
	report := Report{CPU: "a CPU", ProxyCore: 1, LoadCore: 0, Missing: []string{"nginx is not there"}, Scenarios: []Scenario{{
		Name: "small", Says: "POST", Unit: "requests", Proxies: []Figure{
			{Proxy: Direct, PerSecond: 100, Limit: "the backend"},
			{Proxy: Suoke, PerSecond: 20, Ratio: .5, CPUMicros: 40, AddedP50: .1, AddedP99: .25, P50: .2, P99: 1, Limit: "its core"},
		},
	}}}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := `a CPU: each proxy alone on core 1, client and backend on core 0

small: POST, 32 connections; added at 2000 requests a second

          requests/s  to HAProxy  CPU each      p50      p99  added p50  added p99  limited by
  direct         100           -    0.0 µs  0.00 ms  0.00 ms    0.00 ms    0.00 ms  the backend
   suoke          20        0.50   40.0 µs  0.20 ms  1.00 ms    0.10 ms    0.25 ms  its core

nginx is not there
`
	lines := strings.Split(text.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
