package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"chatterbox/internal/job/bench"

	"chatterbox/internal/cli"
	"chatterbox/internal/core/text"
	"chatterbox/internal/term"
)

// benchCommand measures a cluster beside what the machine can carry at all.
type benchCommand struct {
	Nodes    cli.Whole        `default:"3" min:"2" max:"64" help:"How many members, a process each."`
	Payload  cli.Whole        `default:"8" min:"8" max:"65536" placeholder:"BYTES" help:"Bytes of an entry; 8 if not given."`
	Duration cli.Seconds      `default:"3" min:"100ms" max:"1h" help:"Of each measurement. A bare number is seconds; 1500ms and 2m work as well."`
	Rounds   cli.Whole        `default:"3" min:"1" max:"100" help:"How often each is measured; medians are printed."`
	Rate     cli.Whole        `default:"0" max:"1000000000" help:"Entries a second of all members together; 0 is as many as possible."`
	Protocol cli.Choice       `default:"delta" oneof:"delta,lockstep" help:"How members agree: delta or lockstep."`
	Batch    cli.Whole        `placeholder:"N" min:"1" max:"65536" help:"Entries a batch in lockstep; 1 if not given."`
	Tick     cli.Milliseconds `name:"tick-duration" default:"10" min:"1ms" max:"1s" help:"Tick. A bare number is milliseconds."`
	StopFor  cli.Seconds      `placeholder:"TIME" min:"100ms" max:"1h" help:"Stop the last member (SIGSTOP) for that long in each measurement, and tell how long all need to catch up after it."`
	Watched  bool             `name:"dashboard" help:"Measure once more while a dashboard shows it and somebody watches; what is left of the throughput is watched_ratio."`
	JSON     bool             `name:"json" help:"Print one JSON object instead."`
	CSV      cli.Text         `name:"csv" placeholder:"FILE" help:"Write each round of each series as a line."`
	Compare  cli.Text         `placeholder:"FILE" help:"Print ratios to an earlier run, whose --json output is in this file."`
	FailIf   conditions       `name:"fail-if" placeholder:"METRIC<NUMBER" help:"Exit with 4 if this holds, like 'ratio<0.85'; with <, <=, > or >=. Can be given several times."`
	Profiles cli.Text         `placeholder:"DIR" help:"Write a CPU profile of each member and series into this folder."`

	earlier *bench.Report
}

// Help shows how to use the command.
func (benchCommand) Help() string {
	return `Beside chatterbox (ordered) the same bytes go through the same sockets without any protocol: limit decodes and appends them, fresh draws their numbers as well, raw discards them. All take turns in each round. Exit status: 0 measured, 3 failure, 4 a condition of --fail-if holds.

Examples:

    chatterbox bench
    chatterbox bench --nodes 5 --duration 10 --fail-if 'ratio<0.85' --fail-if 'wire_bytes_per_entry>8.1'
    chatterbox bench --rate 1000 --fail-if 'latency_p50_rtt>2'
    chatterbox bench --duration 12 --stop-for 5 --fail-if 'caught_up_ms>2000'
    chatterbox bench --dashboard --rounds 9 --fail-if 'watched_ratio<0.97'
    chatterbox bench --json > before.json; chatterbox bench --compare before.json`
}

// Contradictions reads the earlier report too, so that its mistakes are told
// with those of the flags.
func (c *benchCommand) Contradictions(wrong *cli.Mistakes) {
	if c.Batch.Value > 0 && c.Protocol.Value == "delta" {
		wrong.Addf("--batch %d is for --protocol lockstep only: delta chooses its batches itself", c.Batch.Value)
	}
	if most := c.Duration.Duration / 4 * 3; c.StopFor.Duration > most {
		wrong.Addf("--stop-for %s: three quarters of --duration, %s, are allowed", c.StopFor.Duration, most)
	}
	for _, condition := range c.FailIf.List {
		switch {
		case condition.Metric == "caught_up_ms" && c.StopFor.Duration == 0:
			wrong.Addf("--fail-if %s: it is measured with --stop-for only", condition)
		case (strings.HasPrefix(condition.Metric, "watched_") || condition.Metric == "page_cpu") && !c.Watched:
			wrong.Addf("--fail-if %s: it is measured with --dashboard only", condition)
		case strings.HasPrefix(condition.Metric, "trips_") && c.Protocol.Value != "lockstep":
			wrong.Addf("--fail-if %s: it is measured with --protocol lockstep only", condition)
		}
	}
	if c.Compare.Value == "" {
		return
	}
	data, err := cli.ReadFile(c.Compare.Value, reportMiBMax)
	c.earlier = &bench.Report{}
	if err == nil {
		data, err = text.Clean(data)
	}
	if err == nil {
		err = readReport(data, c.earlier)
	}
	if err == nil && len(c.earlier.Rounds) == 0 {
		err = fmt.Errorf("no report of a run: give what chatterbox bench --json printed")
	}
	if err != nil {
		wrong.Addf("--compare %q: %v", c.Compare.Value, err)
	}
}

