package routerbench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// quiet is the load average up to which a machine is left to the measurement.
const quiet = 1.0

// WriteText prints the report as tables.
func (r Report) WriteText(to io.Writer) error {
	fmt.Fprintf(to, "%s: each proxy alone on core %d, client and backend on core %d\n", r.CPU, r.ProxyCore, r.LoadCore)
	if r.Load > quiet {
		fmt.Fprintf(to, "The machine was busy before (load average %.1f): of these figures only the CPU time means something.\n", r.Load)
	}
	for _, s := range r.Scenarios {
		fmt.Fprintf(to, "\n%s: %s, %d connections; added at %d %s a second\n\n", s.Name, s.Says, connections, openRate, s.Unit)
		w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "\t%s/s\tto HAProxy\tCPU each\tp50\tp99\tadded p50\tadded p99\t  limited by\n", s.Unit)
		for _, f := range s.Proxies {
			ratio := "-"
			if f.Ratio > 0 {
				ratio = fmt.Sprintf("%.2f", f.Ratio)
			}
			fmt.Fprintf(w, "%s\t%.0f\t%s\t%.1f µs\t%.2f ms\t%.2f ms\t%.2f ms\t%.2f ms\t  %s\n",
				f.Proxy, f.PerSecond, ratio, f.CPUMicros, f.P50, f.P99, f.AddedP50, f.AddedP99, f.Limit)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, says := range r.Missing {
		fmt.Fprintf(to, "\n%s\n", says)
	}
	return nil
}
