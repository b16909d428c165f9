package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"

	"chatterbox/internal/proof/check"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"

	"chatterbox/internal/cli"
	"chatterbox/internal/term"
)

// checkCommand judges a trace of a simulated or real cluster.
type checkCommand struct {
	File   cli.Text `arg:"" name:"file" help:"The trace, JSON lines; - is stdin."`
	Strict bool     `help:"Take what was done too late or too often as a violation too."`
	JSON   bool     `name:"json" help:"Print one JSON object instead."`
}

// Help shows how to use the command.
func (checkCommand) Help() string {
	return `Reads what sim --trace or cluster --trace wrote, and applies the same checks to both. What was done too late or too often is noted only: it costs, and on a real cluster the machine may have been busy; see --strict. Exit status: 0 all promises hold, 1 one is broken, 2 the trace is not complete, or nothing happened in it, 3 the file cannot be read.

Examples:

    chatterbox cluster --trace run.jsonl; chatterbox check run.jsonl
    chatterbox sim --seed 7 --trace - | chatterbox check -`
}

// Run reads the trace and prints the verdict.
func (c *checkCommand) Run(console *cli.Console) error {
	in, err := openTrace(console, c.File.Value)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	ctx, _ := console.Interruptible()
	var events atomic.Uint64
	verdict, done, err := cli.Until(ctx, func() (*verdict, error) { return judge(in, c.Strict, &events) })
	switch {
	case !done:
		console.Errorf("there is no verdict after %s", term.Plural(int(events.Load()), "event"))
		return cli.ErrInterrupted
	case err != nil:
		return fmt.Errorf("%s: %w", c.File.Value, err)
	case c.JSON:
		console.JSON(verdict)
	default:
		verdict.print(console)
	}
	return verdict.status()
}

// verdict is what came of a trace.
type verdict struct {
	Events     uint64          `json:"events"`
	Entries    uint64          `json:"entries"`    // broadcast by all members
	Complete   bool            `json:"complete"`   // the trace has its end
	Count      int             `json:"violations"` // all of them, more than are listed
	Hash       string          `json:"trace_hash"`
	View       uint64          `json:"view,omitempty"` // the newest that a member goes by, if not the first
	Violations []jsonViolation `json:"first"`
	Notes      []jsonViolation `json:"notes"` // what a busy machine, or what is missing, may be to blame for

	incomplete error // why the trace is not complete
	whose      string
	members    string // who belongs to the newest view, and who is out
}

type jsonViolation struct {
	Check  string  `json:"check"`
	Member string  `json:"member"`
	At     float64 `json:"at_s"`
	Text   string  `json:"text"`
}

// judge applies all checks to a trace, and counts the events that it has read.
func judge(in io.Reader, strict bool, events *atomic.Uint64) (*verdict, error) {
	reader, err := trace.NewReader(in)
	if err != nil {
		return nil, err
	}
	header := reader.Header()
	judge, hash := check.New(header, sim.Numbers(header.Seed)), trace.Hash{}
	views, newest := make([]trace.View, len(header.Members)), trace.View{}
	var event trace.Event
	for err = reader.Next(&event); err == nil; err = reader.Next(&event) {
		hash.Tell(&event)
		judge.Tell(&event)
		events.Add(1)
		if view := &views[event.Member]; view.Tell(&event) && view.Number >= newest.Number {
			newest = *view
		}
	}
	v := &verdict{Events: hash.Events(), Entries: judge.Entries(), Hash: fmt.Sprintf("%016x", hash.Sum()), View: newest.Number}
	if newest.Number > 0 {
		v.members = newest.Words(header.Members)
	}
	v.Violations, v.Notes = []jsonViolation{}, []jsonViolation{}
	switch {
	case errors.Is(err, io.EOF):
		v.Complete = true
	case errors.Is(err, trace.ErrIncomplete):
		v.incomplete = err
	default:
		return nil, err
	}
	gaps := errors.Is(err, trace.ErrGaps)
	excused := func(c *check.Check) bool { return gaps || c.Cost && !strict }
	for _, c := range check.All() {
		if !excused(&c) {
			v.Count += judge.CountOf(c.Name)
		}
	}
	for _, found := range slices.Concat(judge.Violations(), judge.Notes()) {
		told := jsonViolation{found.Check, header.Members[found.Member], found.At.Seconds(), found.Text}
		if known, _ := check.Named(found.Check); excused(&known) {
			v.Notes = append(v.Notes, told)
		} else {
			v.Violations = append(v.Violations, told)
		}
	}
	switch {
	case gaps:
		v.whose = "unless what is missing explains it"
	case header.Simulated:
		v.whose = "which costs, and breaks no promise"
	default:
		v.whose = "unless the machine was busy"
	}
	return v, nil
}

func (v *verdict) status() error {
	switch {
	case len(v.Violations) > 0:
		return cli.Violated
	case !v.Complete || v.Events == 0:
		return cli.Partial
	}
	return nil
}

func (v *verdict) print(console *cli.Console) {
	for _, note := range v.Notes {
		console.Notef("note: %s, %s", note, v.whose)
	}
	for _, violation := range v.Violations {
		fmt.Fprintf(console.Stdout, "%s %s\n", console.Out.Bad("broken:"), violation)
	}
	if v.incomplete != nil {
		fmt.Fprintf(console.Stdout, "%s %v\n", console.Out.Warn("incomplete:"), v.incomplete)
	}
	if v.members != "" {
		fmt.Fprintln(console.Stdout, v.members)
	}
	events := term.Plural(int(v.Events), "event")
	switch {
	case len(v.Violations) > 0:
		fmt.Fprintf(console.Stdout, "%s in %s\n", term.Plural(v.Count, "violation"), events)
	case v.Events == 0:
		fmt.Fprintf(console.Stdout, "%s: the trace has no event, so no promise was put to the test\n", console.Out.Warn("nothing happened"))
	case v.incomplete != nil:
		fmt.Fprintf(console.Stdout, "undecided: no promise is broken in the %s that are there, but not all are\n", events)
	case v.Entries == 0:
		fmt.Fprintf(console.Stdout, "%s in %s, but nothing was broadcast, trace hash %s\n", console.Out.Good("no promise is broken"), events, v.Hash)
	default:
		fmt.Fprintf(console.Stdout, "%s in %s, trace hash %s\n", console.Out.Good("no promise is broken"), events, v.Hash)
	}
}

// String returns the violation as a line.
func (v jsonViolation) String() string {
	return fmt.Sprintf("%s: member %s at %.3fs: %s", v.Check, v.Member, v.At, v.Text)
}

// openTrace opens the file of a trace; - is stdin.
func openTrace(console *cli.Console, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(console.Stdin), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the trace: %w", err)
	}
	return file, nil
}
