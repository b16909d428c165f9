package comparison

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// column is a figure of a row: how it is called, and how it is written for
// people and for programs.
type column struct {
	head, key string
	means     string
	text      func(*Row) string
	value     func(*Row) any // nil where there is none
}

// columns returns all columns, in order.
func columns() []column {
	return []column{
		{"map", "map", "what fails: the name of a failure map", func(r *Row) string { return r.Map }, func(r *Row) any { return r.Map }},
		{"protocol", "protocol", "", func(r *Row) string { return r.Protocol }, func(r *Row) any { return r.Protocol }},
		{" runs", "runs", "each from another seed", func(r *Row) string { return strconv.Itoa(len(r.Runs)) }, func(r *Row) any { return len(r.Runs) }},
		{"promises", "promises_kept", "kept: no check found a broken one in any run, so that what members settled is everywhere the same, in the same order", promises, func(r *Row) any { return r.Agree() == len(r.Runs) }},
		{"complete", "complete_runs", "runs in which every member had everything in the end", func(r *Row) string { return fmt.Sprintf("%d of %d", r.Complete(), len(r.Runs)) }, func(r *Row) any { return r.Complete() }},
		{" written", "entries", "entries that all members wrote in a run, on average", func(r *Row) string { return whole(r.Entries()) }, func(r *Row) any { return round(r.Entries()) }},
		{" agreed", "agreed", "of these, the first so many that are settled at every member that ran in the end", func(r *Row) string { return whole(r.Agreed()) }, func(r *Row) any { return round(r.Agreed()) }},
		{" agree after", "after_s", "how long after the last change of the map every member that ran in the end had settled all that was written until then: median of the runs", after, afterValue},
		{" settled p50", "settle_p50_ms", "how soon after it was written an entry was settled at every member that ran in the end: half of those that were", latency(half), latencyValue(half)},
		{" p99", "settle_p99_ms", "the same, 99 of 100", latency(most), latencyValue(most)},
		{" max", "settle_max_ms", "the same, all", latency(all), latencyValue(all)},
		{" bytes/entry", "bytes_per_entry", "bytes of batches that all members together sent for an entry", func(r *Row) string { return short(r.BytesPerEntry()) }, func(r *Row) any { return round(r.BytesPerEntry()) }},
		{" messages/entry", "messages_per_entry", "messages that all members together sent for an entry, those that only say what they hold included", func(r *Row) string { return short(r.MessagesPerEntry()) }, func(r *Row) any { return round(r.MessagesPerEntry()) }},
	}
}

// The shares of entries of which it is said how soon they are settled.
const (
	half = 0.5
	most = 0.99
	all  = 1.0
)

// Heads returns the names of the columns.
func Heads() []string {
	var heads []string
	for _, c := range columns() {
		heads = append(heads, strings.TrimSpace(c.head))
	}
	return heads
}

func promises(r *Row) string {
	if broken := len(r.Runs) - r.Agree(); broken > 0 {
		return fmt.Sprintf("BROKEN in %d", broken)
	}
	return "kept"
}

func after(r *Row) string {
	switch median, _, known, never := r.After(); {
	case !known:
		return "–"
	case never:
		return "never"
	default:
		return milliseconds(median)
	}
}

func afterValue(r *Row) any {
	median, _, known, never := r.After()
	if !known || never {
		return nil
	}
	return round(median.Seconds())
}

func latency(share float64) func(*Row) string {
	return func(r *Row) string {
		if d := r.Latency(share); d >= 0 {
			return milliseconds(d)
		}
		return "–"
	}
}

func latencyValue(share float64) func(*Row) any {
	return func(r *Row) any {
		if d := r.Latency(share); d >= 0 {
			return round(float64(d) / float64(time.Millisecond))
		}
		return nil
	}
}

// milliseconds writes a time with three digits that count.
func milliseconds(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f ms", ms)
	}
}

func short(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

func whole(x float64) string { return fmt.Sprintf("%.0f", x) }

// round keeps three digits behind the point.
func round(x float64) float64 {
	const digits = 1000
	return float64(int64(x*digits+0.5)) / digits
}

// Cells returns the heads and the rows as text, for a table on a terminal.
// Heads of numbers begin with a space.
func (t *Table) Cells() [][]string {
	cells := [][]string{{}}
	for _, c := range columns() {
		cells[0] = append(cells[0], c.head)
	}
	for _, row := range t.Rows {
		var line []string
		for _, c := range columns() {
			line = append(line, c.text(row))
		}
		cells = append(cells, line)
	}
	return cells
}

// Markdown writes the table, what its columns mean, and how it was made.
func (t *Table) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s Made by `%s`.\n\n", t.Made, t.Command)
	rule := ""
	b.WriteByte('|')
	for _, c := range columns() {
		b.WriteString(" " + strings.TrimSpace(c.head) + " |")
		if strings.HasPrefix(c.head, " ") {
			rule += " ---: |"
		} else {
			rule += " --- |"
		}
	}
	b.WriteString("\n|" + rule + "\n")
	for _, line := range t.Cells()[1:] {
		for i := range line {
			line[i] = strings.ReplaceAll(line[i], "|", `\|`)
		}
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
	}
	b.WriteByte('\n')
	for _, c := range columns() {
		if c.means != "" {
			fmt.Fprintf(&b, "* **%s**: %s\n", strings.TrimSpace(c.head), c.means)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CSV writes the table with a line of keys. What is not known is empty; times
// are in the unit that the key ends with.
func (t *Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	var keys []string
	for _, c := range columns() {
		keys = append(keys, c.key)
	}
	lines := [][]string{keys}
	for _, row := range t.Rows {
		var line []string
		for _, c := range columns() {
			text := ""
			if value := c.value(row); value != nil {
				text = fmt.Sprint(value)
			}
			line = append(line, text)
		}
		lines = append(lines, line)
	}
	return out.WriteAll(lines)
}

// JSON writes the table as one object, with the same keys as [Table.CSV];
// what is not known is null.
func (t *Table) JSON(w io.Writer) error {
	type jsonTable struct {
		Made    string           `json:"made"`
		Command string           `json:"command"`
		Rows    []map[string]any `json:"rows"`
		Broken  []string         `json:"broken"`
	}
	object := jsonTable{Made: t.Made, Command: t.Command, Rows: []map[string]any{}, Broken: []string{}}
	for _, row := range t.Rows {
		values := map[string]any{}
		for _, c := range columns() {
			values[c.key] = c.value(row)
		}
		object.Rows = append(object.Rows, values)
		for i := range row.Runs {
			for _, broken := range row.Runs[i].Broken {
				object.Broken = append(object.Broken, fmt.Sprintf("%s under %s: %s", row.Protocol, row.Map, broken))
			}
		}
	}
	line, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
