package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"

	"chatterbox/maelstrom"
)

// maelstromCommand runs one member behind Maelstrom's protocol.
type maelstromCommand struct {
	Tick    milliseconds `name:"tick-duration" default:"100" min:"1ms" max:"10s" help:"How long operations gather before they go to all others; all other times follow it. More is fewer messages, less is faster. A bare number is in milliseconds."`
	Copies  whole        `default:"2" min:"1" max:"64" help:"How many nodes hold a value before its client has the answer."`
	Verbose bool         `short:"v" help:"Log what happens to stderr."`
}

// Help says how Maelstrom is told to use the command.
func (maelstromCommand) Help() string {
	return `Speaks Maelstrom's JSON lines on stdin and stdout, for the workloads echo, unique-ids, broadcast and g-set. Maelstrom starts it:

    maelstrom test -w broadcast --bin chatterbox --node-count 25 --time-limit 20 --rate 100 --latency 100 -- maelstrom`
}

// Run runs the member until stdin ends.
func (c *maelstromCommand) Run(console *console) error {
	return maelstrom.Run(context.Background(), maelstrom.Config{
		Tick: c.Tick.Duration, Copies: int(c.Copies.Value), Random: randomNumber, Log: console.logger(c.Verbose),
	}, console.stdin, console.stdout)
}

// randomNumber draws what must differ between any two lives.
func randomNumber() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}
