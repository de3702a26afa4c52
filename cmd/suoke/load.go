package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/suoke-life/suoke/bench"
	"github.com/suoke-life/suoke/internal/traffic/load"
)

// The traces that need no file.
const (
	traceConversation = "conversation"
	traceEven         = "even"
	// maxLoadFile bytes are read of a trace or a file of rows, unpacked.
	maxLoadFile = 256 << 20
)

type loadOptions struct {
	trace       string
	rows        string
	rate        float64
	duration    time.Duration
	timeout     time.Duration
	maxInFlight int64
	sessions    int
	streams     bool
	cluster     bool
	output      string
	url         string
}

func newLoadCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use:   "load URL --rows FILE.csv",
		Short: "Send requests to an agent at recorded times, and measure the answers",
		Long: `Load that is open loop: a request is sent when it is due, whether or not earlier ones were answered, and its answer
time counts from when it was due. Ends with 1 if a request failed.

  suoke load http://127.0.0.1:3000/api/agents/xiaoai/v1/infer --rows digits.csv --rate 100 --duration 1m

Rows are a data set: CSV with a header; a last column label or target is not sent.
Traces are CSV with a column TIMESTAMP; the built-in one is an hour of a conversation service.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.url = args[0]
			return runLoad(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&o.trace, "trace", traceConversation, "arrival times: conversation, even, or a CSV file (.gz too)")
	cmd.Flags().StringVar(&o.rows, "rows", "", "data set whose rows are sent (.gz too)")
	cmd.Flags().Float64Var(&o.rate, "rate", 10, "requests per second on average; the trace's time is compressed to it")
	cmd.Flags().DurationVar(&o.duration, "duration", time.Minute, "how long to send")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 35*time.Second, "longest wait for one answer")
	cmd.Flags().Int64Var(&o.maxInFlight, "max-in-flight", 1000, "requests under way at once; one that is due beyond it fails")
	cmd.Flags().IntVar(&o.sessions, "sessions", 0, "sessions that the requests belong to, in turn (X-Session-ID)")
	cmd.Flags().BoolVar(&o.streams, "streams", false, "ask for answers as Server-Sent Events")
	cmd.Flags().BoolVar(&o.cluster, "allow-cluster", false, "also allow a Service of the cluster as the target")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json: print the figures as JSON")
	return cmd
}

func runLoad(ctx context.Context, o loadOptions, out, progress io.Writer) error {
	if o.output != "" && o.output != "json" {
		return fmt.Errorf("--output: write json, or leave it out, not %q", o.output)
	}
	if o.rows == "" {
		return errors.New("--rows: write a CSV file whose rows are sent")
	}
	pattern, err := readPattern(o.trace)
	if err != nil {
		return err
	}
	bodies, err := readFile(o.rows, load.ReadBodies)
	if err != nil {
		return err
	}
	run, err := load.Start(ctx, load.Config{
		URL: o.url, Cluster: o.cluster, Bodies: bodies, Pattern: pattern, Rate: o.rate, Duration: o.duration,
		MaxInFlight: o.maxInFlight, Timeout: o.timeout, Sessions: o.sessions, Streams: o.streams,
	})
	if err != nil {
		return err
	}
	watchLoad(run, progress)
	stats := run.Stop()
	if o.output == "json" {
		err = json.NewEncoder(out).Encode(stats)
	} else {
		err = printLoad(out, stats)
	}
	if err == nil && stats.Failed > 0 {
		err = fmt.Errorf("%d of %d requests failed", stats.Failed, stats.Sent)
	}
	return err
}

func readPattern(trace string) (load.Pattern, error) {
	switch trace {
	case traceEven:
		return load.Pattern{}, nil
	case traceConversation:
		recorded, err := bench.Conversation()
		if err != nil {
			return load.Pattern{}, err
		}
		return load.ReadTrace(recorded)
	default:
		return readFile(trace, load.ReadTrace)
	}
}

// readFile reads a file, packed by gzip or not.
func readFile[T any](name string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	f, err := os.Open(name) //nolint:gosec // the file is the caller's own choice
	if err != nil {
		return none, fmt.Errorf("reading load: %w", err)
	}
	defer f.Close()
	packed := bufio.NewReader(f)
	var plain io.Reader = packed
	if magic, err := packed.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if plain, err = gzip.NewReader(packed); err != nil {
			return none, fmt.Errorf("unpacking %s: %w", name, err)
		}
	}
	value, err := read(io.LimitReader(plain, maxLoadFile))
	if err != nil {
		return none, fmt.Errorf("%s: %w", name, err)
	}
	return value, nil
}

// watchLoad prints a line every few seconds until the load ends.
func watchLoad(run *load.Run, progress io.Writer) {
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-run.Done():
			return
		case <-ticker.C:
			s := run.Stats()
			fmt.Fprintf(progress, "sent %d, ok %d, failed %d, p50 %v, p99 %v\n", s.Sent, s.OK, s.Failed, rounded(s.P50), rounded(s.P99))
		}
	}
}

func printLoad(out io.Writer, s load.Stats) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "sent      %d\nok        %d\nfailed    %d\n", s.Sent, s.OK, s.Failed)
	for _, reason := range slices.SortedFunc(maps.Keys(s.Reasons), func(a, b string) int { return cmp.Compare(s.Reasons[b], s.Reasons[a]) }) {
		fmt.Fprintf(w, "          %d × %s\n", s.Reasons[reason], reason)
	}
	if s.Broken > 0 {
		fmt.Fprintf(w, "broken    %d streams, after their first event\n", s.Broken)
	}
	fmt.Fprintf(w, "latency   p50 %v, p95 %v, p99 %v, max %v (from when each was due)\n", rounded(s.P50), rounded(s.P95), rounded(s.P99), rounded(s.Max))
	for _, version := range slices.Sorted(maps.Keys(s.Versions)) {
		fmt.Fprintf(w, "version   %s: %d\n", version, s.Versions[version].Count)
	}
	for _, move := range slices.Sorted(maps.Keys(s.Moves)) {
		fmt.Fprintf(w, "session   %s: %d\n", move, s.Moves[move])
	}
	return w.Flush()
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
