package promql_test

import (
	"strings"
	"testing"

	"github.com/suoke-life/suoke/test/promql"
)

func TestMetrics(t *testing.T) {
	for query, want := range map[string]string{
		`sum by (agent, le) (rate(a_total{code=~"5..|sum(x)"}[1m]))`: "a_total",
		`(a or 0 * b) / max by (c) (d)`:                              "a b d",
		`histogram_quantile(0.95, e_bucket)`:                         "e_bucket",
	} {
		names, err := promql.Metrics(query)
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", query, got, err, want)
		}
	}
	if _, err := promql.Metrics("sum(a"); err == nil {
		t.Error("an open parenthesis is no error")
	}
}
