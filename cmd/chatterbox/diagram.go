package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"chatterbox/internal/cli"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/diagram"
	"chatterbox/internal/term"
)

// diagramCommand draws the trace of a simulated or real cluster.
type diagramCommand struct {
	File   cli.Text   `arg:"" name:"file" help:"The trace, JSON lines; - is stdin."`
	Around cli.Text   `placeholder:"PLACE" help:"Draw only what matters around a position in the order (120), an entry (c/7), a time (1.5s), or a broken promise: the name of a check, or violation for the first one."`
	Format cli.Choice `placeholder:"svg" oneof:"svg,html,shiviz,perfetto" help:"svg, a picture; html, a page to move through; shiviz; or perfetto, for chrome://tracing too. If not given, what the file's name ends with."`
	Output cli.Text   `short:"o" required:"" placeholder:"FILE" help:"Where the diagram goes; - is stdout."`
}

// Help shows how to use the command.
func (diagramCommand) Help() string {
	return `Members are lines, frames are arrows between them, lost ones end in a cross; bars last from when a member held a batch until it settled there; what is cut is hatched. A run too large to draw is thinned, which is said on stderr and in the diagram. Exit status: 0 drawn, 2 drawn, but the trace ends early, 3 failure.

Examples:

    chatterbox sim --seed 7 --failure-map halves-cut-and-healed-agree --trace run.jsonl
    chatterbox diagram run.jsonl -o run.html
    chatterbox diagram run.jsonl --around c/7 -o entry.svg
    chatterbox diagram broken.jsonl --around violation -o why.svg
    chatterbox diagram run.jsonl --format shiviz -o run.log`
}

// Contradictions finds what does not fit together, and chooses the format.
func (c *diagramCommand) Contradictions(wrong *cli.Mistakes) {
	if c.Around.Value != "" {
		if err := diagram.CheckPlace(c.Around.Value); err != nil {
			wrong.Addf("--around %v", err)
		}
	}
	if c.Format.Value != "" || c.Format.Mistake() != "" {
		return
	}
	switch ending := strings.ToLower(filepath.Ext(c.Output.Value)); ending {
	case ".svg", "":
		c.Format.Value = "svg"
	case ".html", ".htm":
		c.Format.Value = "html"
	case ".json":
		c.Format.Value = "perfetto"
	default:
		wrong.Addf("--output %q: its ending tells no format: end it with .svg, .html or .json, or give --format svg, html, shiviz or perfetto", c.Output.Value)
	}
}

// Run reads the trace and draws it.
func (c *diagramCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	in, err := openTrace(console, c.File.Value)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	var out io.Writer = console.Stdout
	if c.Output.Value != "-" {
		side, err := console.SideFile("--output", c.Output.Value)
		if err != nil {
			return err
		}
		out = side
	}
	var early error
	run, done, err := cli.Until(ctx, func() (run *diagram.Run, err error) {
		run, early, err = readRun(ctx, console, in)
		return run, err
	})
	switch {
	case !done:
		return cli.ErrInterrupted
	case err != nil:
		return fmt.Errorf("%s: %w", c.File.Value, err)
	}
	view := run.Whole()
	if c.Around.Value != "" {
		if view, err = run.Around(c.Around.Value); err != nil {
			return fmt.Errorf("--around %w", err)
		}
	}
	notice, err := draw(c.Format.Value, out, run, view)
	if err != nil {
		return err
	}
	if notice != "" {
		console.Notef("note: the diagram %s", notice)
	}
	if early != nil {
		console.Notef("note: %s: %v: drawn as far as it goes", c.File.Value, early)
		return cli.Partial
	}
	return nil
}

// draw writes a view in a format.
func draw(format string, out io.Writer, run *diagram.Run, view diagram.View) (notice string, err error) {
	switch format {
	case "html":
		return diagram.Page(out, run, view)
	case "shiviz":
		return diagram.ShiViz(out, run, view)
	case "perfetto":
		return diagram.Perfetto(out, run, view)
	default:
		return diagram.SVG(out, run, view)
	}
}

// eventsEach is after how many events it is looked whether somebody interrupts,
// and how far the reading is.
const eventsEach = 1 << 12

// readRun reads a trace; early says how it ends early, if it does.
func readRun(ctx context.Context, console *cli.Console, in io.Reader) (run *diagram.Run, early, err error) {
	reader, err := trace.NewReader(in)
	if err != nil {
		return nil, nil, err
	}
	screen := console.Screen()
	defer screen.Clear()
	builder := diagram.NewBuilder(reader.Header(), sim.Numbers(reader.Header().Seed))
	var event trace.Event
	for events := 1; ; events++ {
		switch err := reader.Next(&event); {
		case errors.Is(err, io.EOF):
			return builder.Run(), nil, nil
		case errors.Is(err, trace.ErrIncomplete):
			return builder.Run(), err, nil
		case err != nil:
			return nil, nil, err
		}
		builder.Tell(&event)
		if events%eventsEach != 0 {
			continue
		}
		if ctx.Err() != nil {
			return nil, nil, cli.ErrInterrupted
		}
		if screen.Due() {
			screen.Draw([]string{"reading: " + term.Grouped(uint64(events)) + " events"})
		}
	}
}

// pictureBeside names the picture of the run that is saved as a case.
func pictureBeside(path string) string {
	ending := filepath.Ext(path)
	if ending == ".svg" {
		ending = "" // the case itself is called so
	}
	return strings.TrimSuffix(path, ending) + ".svg"
}

// drawFailure runs a failing run again and draws what led to its violation.
func drawFailure(out io.Writer, config sim.Config, broken string) error {
	header, err := sim.Prepare(config)
	if err != nil {
		return err
	}
	builder := diagram.NewBuilder(header, sim.Numbers(header.Seed))
	config.Sink = builder
	if _, err := sim.Run(config); err != nil {
		return err
	}
	run := builder.Run()
	view, err := run.Around(broken)
	if err != nil { // a panic is no check
		view = run.Whole()
		view.Title, view.Bad = "Broken: "+broken, true
	}
	_, err = diagram.SVG(out, run, view)
	return err
}
