package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/job/cluster"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/show/board"
	"chatterbox/internal/show/dashboard"
	"chatterbox/internal/term"
)

// clusterCommand runs a cluster of real processes on this machine.
type clusterCommand struct {
	Nodes cli.Whole `default:"5" min:"1" max:"64" help:"How many members."`
	cli.RunFlags
	FailureMap cli.Text `placeholder:"FILE" help:"Break links and members as this failure map says: a file, or the name of a shipped map."`
	Trace      cli.Text `placeholder:"FILE" help:"Write the trace of all members, for chatterbox check."`
	Dashboard  cli.Text `placeholder:"ADDR" help:"Show the run on a page in the browser while it goes on, such as 127.0.0.1:7070; port 0 chooses one. There a click breaks and heals links and members. The page stays while somebody watches."`

	events   failure.Map
	schedule *failure.Schedule
}

// Help shows how to use the command.
func (clusterCommand) Help() string {
	return `Each member is a process of its own, with real sockets on loopback. Exit status: 0 all agree and are complete, 1 they disagree, 2 something is missing, 3 failure.

Examples:

    chatterbox cluster
    chatterbox cluster --nodes 3 --send-for 5 --wait-for 2
    chatterbox cluster --wait-for 5 --failure-map halves-cut-and-healed-agree
    chatterbox cluster --protocol lockstep --json`
}

// Contradictions reads the failure map too, so that its mistakes are told with
// those of the flags.
func (c *clusterCommand) Contradictions(wrong *cli.Mistakes) {
	c.RunFlags.Contradictions(wrong)
	if c.FailureMap.Value == "" || c.Nodes.Mistake() != "" {
		return
	}
	var err error
	if c.events, err = cli.ReadMap(c.FailureMap.Value); err == nil {
		c.schedule, err = c.events.Bind(cluster.Names(int(c.Nodes.Value)))
	}
	if err != nil {
		wrong.Addf("--failure-map %q: %v", c.FailureMap.Value, err)
	}
}

// Run runs the cluster, and prints the tuples and the verdict.
func (c *clusterCommand) Run(console *cli.Console) error {
	noteLateMap(console, c.events, c.SendFor.Duration+c.WaitFor.Duration)
	show := show{console: console, nodes: int(c.Nodes.Value), flags: &c.RunFlags, events: c.events, schedule: c.schedule, dashboard: c.Dashboard.Value, title: c.title()}
	defer show.close()
	if c.Trace.Value != "" {
		file, err := console.SideFile("--trace", c.Trace.Value)
		if err != nil {
			return err
		}
		show.trace = file
	}
	report, err := show.run(c.Seed(console))
	if err != nil {
		return err
	}
	if c.JSON {
		printReportJSON(console, report)
	} else {
		board.PrintReport(console.Stdout, console.Out, report, c.Exact)
	}
	show.stay()
	return reportStatus(report)
}

// title returns what the page says that runs.
func (c *clusterCommand) title() string {
	if c.FailureMap.Value != "" {
		return filepath.Base(c.FailureMap.Value)
	}
	return "cluster"
}

// noteLateMap says that a failure map goes on for longer than the run.
func noteLateMap(console *cli.Console, events failure.Map, end time.Duration) {
	var last time.Duration
	for _, event := range events {
		last = max(last, event.Last())
	}
	if last >= end && len(events) > 0 {
		console.Notef("note: the failure map goes on until %s, but the run ends after %s: give a longer --send-for or --wait-for",
			term.Short(last), term.Short(end))
	}
}

// reportStatus returns the exit status of a cluster.
func reportStatus(report *cluster.Report) error {
	switch report.Verdict() {
	case cluster.Agree:
		return nil
	case cluster.Partial:
		return cli.Partial
	case cluster.Failed:
		return cli.Failed
	default:
		return cli.Violated
	}
}

// The JSON form of a report.
type (
	jsonReport struct {
		Nodes    []jsonNode `json:"nodes"`
		Agree    bool       `json:"agree"`
		Verdict  string     `json:"verdict"`
		Elapsed  float64    `json:"elapsed_s"`
		Messages float64    `json:"messages_per_s"`
	}
	jsonNode struct {
		Name     string   `json:"name"`
		Count    uint64   `json:"count"`
		Score    string   `json:"score"`
		Exact    string   `json:"exact"`
		Complete bool     `json:"complete"`
		Missing  []string `json:"missing"`
		Digest   string   `json:"digest"`
		Exit     int      `json:"exit"`
		Printed  float64  `json:"printed_s"` // since the start of its process
		Ended    float64  `json:"ended_s"`
	}
)

