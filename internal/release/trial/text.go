package trial

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteText prints the report as tables for people to read.
func (r Report) WriteText(to io.Writer) error {
	var text strings.Builder
	for _, section := range []func(*strings.Builder){r.falseRollbacks, r.detection, r.late, r.slow, r.passes} {
		section(&text)
	}
	_, err := io.WriteString(to, strings.TrimPrefix(text.String(), "\n"))
	return err
}

// table is rows of cells, the first of which is the heading.
type table [][]string

// write aligns the first column to the left and the others to the right.
func (t table) write(to *strings.Builder) {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range t {
		line := ""
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line = cell + space
			} else {
				line += "  " + space + cell
			}
		}
		to.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// row returns the row that begins with a title, which it adds if need be.
func (t *table) row(title string) *[]string {
	i := slices.IndexFunc(*t, func(row []string) bool { return row[0] == title })
	if i < 0 {
		i = len(*t)
		*t = append(*t, []string{title})
	}
	return &(*t)[i]
}

func (r Report) falseRollbacks(to *strings.Builder) {
	if len(r.FalseRollbacks) == 0 {
		return
	}
	fmt.Fprintf(to, "\nFalse rollbacks: %% of %d releases of 30 minutes whose candidate is as good as stable (upper 95 %% bound)\n\n", r.Releases)
	falseTable(r.FalseRollbacks).write(to)
	to.WriteString("\nTo read: α is 1 %; of such bounds, 95 of 100 are above the true share. 0.00 (0.03) is none of 10,000.\n")
}

func falseTable(rows []FalseRollback) table {
	t := table{{"world"}}
	for _, row := range rows {
		if !slices.Contains(t[0], row.Rule) {
			t[0] = append(t[0], row.Rule)
		}
		cells := t.row(row.Title)
		*cells = append(*cells, percentCell(row.Percent, row.UpperPercent))
	}
	return t
}

func percentCell(percent, upper float64) string { return fmt.Sprintf("%.2f (%.2f)", percent, upper) }

func (r Report) detection(to *strings.Builder) {
	if len(r.Detection) == 0 {
		return
	}
	fmt.Fprintf(to, "\nA candidate that fails from its first second on (%d releases each)\n", r.Detections)
	detections(to, r.Detection, "failed")
}

func (r Report) late(to *strings.Builder) {
	if len(r.Late) == 0 {
		return
	}
	fmt.Fprintf(to, "\nA candidate that fails from minute 10 on (%d releases each; seconds and requests since then)\n", r.Detections)
	detections(to, r.Late, "failed")
}

func (r Report) slow(to *strings.Builder) {
	if len(r.SlowFalse) == 0 {
		return
	}
	fmt.Fprintf(to, "\nSlow requests, judged beside failures: false rollbacks, %% of %d releases (upper 95 %% bound)\n\n", r.Releases)
	falseTable(r.SlowFalse).write(to)
	fmt.Fprintf(to, "\nA candidate whose answers take longer by a factor from its first second on (%d releases each)\n", r.Detections)
	detections(to, r.Slow, "slow")
	to.WriteString("\nTo read: answer times are lognormal (σ 0.5); a request is slow if it takes longer than 1.2 times what 95 % of stable's took.\n")
}

// detections prints three tables: seconds, what they cost, and how far the median is from the best there can be.
func detections(to *strings.Builder, rows []Detection, bad string) {
	seconds, cost, ratio := table{{""}}, table{{""}}, table{{""}}
	bound, atBound := []string{"information bound"}, []string{"at the information bound"}
	for _, row := range rows {
		heading := quality(row)
		if !slices.Contains(seconds[0], heading) {
			for _, t := range []table{seconds, cost, ratio} {
				t[0] = append(t[0], heading)
			}
			bound = append(bound, strconv.FormatFloat(row.BoundSeconds, 'g', 2, 64))
			atBound = append(atBound, strconv.FormatFloat(row.BoundBad, 'f', 0, 64))
		}
		title := row.Rule + ", " + row.Title
		add := func(t *table, cell string) {
			cells := t.row(title)
			*cells = append(*cells, cell)
		}
		add(&seconds, quantileCell(row.Seconds))
		add(&cost, quantileCell(row.Bad))
		add(&ratio, ratioCell(row))
	}
	to.WriteString("\nSeconds until it is returned, median/p99:\n\n")
	slices.Insert(seconds, 1, bound).write(to)
	fmt.Fprintf(to, "\nIts %s requests until then, median/p99:\n\n", bad)
	slices.Insert(cost, 1, atBound).write(to)
	to.WriteString("\nThe median, in times the information bound:\n\n")
	ratio.write(to)
	to.WriteString("\nTo read: the bound is ln(1/α)/(requests/s · KL), for whom stable's rate is known and failures are independent; rules end at whole seconds;\n" +
		"> is that it was not returned within 30 minutes, – that it had always been returned before.\n")
}

func quality(d Detection) string {
	if d.Slower > 0 {
		return "× " + strconv.FormatFloat(d.Slower, 'g', -1, 64)
	}
	return strconv.FormatFloat(100*d.Fails, 'g', -1, 64) + " %"
}

func quantileCell(q *Quantiles) string {
	if q == nil {
		return "–"
	}
	number := func(n int64) string {
		if n == 0 {
			return ">"
		}
		return strconv.FormatInt(n, 10)
	}
	return number(q.Median) + "/" + number(q.P99)
}

func ratioCell(d Detection) string {
	switch {
	case d.Seconds == nil:
		return "–"
	case d.Ratio == 0:
		return ">"
	}
	return strconv.FormatFloat(d.Ratio, 'f', 1, 64)
}

func (r Report) passes(to *strings.Builder) {
	if len(r.Passes) == 0 {
		return
	}
	fmt.Fprintf(to, "\nPass: the increase in failures is below %g percentage points; %d releases each, 20 candidate requests/s\n\n", 100*allowedIncrease, r.Releases)
	t := table{{"", "seconds to Pass, median/p99", "passed in 30 minutes, %", "false Pass, % (upper 95 % bound)"}}
	for _, p := range r.Passes {
		t = append(t, []string{
			p.Rule + ", " + p.Title, quantileCell(&p.Seconds), fmt.Sprintf("%.1f", 100*float64(p.Passed)/float64(p.Releases)), percentCell(p.Percent, p.UpperPercent),
		})
	}
	t.write(to)
	to.WriteString("\nTo read: a false Pass is one that is given at any time within 30 minutes to a candidate that fails more often by just the allowed increase.\n")
}
