package main

import (
	"fmt"
	"strings"
	"time"

	"chatterbox/bench"
)

// print writes the report to stdout: tables, or one object.
func (c *benchCommand) print(console *console, report *bench.Report) {
	if c.earlier != nil && !sameSettings(c.earlier, report) {
		console.notef("note: the run in %s had other settings: %s; this one: %s", c.Compare.Value, settings(c.earlier), settings(report))
	}
	if c.JSON {
		printJSON(console.stdout, jsonBench{report, c.ratios(report)})
		return
	}
	fmt.Fprintf(console.stdout, "%s\n\n", settings(report))
	table(console.stdout, throughputRows(console.out, report))
	fmt.Fprintln(console.stdout)
	table(console.stdout, latencyRows(report))
	fmt.Fprintf(console.stdout, "\nresident memory of the largest member after each quarter: %s\n", memoryText(report.RSS))
	fmt.Fprintf(console.stdout, "copies of a batch received / needed: %.3f; bytes a write: %.0f\n", report.Copies, report.PerWrite)
	if report.CaughtUp > 0 {
		fmt.Fprintf(console.stdout, "after the return of the stopped member all had caught up in %s\n", microseconds(report.CaughtUp))
	}
	if c.earlier != nil {
		fmt.Fprintln(console.stdout)
		table(console.stdout, c.compareRows(report))
	}
}

// jsonBench is the JSON form of a report, with ratios to an earlier one.
type jsonBench struct {
	*bench.Report
	Compare map[string]float64 `json:"compare,omitempty"`
}

// settings says what was measured.
func settings(r *bench.Report) string {
	pace := "saturated"
	if r.Rate > 0 {
		pace = fmt.Sprintf("%g entries/s", r.Rate)
	}
	return fmt.Sprintf("%s, %d members, entries of %d bytes, %s, medians of %s of %s", r.Protocol, r.Members, r.Payload, pace,
		plural(roundCount(r), "round"), short(time.Duration(r.Duration*float64(time.Second))))
}

func roundCount(r *bench.Report) int {
	count := 0
	for i := range r.Rounds {
		count = max(count, r.Rounds[i].Number)
	}
	return count
}

func sameSettings(a, b *bench.Report) bool {
	return a.Members == b.Members && a.Payload == b.Payload && a.Rate == b.Rate && a.Protocol == b.Protocol
}

// throughputRows shows a row for each series that carries entries.
func throughputRows(style style, r *bench.Report) [][]string {
	rows := [][]string{{"series", " entries", " of limit", " of raw", " CPU s/million", " wire B/entry", " peak MiB"}}
	for _, mode := range []bench.Mode{bench.Raw, bench.Limit, bench.Trips, bench.Ordered} {
		rate := r.Median(mode, func(round bench.Round) float64 { return round.PerSecond })
		if rate == 0 {
			continue
		}
		name := string(mode)
		if mode == bench.Ordered {
			name = style.strong(name)
		}
		rows = append(rows, []string{
			name, perSecond(rate), ratio(rate, r.LimitPerSecond), ratio(rate, r.RawPerSecond),
			fmt.Sprintf("%.3g", r.Median(mode, func(round bench.Round) float64 { return round.CPU })),
			fmt.Sprintf("%.2f", r.Median(mode, func(round bench.Round) float64 { return round.PerEntry })),
			fmt.Sprintf("%.1f", r.Median(mode, func(round bench.Round) float64 { return round.RSSPeak })),
		})
	}
	return rows
}

func latencyRows(r *bench.Report) [][]string {
	row := func(name string, q bench.Quantile) []string {
		return []string{
			name, microseconds(q.P50), microseconds(q.P99), microseconds(q.Max),
			ratio(q.P50, r.RoundTrip.P50), ratio(q.P99, r.RoundTrip.P50),
		}
	}
	return [][]string{
		{"latency", " p50", " p99", " max", " p50/round trip", " p99/round trip"},
		row("raw round trip at the same pace", r.RoundTrip),
		row("broadcast to delivery at all", r.Latency),
	}
}

func microseconds(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond).String()
}

// ratio divides for a table; what was not measured has no ratio.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

func memoryText(m bench.Memory) string {
	var texts []string
	for _, mib := range []float64{m.First, m.Second, m.Third, m.Last} {
		texts = append(texts, fmt.Sprintf("%.1f", mib))
	}
	return strings.Join(texts, ", ") + " MiB"
}

// ratios gives each metric divided by that of the earlier run, nil without one.
func (c *benchCommand) ratios(report *bench.Report) map[string]float64 {
	if c.earlier == nil {
		return nil
	}
	ratios := map[string]float64{}
	earlier := c.earlier.Metrics()
	for i, metric := range report.Metrics() {
		if earlier[i].Value != 0 {
			ratios[metric.Name] = metric.Value / earlier[i].Value
		}
	}
	return ratios
}

func (c *benchCommand) compareRows(report *bench.Report) [][]string {
	rows := [][]string{{"metric", " earlier", " now", " now/earlier"}}
	earlier := c.earlier.Metrics()
	for i, metric := range report.Metrics() {
		was := earlier[i].Value
		rows = append(rows, []string{metric.Name, fmt.Sprintf("%.4g", was), fmt.Sprintf("%.4g", metric.Value), ratio(metric.Value, was)})
	}
	return rows
}
