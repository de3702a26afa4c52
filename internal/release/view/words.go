package view

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// barLength is how many characters show a share.
	barLength = 20
	day       = 24 * time.Hour
)

// bar shows a share of 1.
func bar(share float64) string {
	full := int(math.Round(barLength * min(max(share, 0), 1)))
	return strings.Repeat("█", full) + strings.Repeat("·", barLength-full)
}

// span is a duration in its largest unit: 12s, 5m, 3h, 4d.
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d/day))
	}
}

// full is a duration as people write it: 1h30m rather than 1h30m0s.
func full(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// when says how far an instant is from now.
func when(at, now time.Time) string {
	if at.After(now) {
		return "in " + span(at.Sub(now))
	}
	return span(now.Sub(at)) + " ago"
}

// instants are the times in a message of the operator.
func instants() *regexp.Regexp {
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)`)
}

// instant is the first time in a message, the zero value if there is none.
func instant(message string) time.Time {
	at, err := time.Parse(time.RFC3339, instants().FindString(message))
	if err != nil {
		return time.Time{}
	}
	return at
}

// dated adds to each time in a message how far it is from now.
func dated(message string, now time.Time) string {
	return instants().ReplaceAllStringFunc(message, func(text string) string {
		return text + " (" + when(instant(text), now) + ")"
	})
}

// percent of a share of 1.
func percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }

// of is a share in numbers: 3 of 1200 (0.25 %).
func of(some, all int64) string {
	if all == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d (%s)", some, all, percent(float64(some)/float64(all)))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// sentence begins with a capital, where that is a letter of prose, and ends with a stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// columns pads the cells of rows to the widest of their column.
func columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return lines
}
