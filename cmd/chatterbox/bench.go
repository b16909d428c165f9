package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	"chatterbox/bench"
)

// benchCommand measures a cluster beside what the machine can carry at all.
type benchCommand struct {
	Nodes    whole        `default:"3" min:"2" max:"64" help:"How many members, a process each."`
	Payload  whole        `default:"8" min:"8" max:"65536" placeholder:"BYTES" help:"Bytes of an entry; 8 if not given."`
	Duration seconds      `default:"3" min:"100ms" max:"1h" help:"Of each measurement. A bare number is seconds; 1500ms and 2m work as well."`
	Rounds   whole        `default:"3" min:"1" max:"100" help:"How often each is measured; medians are printed."`
	Rate     whole        `default:"0" max:"1000000000" help:"Entries a second of all members together; 0 is as many as possible."`
	Protocol choice       `default:"delta" oneof:"delta,lockstep" help:"How members agree: delta or lockstep."`
	Batch    whole        `placeholder:"N" min:"1" max:"65536" help:"Entries a batch in lockstep; 1 if not given."`
	Tick     milliseconds `name:"tick-duration" default:"10" min:"1ms" max:"1s" help:"Tick. A bare number is milliseconds."`
	StopFor  seconds      `placeholder:"TIME" min:"100ms" max:"1h" help:"Stop the last member (SIGSTOP) for that long in each measurement, and tell how long all need to catch up after it."`
	JSON     bool         `name:"json" help:"Print one JSON object instead."`
	CSV      text         `name:"csv" placeholder:"FILE" help:"Write each round of each series as a line."`
	Compare  text         `placeholder:"FILE" help:"Print ratios to an earlier run, whose --json output is in this file."`
	FailIf   conditions   `name:"fail-if" placeholder:"METRIC<NUMBER" help:"Exit with 4 if this holds, like 'ratio<0.85'; with <, <=, > or >=. Can be given several times."`
	Profiles text         `placeholder:"DIR" help:"Write a CPU profile of each member and series into this folder."`

	earlier *bench.Report
}

// Help shows how to use the command.
func (benchCommand) Help() string {
	return `Beside chatterbox (ordered) the same bytes go through the same sockets without any protocol: limit decodes and appends them, raw discards them. All take turns in each round. Exit status: 0 measured, 3 failure, 4 a condition of --fail-if holds.

Examples:

    chatterbox bench
    chatterbox bench --nodes 5 --duration 10 --fail-if 'ratio<0.85' --fail-if 'wire_bytes_per_entry>8.1'
    chatterbox bench --rate 1000 --fail-if 'latency_p50_rtt>2'
    chatterbox bench --duration 12 --stop-for 5 --fail-if 'caught_up_ms>2000'
    chatterbox bench --json > before.json; chatterbox bench --compare before.json`
}

// contradictions reads the earlier report too, so that its mistakes are told
// with those of the flags.
func (c *benchCommand) contradictions(wrong *mistakes) {
	if c.Batch.Value > 0 && c.Protocol.Value == "delta" {
		wrong.addf("--batch %d is for --protocol lockstep only: delta chooses its batches itself", c.Batch.Value)
	}
	if most := c.Duration.Duration / 4 * 3; c.StopFor.Duration > most {
		wrong.addf("--stop-for %s: three quarters of --duration, %s, are allowed", c.StopFor.Duration, most)
	}
	if c.Compare.Value == "" {
		return
	}
	data, err := os.ReadFile(c.Compare.Value)
	c.earlier = &bench.Report{}
	if err == nil {
		err = json.Unmarshal(data, c.earlier)
	}
	if err == nil && len(c.earlier.Rounds) == 0 {
		err = fmt.Errorf("no report of a run: give what chatterbox bench --json printed")
	}
	if err != nil {
		wrong.addf("--compare %q: %v", c.Compare.Value, err)
	}
}

// conditions is a list of conditions, one each time the flag is given.
type conditions struct {
	List []bench.Condition
	flaw
}

// IsCumulative lets the flag be given several times.
func (*conditions) IsCumulative() bool { return true }

