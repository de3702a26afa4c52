// Package promql reads PromQL as lightly as the tests of the dashboard need: it finds the metrics that a query asks for.
// It does not say whether a query is valid beyond its parentheses.
package promql

import (
	"fmt"
	"regexp"
	"strings"
)

// noise is what is not a metric: strings in braces, ranges, groupings, and functions with their parenthesis.
var noise = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|ignoring) ?\([^)]*\)|[a-z_]+ ?\(`)

var word = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`)

// Metrics lists the metrics that a query reads, in its order.
func Metrics(query string) ([]string, error) {
	if strings.Count(query, "(") != strings.Count(query, ")") {
		return nil, fmt.Errorf("%s: parentheses do not match", query)
	}
	var names []string
	for _, name := range word.FindAllString(noise.ReplaceAllString(query, " "), -1) {
		switch name {
		case "or", "and", "unless", "sum", "max", "min", "avg":
		default:
			names = append(names, name)
		}
	}
	return names, nil
}