// printReportJSON writes the report as one object.
func printReportJSON(console *cli.Console, report *cluster.Report) {
	object := jsonReport{
		Nodes: make([]jsonNode, len(report.Members)), Agree: report.Same(), Verdict: report.Verdict().String(),
		Elapsed: inSeconds(report.Elapsed), Messages: report.Rate(),
	}
	for i := range report.Members {
		m := &report.Members[i]
		node := jsonNode{Name: m.Name, Score: "0", Exact: "0", Missing: []string{}, Exit: m.Exit}
		if o := m.Outcome; o != nil {
			node = jsonNode{m.Name, o.Count, o.Score, o.Exact, o.Complete, o.Missing, o.Digest, m.Exit, inSeconds(m.Printed), inSeconds(m.Ended)}
		}
		object.Nodes[i] = node
	}
	console.JSON(object)
}

func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// show is one run of a cluster, shown while it goes on.
type show struct {
	console  *cli.Console
	nodes    int
	flags    *cli.RunFlags
	events   failure.Map
	schedule *failure.Schedule // of events; nil breaks nothing
	trace    io.Writer         // gets the trace of all; nil: nobody wants it
	quiet    bool              // nothing is shown while it goes on

	dashboard   string // where the page is; empty: nobody wants it
	title       string // of the page
	durable     bool   // members keep their data though nothing asks for it
	page        *dashboard.Dashboard
	interrupted <-chan struct{} // closed at an interrupt
}

// run runs the cluster until it ends or somebody interrupts.
func (s *show) run(seed uint64) (*cluster.Report, error) {
	ctx, kill := s.console.Interruptible()
	return s.runWithin(ctx, kill, seed)
}

// runWithin runs the cluster in a folder of its own that is gone afterwards.
// The contexts are those of [cluster.Run].
func (s *show) runWithin(ctx, kill context.Context, seed uint64) (*cluster.Report, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to run it once for each member: %w", err)
	}
	folder, err := s.console.TempDir()
	if err != nil {
		return nil, err
	}
	runFor := s.flags.SendFor.Duration + s.flags.WaitFor.Duration
	screen := s.console.Screen()
	table := board.New(screen, s.console.Talk, cluster.Names(s.nodes), runFor, s.events)
	config := cluster.Config{
		Executable: executable, Arguments: s.flags.Arguments(seed), Members: s.nodes, RunFor: runFor,
		Schedule: s.schedule, Epoch: table.Epoch(), Folder: folder, DataDir: s.dataDir(folder),
		Progress: table.Progress, Line: table.Line, Tick: table.Tick, Log: s.console.LoggerAbove(screen, s.flags.Verbose),
	}
	if s.quiet {
		config.Progress, config.Line, config.Tick = nil, nil, nil
	}
	config.Trace, config.Header = s.trace, s.flags.Header(cluster.Names(s.nodes), seed)
	config.Header.Journal = config.DataDir != ""
	if holdsData(s.flags.DataDir.Value) {
		config.Header.Earlier, config.Header.Numbers = true, false // those were drawn from another seed
	}
	if s.dashboard != "" {
		if err := s.watch(&config); err != nil {
			return nil, err
		}
	}
	config.Map = s.events
	if s.schedule != nil || s.dashboard != "" {
		config.MapPath = filepath.Join(folder, "failure-map.txt")
		if err := os.WriteFile(config.MapPath, []byte(s.events.String()), 0o600); err != nil {
			return nil, err
		}
	}
	s.interrupted = ctx.Done()
	report, err := cluster.Run(ctx, kill, config)
	table.Clear()
	if err == nil && report.TraceLost != "" {
		s.console.Lostf("--trace: %s", report.TraceLost)
	}
	return report, err
}

// holdsData reports whether a folder has something in it already.
func holdsData(folder string) bool {
	entries, err := os.ReadDir(folder)
	return err == nil && len(entries) > 0
}

// dataDir returns the folder of the members' data: the one that was asked for,
// else a temporary one if the map restarts members that crashed with theirs.
func (s *show) dataDir(folder string) string {
	switch {
	case s.flags.DataDir.Value != "":
		return s.flags.DataDir.Value
	case s.durable:
		return filepath.Join(folder, "data")
	case s.schedule == nil:
		return ""
	}
	crashed := map[int]bool{}
	for _, event := range s.schedule.Members() {
		switch {
		case event.Action == failure.Crash:
			crashed[int(event.Member)] = true
		case event.Action == failure.Restart && crashed[int(event.Member)]:
			return filepath.Join(folder, "data")
		}
	}
	return ""
}
