package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"chatterbox/check"
	"chatterbox/sim"
	"chatterbox/trace"
)

// checkCommand judges a trace of a simulated or real cluster.
type checkCommand struct {
	File   text `arg:"" name:"file" help:"The trace, JSON lines; - is stdin."`
	Strict bool `help:"Take what a busy machine may be to blame for as a violation too."`
	JSON   bool `name:"json" help:"Print one JSON object instead."`
}

// Help shows how to use the command.
func (checkCommand) Help() string {
	return `Reads what sim --trace or cluster --trace wrote, and applies the same checks to both. What a real cluster did too late or too often is noted only, for its machine may have been busy; see --strict. Exit status: 0 all promises hold, 1 one is broken, 3 the file cannot be read.

Examples:

    chatterbox cluster --trace run.jsonl; chatterbox check run.jsonl
    chatterbox sim --seed 7 --trace - | chatterbox check -`
}

// Run reads the trace and prints the verdict.
func (c *checkCommand) Run(console *console) error {
	in := console.stdin
	if c.File.Value != "-" {
		file, err := os.Open(c.File.Value)
		if err != nil {
			return fmt.Errorf("read the trace: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	verdict, err := judge(in, c.Strict)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File.Value, err)
	}
	if c.JSON {
		printJSON(console.stdout, verdict)
	} else {
		verdict.print(console)
	}
	if len(verdict.Violations) > 0 {
		return statusViolated
	}
	return nil
}

// verdict is what came of a trace.
type verdict struct {
	Events     uint64          `json:"events"`
	Count      int             `json:"violations"` // all of them, more than are listed
	Hash       string          `json:"trace_hash"`
	Violations []jsonViolation `json:"first"`
	Notes      []jsonViolation `json:"notes"` // what a busy machine may be to blame for
}

type jsonViolation struct {
	Check  string  `json:"check"`
	Member string  `json:"member"`
	At     float64 `json:"at_s"`
	Text   string  `json:"text"`
}

// judge applies all checks to a trace.
func judge(in io.Reader, strict bool) (*verdict, error) {
	reader, err := trace.NewReader(in)
	if err != nil {
		return nil, err
	}
	header := reader.Header()
	judge, hash := check.New(header, sim.Numbers(header.Seed)), trace.Hash{}
	var event trace.Event
	for err = reader.Next(&event); err == nil; err = reader.Next(&event) {
		hash.Tell(&event)
		judge.Tell(&event)
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	v := &verdict{Events: hash.Events(), Hash: fmt.Sprintf("%016x", hash.Sum())}
	v.Violations, v.Notes = []jsonViolation{}, []jsonViolation{}
	excused := func(c *check.Check) bool { return c.Pacing && !header.Simulated && !strict }
	for _, c := range check.All() {
		if !excused(&c) {
			v.Count += judge.CountOf(c.Name)
		}
	}
	for _, found := range judge.Violations() {
		told := jsonViolation{found.Check, header.Members[found.Member], found.At.Seconds(), found.Text}
		if known, _ := check.Named(found.Check); excused(&known) {
			v.Notes = append(v.Notes, told)
		} else {
			v.Violations = append(v.Violations, told)
		}
	}
	return v, nil
}

func (v *verdict) print(console *console) {
	for _, note := range v.Notes {
		console.notef("note: %s, unless the machine was busy", note)
	}
	for _, violation := range v.Violations {
		fmt.Fprintf(console.stdout, "%s %s\n", console.out.bad("broken:"), violation)
	}
	if len(v.Violations) == 0 {
		fmt.Fprintf(console.stdout, "%s in %s, trace hash %s\n", console.out.good("no promise is broken"), plural(int(v.Events), "event"), v.Hash)
		return
	}
	fmt.Fprintf(console.stdout, "%s in %s\n", plural(v.Count, "violation"), plural(int(v.Events), "event"))
}

// String gives the violation as a line.
func (v jsonViolation) String() string {
	return fmt.Sprintf("%s: member %s at %.3fs: %s", v.Check, v.Member, v.At, v.Text)
}