// reportMiBMax bounds what an earlier run printed.
const reportMiBMax = 64

// readReport reads what --json printed, all of it.
func readReport(data []byte, report *bench.Report) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&jsonBench{Report: report}); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the report")
	}
	return nil
}

// conditions is a list of conditions, one each time the flag is given.
type conditions struct {
	List []bench.Condition
	cli.Flaw
}

// IsCumulative lets the flag be given several times.
func (*conditions) IsCumulative() bool { return true }

// Decode reads one more condition for kong.
func (c *conditions) Decode(context *kong.DecodeContext) error {
	text, ok := c.Take(context, "a condition like 'ratio<0.85'")
	if !ok {
		return nil
	}
	condition, err := bench.ParseCondition(text)
	if err != nil && c.Mistake() == "" {
		c.Set(text, err.Error())
	}
	c.List = append(c.List, condition)
	return nil
}

// plan makes the plan of the flags.
func (c *benchCommand) plan() bench.Plan {
	return bench.Plan{
		Members: int(c.Nodes.Value), Payload: int(c.Payload.Value), Duration: c.Duration.Duration, Rounds: int(c.Rounds.Value),
		Rate: float64(c.Rate.Value), Protocol: c.Protocol.Value, Batch: int(c.Batch.Value), Tick: c.Tick.Duration,
		StopFor: c.StopFor.Duration, Profiles: c.Profiles.Value, Watch: c.Watched,
	}
}

// Run measures, and prints what came of it.
func (c *benchCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to run it once for each member: %w", err)
	}
	var rounds *cli.SideFile
	if c.CSV.Value != "" {
		if rounds, err = console.SideFile("--csv", c.CSV.Value); err != nil {
			return err
		}
	}
	plan := c.plan()
	if plan.Profiles != "" {
		if err := os.MkdirAll(plan.Profiles, 0o777); err != nil {
			return fmt.Errorf("--profiles: %w", err)
		}
	}
	if plan.Folder, err = console.TempDir(); err != nil {
		return err
	}
	screen := console.Screen()
	report, err := bench.Run(ctx, plan, []string{executable, "bench-member"}, func(p bench.Progress) {
		screen.Draw(benchProgress(console.Talk, p))
	})
	screen.Clear()
	interrupted := err != nil && ctx.Err() != nil
	if err != nil && !interrupted {
		return err
	}
	if rounds != nil {
		writeRounds(rounds, report.Rounds)
	}
	if interrupted && report.RoundTrip.P50 == 0 { // the last one of a round
		console.Errorf("there is no result: not even the first round was complete")
		return cli.ErrInterrupted
	}
	c.print(console, &report)
	if interrupted {
		return cli.ErrInterrupted
	}
	return c.judge(console, &report)
}

// benchProgress shows how far a run is.
func benchProgress(style term.Style, p bench.Progress) []string {
	line := fmt.Sprintf("%s %d of %d", style.Accent(term.Bar(float64(p.Done)/float64(p.All), term.BarColumns)), p.Done, p.All)
	if p.PerSecond > 0 {
		line += fmt.Sprintf("  %s %s", p.Mode, term.PerSecond(p.PerSecond))
	}
	if p.Next != "" {
		line += style.Faint("  now " + string(p.Next))
	}
	return []string{line}
}

// judge prints which conditions hold.
func (c *benchCommand) judge(console *cli.Console, report *bench.Report) error {
	var missed error
	for _, condition := range c.FailIf.List {
		if value, holds := condition.Holds(report); holds {
			console.Errorf("missed: %s is %.4g, which --fail-if '%s' does not allow", condition.Metric, value, condition)
			missed = cli.Missed
		}
	}
	return missed
}