// Decode reads one more condition for kong.
func (c *conditions) Decode(context *kong.DecodeContext) error {
	text, ok := c.take(context, "a condition like 'ratio<0.85'")
	if !ok {
		return nil
	}
	condition, err := bench.ParseCondition(text)
	if err != nil && c.text == "" {
		c.set(text, err.Error())
	}
	c.List = append(c.List, condition)
	return nil
}

// plan makes the plan of the flags.
func (c *benchCommand) plan() bench.Plan {
	return bench.Plan{
		Members: int(c.Nodes.Value), Payload: int(c.Payload.Value), Duration: c.Duration.Duration, Rounds: int(c.Rounds.Value),
		Rate: float64(c.Rate.Value), Protocol: c.Protocol.Value, Batch: int(c.Batch.Value), Tick: c.Tick.Duration,
		StopFor: c.StopFor.Duration, Profiles: c.Profiles.Value,
	}
}

// Run measures, and prints what came of it.
func (c *benchCommand) Run(console *console) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to run it once for each member: %w", err)
	}
	screen := newScreen(console)
	report, err := bench.Run(ctx, c.plan(), []string{executable, "bench-member"}, func(p bench.Progress) {
		screen.draw(benchProgress(console.talk, p))
	})
	screen.clear()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: there is no result")
	}
	if err != nil {
		return err
	}
	c.print(console, &report)
	if err := c.writeCSV(&report); err != nil {
		return err
	}
	return c.judge(console, &report)
}

// benchProgress shows how far a run is.
func benchProgress(style style, p bench.Progress) []string {
	line := fmt.Sprintf("%s %d of %d", style.accent(bar(float64(p.Done)/float64(p.All), boardColumns)), p.Done, p.All)
	if p.PerSecond > 0 {
		line += fmt.Sprintf("  %s %s", p.Mode, perSecond(p.PerSecond))
	}
	if p.Next != "" {
		line += style.faint("  now " + string(p.Next))
	}
	return []string{line}
}

// judge says which conditions hold.
func (c *benchCommand) judge(console *console, report *bench.Report) error {
	var missed error
	for _, condition := range c.FailIf.List {
		if value, holds := condition.Holds(report); holds {
			console.errorf("missed: %s is %.4g, which --fail-if '%s' does not allow", condition.Metric, value, condition)
			missed = statusMissed
		}
	}
	return missed
}

// writeCSV writes a line for each measurement.
func (c *benchCommand) writeCSV(report *bench.Report) error {
	if c.CSV.Value == "" {
		return nil
	}
	file, err := os.Create(c.CSV.Value)
	if err != nil {
		return fmt.Errorf("--csv: %w", err)
	}
	defer file.Close() //nolint:errcheck // the writer tells
	return writeRounds(file, report.Rounds)
}

func writeRounds(w io.Writer, rounds []bench.Round) error {
	lines := csv.NewWriter(w)
	rows := [][]string{{
		"round", "series", "per_s", "cpu_s_per_million", "wire_bytes_per_entry", "wire_bytes_per_write", "rss_peak_mib",
		"rss_mib_first", "rss_mib_second", "rss_mib_third", "rss_mib_last", "copies", "p50_ms", "p99_ms", "max_ms", "caught_up_ms",
	}}
	for i := range rounds {
		r := &rounds[i]
		row := []string{strconv.Itoa(r.Number), string(r.Mode)}
		for _, figure := range []float64{
			r.PerSecond, r.CPU, r.PerEntry, r.PerWrite, r.RSSPeak, r.RSS[0], r.RSS[1], r.RSS[2], r.RSS[3],
			r.Copies, r.Latency.P50, r.Latency.P99, r.Latency.Max, r.CaughtUp,
		} {
			row = append(row, strconv.FormatFloat(figure, 'g', 6, 64))
		}
		rows = append(rows, row)
	}
	if err := lines.WriteAll(rows); err != nil {
		return fmt.Errorf("--csv: %w", err)
	}
	return nil
}

// benchMemberCommand is the process of one member of a measurement.
type benchMemberCommand struct{}

// Run does what it is told on stdin.
func (benchMemberCommand) Run(console *console) error {
	return bench.Member(context.Background(), console.stdin, console.stdout, nil)
}
