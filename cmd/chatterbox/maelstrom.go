package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"

	"chatterbox/internal/job/maelstrom"

	"chatterbox/internal/cli"
)

// maelstromCommand runs one member behind Maelstrom's protocol.
type maelstromCommand struct {
	Tick    cli.Milliseconds `name:"tick-duration" default:"100" min:"1ms" max:"10s" help:"How long operations gather before they go to all others; all other times follow it. More is fewer messages, less is faster. A bare number is in milliseconds."`
	Copies  cli.Whole        `default:"2" min:"1" max:"64" help:"How many nodes hold a value before its client has the answer."`
	Strict  bool             `help:"Answer with an error of unknown outcome (code 0) rather than with fewer copies. Without it a node that reaches nobody answers after 20 ticks all the same, or four seconds."`
	Frugal  bool             `help:"Send values by way of one node that gathers, another one each turn: a sixth of the messages, a hop later. With five nodes or more."`
	Verbose bool             `short:"v" help:"Log what happens to stderr."`
}

// Help returns how Maelstrom is told to use the command.
func (maelstromCommand) Help() string {
	return `Speaks Maelstrom's JSON lines on stdin and stdout, for the workloads echo, unique-ids, broadcast and g-set. Maelstrom starts it:

    maelstrom test -w broadcast --bin chatterbox --node-count 25 --time-limit 20 --rate 100 --latency 100 -- maelstrom`
}

// Run runs the member until stdin ends.
func (c *maelstromCommand) Run(console *cli.Console) error {
	ctx, _ := console.Interruptible()
	_, done, err := cli.Until(ctx, func() (struct{}, error) {
		return struct{}{}, maelstrom.Run(context.Background(), maelstrom.Config{
			Tick: c.Tick.Duration, Copies: int(c.Copies.Value), Strict: c.Strict, Frugal: c.Frugal, Random: randomNumber, Log: console.Logger(c.Verbose),
		}, console.Stdin, console.Stdout)
	})
	if !done {
		return cli.ErrInterrupted
	}
	return err
}

// randomNumber draws what must differ between any two lives.
func randomNumber() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