// writeRounds writes a line for each measurement. What cannot be written, w
// remembers.
func writeRounds(w io.Writer, rounds []bench.Round) {
	lines := csv.NewWriter(w)
	rows := [][]string{{
		"round", "series", "per_s", "cpu_s_per_million", "wire_bytes_per_entry", "wire_bytes_per_write", "rss_peak_mib",
		"rss_mib_first", "rss_mib_second", "rss_mib_third", "rss_mib_last", "copies", "p50_ms", "p99_ms", "max_ms", "caught_up_ms", "page_cpu",
	}}
	for i := range rounds {
		r := &rounds[i]
		row := []string{strconv.Itoa(r.Number), string(r.Mode)}
		for _, figure := range []float64{
			r.PerSecond, r.CPU, r.PerEntry, r.PerWrite, r.RSSPeak, r.RSS[0], r.RSS[1], r.RSS[2], r.RSS[3],
			r.Copies, r.Latency.P50, r.Latency.P99, r.Latency.Max, r.CaughtUp, r.PageCPU,
		} {
			row = append(row, strconv.FormatFloat(figure, 'g', 6, 64))
		}
		rows = append(rows, row)
	}
	_ = lines.WriteAll(rows)
}

// benchMemberCommand is the process of one member of a measurement.
type benchMemberCommand struct{}

// Run does what it is told on stdin.
func (benchMemberCommand) Run(console *cli.Console) error {
	return bench.Member(context.Background(), console.Stdin, console.Stdout, nil)
}

// print writes the report to stdout: tables, or one object.
func (c *benchCommand) print(console *cli.Console, report *bench.Report) {
	if c.earlier != nil && !sameSettings(c.earlier, report) {
		console.Notef("note: the run in %s had other settings: %s; this one: %s", c.Compare.Value, settings(c.earlier), settings(report))
	}
	if c.JSON {
		console.JSON(jsonBench{report, c.ratios(report)})
		return
	}
	fmt.Fprintf(console.Stdout, "%s\n\n", settings(report))
	term.Table(console.Stdout, throughputRows(console.Out, report))
	fmt.Fprintln(console.Stdout)
	term.Table(console.Stdout, latencyRows(report))
	fmt.Fprintf(console.Stdout, "\nresident memory of the largest member after each quarter: %s\n", memoryText(report.RSS))
	fmt.Fprintf(console.Stdout, "copies of a batch received / needed: %.3f; bytes a write: %.0f\n", report.Copies, report.PerWrite)
	if report.CaughtUp > 0 {
		fmt.Fprintf(console.Stdout, "after the return of the stopped member all had caught up in %s\n", microseconds(report.CaughtUp))
	}
	if report.WatchedRatio > 0 {
		fmt.Fprintf(console.Stdout, "a dashboard leaves %.1f %% of the throughput, in the median of the rounds: members need %.1f %% more for an entry, the page and who watches it %.1f %% of a core\n",
			100*report.WatchedRatio, 100*(report.WatchedCPURatio-1), 100*report.PageCPU)
	}
	if c.earlier != nil {
		fmt.Fprintln(console.Stdout)
		term.Table(console.Stdout, c.compareRows(report))
	}
}

// jsonBench is the JSON form of a report, with ratios to an earlier one.
type jsonBench struct {
	*bench.Report
	Compare map[string]float64 `json:"compare,omitempty"`
}

// settings returns what was measured.
func settings(r *bench.Report) string {
	pace := "saturated"
	if r.Rate > 0 {
		pace = fmt.Sprintf("%g entries/s", r.Rate)
	}
	return fmt.Sprintf("%s, %d members, entries of %d bytes, %s, medians of %s of %s", r.Protocol, r.Members, r.Payload, pace,
		term.Plural(roundCount(r), "round"), term.Short(time.Duration(r.Duration*float64(time.Second))))
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
func throughputRows(style term.Style, r *bench.Report) [][]string {
	rows := [][]string{{"series", " entries", " of limit", " of raw", " CPU s/million", " wire B/entry", " peak MiB"}}
	for _, mode := range []bench.Mode{bench.Raw, bench.Limit, bench.Fresh, bench.Trips, bench.Ordered, bench.Watched} {
		if !slices.ContainsFunc(r.Rounds, func(round bench.Round) bool { return round.Mode == mode }) {
			continue
		}
		rate := r.Median(mode, func(round bench.Round) float64 { return round.PerSecond })
		name := string(mode)
		if mode == bench.Ordered {
			name = style.Strong(name)
		}
		rows = append(rows, []string{
			name, term.PerSecond(rate), ratio(rate, r.LimitPerSecond), ratio(rate, r.RawPerSecond),
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

// ratios returns each metric divided by that of the earlier run, nil without one.
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
