package main

import (
	"fmt"
	"time"

	"chatterbox/cluster"
	"chatterbox/failure"
)

// clusterCommand runs a cluster of real processes on this machine.
type clusterCommand struct {
	Nodes whole `default:"5" min:"1" max:"64" help:"How many members."`
	runFlags
	FailureMap text `placeholder:"FILE" help:"Break links and members as this failure map says: a file, or the name of a shipped map."`
	Trace      text `placeholder:"FILE" help:"Write the trace of all members, for chatterbox check."`

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

// contradictions reads the failure map too, so that its mistakes are told with
// those of the flags.
func (c *clusterCommand) contradictions(wrong *mistakes) {
	c.runFlags.contradictions(wrong)
	if c.FailureMap.Value == "" || c.Nodes.mistake() != "" {
		return
	}
	var err error
	if c.events, err = readMap(c.FailureMap.Value); err == nil {
		c.schedule, err = c.events.Bind(cluster.Names(int(c.Nodes.Value)))
	}
	if err != nil {
		wrong.addf("--failure-map %q: %v", c.FailureMap.Value, err)
	}
}

// Run runs the cluster, and prints the tuples and the verdict.
func (c *clusterCommand) Run(console *console) error {
	if end := c.SendFor.Duration + c.WaitFor.Duration; c.schedule != nil && c.schedule.Last() >= end {
		console.notef("note: the failure map goes on until %s, but the run ends after %s: give a longer --send-for or --wait-for",
			short(c.schedule.Last()), short(end))
	}
	show := show{console: console, nodes: int(c.Nodes.Value), flags: &c.runFlags, events: c.events, schedule: c.schedule, trace: c.Trace.Value}
	report, err := show.run(c.seed(console))
	if err != nil {
		return err
	}
	if c.JSON {
		printReportJSON(console, report)
	} else {
		printReport(console, report, c.Exact)
	}
	return reportStatus(report)
}

// reportStatus gives the exit status of a cluster.
func reportStatus(report *cluster.Report) error {
	switch report.Verdict() {
	case cluster.Agree:
		return nil
	case cluster.Partial:
		return statusPartial
	case cluster.Failed:
		return statusFailed
	default:
		return statusViolated
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
func printReportJSON(console *console, report *cluster.Report) {
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
	printJSON(console.stdout, object)
}

func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// arguments writes the flags of a run for the processes of its members.
func (f *runFlags) arguments(seed uint64) []string {
	arguments := []string{
		"--send-for=" + f.SendFor.String(), "--wait-for=" + f.WaitFor.String(),
		"--tick-duration=" + f.Tick.String(), "--protocol=" + f.Protocol.Value,
		fmt.Sprintf("--with-seed=%d", seed),
		fmt.Sprintf("--rate=%d", f.Rate.Value), fmt.Sprintf("--messages=%d", f.Messages.Value),
		fmt.Sprintf("--memory-max=%d", f.Memory.Value),
	}
	if f.Batch.Value > 0 {
		arguments = append(arguments, fmt.Sprintf("--batch=%d", f.Batch.Value))
	}
	if f.Verbose {
		arguments = append(arguments, "--verbose")
	}
	return arguments
}
