package main

import (
	"context"
	"fmt"
	"time"

	"chatterbox/internal/cli"
	"chatterbox/internal/serve"
	"chatterbox/internal/serve/client"
	"chatterbox/internal/show/board"
)

// topCommand watches how a member is.
type topCommand struct {
	remote
	Every cli.Seconds `default:"1" min:"100ms" max:"1h" help:"How often the member is asked. A bare number is seconds."`
	Once  bool        `help:"Ask once, print, and end."`
}

// Help shows how to use the command.
func (topCommand) Help() string {
	return `On a terminal the figures are drawn over themselves, cut to its size, and what happens is said above them. Where stdout is something else, each answer is a block of lines, with an empty line after it. A member that does not answer any more is asked again; an interrupt ends it.

Examples:

    chatterbox top --http 127.0.0.1:8000
    chatterbox top --http 127.0.0.1:8000 --every 10 >>how-it-was.txt`
}

// Run watches until it is interrupted.
func (c *topCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	from, err := c.client()
	if err != nil {
		return err
	}
	screen := console.Screen()
	defer screen.Clear()
	style := console.Talk
	var printed func(lines []string)
	gone := false // whoever reads stdout
	if c.Once || !console.Seen {
		style = console.Out
		printed = func(lines []string) {
			for _, line := range lines {
				_, err := fmt.Fprintln(console.Stdout, line)
				gone = gone || err != nil
			}
			if !c.Once {
				fmt.Fprintln(console.Stdout)
			}
		}
	}
	top := board.NewTop(screen, style, printed)
	ticker := time.NewTicker(c.Every.Duration)
	defer ticker.Stop()
	for first := true; ; first = false {
		status, err := ask(ctx, from)
		switch {
		case ctx.Err() != nil:
			return cli.ErrInterrupted
		case err != nil && first:
			return err
		case err != nil:
			top.Lost(err, time.Now())
		default:
			top.Show(&status, time.Now())
		}
		if c.Once || gone {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return cli.ErrInterrupted
		}
	}
}

// ask asks a member how it is.
func ask(ctx context.Context, from *client.Client) (serve.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	return from.Status(ctx)
}
