package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"chatterbox"
	"chatterbox/cluster"
	"chatterbox/job"
	"chatterbox/member"
)

// nodeCommand runs one member: the classic task's program.
type nodeCommand struct {
	Port     whole `short:"p" default:"3000" min:"1" max:"65535" help:"Listen port."`
	Host     text  `short:"h" default:"127.0.0.1" help:"Listen address."`
	Peers    text  `name:"peer-config-file" default:"peers.json" help:"The member list, the same file at every member; this one is found in it by host and port."`
	Insecure bool  `help:"Allow a listen address that is not loopback although there are no keys."`
	runFlags
	hiddenFlags

	members member.List
	self    member.ID
}

// Help shows how to use the command.
func (nodeCommand) Help() string {
	return `Prints one line, (COUNT,SCORE): the entries of all members, and the sum of i*m_i over them in their common order. Exit status: 0 complete, 2 something is missing, 3 failure.

Examples, with peers.json being ["127.0.0.1:3000", "127.0.0.1:3001", "127.0.0.1:3002"]:

    chatterbox node -p 3000 & chatterbox node -p 3001 & chatterbox node -p 3002
    chatterbox node -h 10.0.0.1 --insecure --send-for 60 --wait-for 10 --with-seed 7`
}

// contradictions reads the peers file too, so that its mistakes are told with
// those of the flags.
func (c *nodeCommand) contradictions(wrong *mistakes) {
	c.runFlags.contradictions(wrong)
	if c.Port.mistake() != "" || c.Host.mistake() != "" {
		return // it is not known who this is
	}
	if !c.Insecure && !isLoopback(c.Host.Value) {
		wrong.addf("--host %q: anybody who reaches this address could take part, for members have no keys yet: "+
			"listen on a loopback address such as 127.0.0.1, or allow it with --insecure", c.Host.Value)
	}
	if c.Peers.mistake() == "" {
		c.findSelf(wrong)
	}
	c.hiddenFlags.bind(c.members, wrong)
}

func (c *nodeCommand) findSelf(wrong *mistakes) {
	list, err := member.ReadList(c.Peers.Value)
	if err != nil {
		wrong.addf("--peer-config-file %q: %v", c.Peers.Value, err)
		return
	}
	c.members = list
	if c.self, err = list.Find(c.Host.Value, int(c.Port.Value)); err != nil {
		wrong.addf("--host %s --port %d: %v", c.Host.Value, c.Port.Value, err)
	}
}

// isLoopback says whether only this machine reaches the address.
func isLoopback(host string) bool {
	address := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || address != nil && address.IsLoopback()
}

// Run runs the member to its tuple.
func (c *nodeCommand) Run(console *console) error {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	listener, err := listen(c.members[c.self])
	if err != nil {
		return err
	}
	limitMemory(c.memoryBytes())
	screen := newScreen(console)
	cfg := c.job(console, screen, listener)
	cfg.Interrupt = interrupts
	watch, stop := c.watch(console, screen)
	cfg.Progress = watch
	var printed *job.Outcome
	cfg.Print = func(outcome *job.Outcome) {
		stop()
		printed = outcome
		c.print(console, outcome)
	}
	if err := c.record(&cfg); err != nil {
		return err
	}
	if err := job.Run(context.Background(), cfg); err != nil {
		stop()
		return err
	}
	if !printed.Complete {
		return statusPartial
	}
	return nil
}

// listen takes the port before anything else is begun.
func listen(self member.Member) (net.Listener, error) {
	listener, err := net.Listen("tcp", self.Address())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s; end the program that listens there, or choose another port here and in the peers file",
			self.Address(), cluster.PortInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; is it an address of this machine?", self.Address(), err)
	}
	return listener, nil
}

// memoryBytes gives the most that entries may take.
func (c *nodeCommand) memoryBytes() int { return int(c.Memory.Value) << 20 }

// memoryRestBytes is what all but the entries may take before the collector
// begins to work hard: by default a member stays below 300 MiB in all.
const memoryRestBytes = 64 << 20

// limitMemory sets the limit, unless the environment has set another one.
func limitMemory(entries int) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(entries) + memoryRestBytes)
	}
}

// job makes the run of the flags.
func (c *nodeCommand) job(console *console, screen *screen, listener net.Listener) job.Config {
	return job.Config{
		Node: chatterbox.Config{
			Members: c.members, Self: c.self, Listener: listener,
			Protocol: chatterbox.Protocol(c.Protocol.Value), BatchEntriesMax: int(c.Batch.Value),
			Tick: c.tick(c.Tick.Duration, c.self), DataDir: c.DataDir.Value, MemoryBytesMax: c.memoryBytes(),
			Impose: c.impose(c.self), Log: console.loggerAbove(screen, c.Verbose),
		},
		SendFor: c.SendFor.Duration, WaitFor: c.WaitFor.Duration,
		Seed: c.seed(console), Rate: c.Rate.Value, Messages: c.Messages.Value,
	}
}

// print writes the one line of data, and on stderr what is missing.
func (c *nodeCommand) print(console *console, outcome *job.Outcome) {
	switch {
	case c.JSON:
		printJSON(console.stdout, outcome)
	case c.Exact:
		fmt.Fprintf(console.stdout, "(%d,%s)\n", outcome.Count, outcome.Exact)
	default:
		fmt.Fprintf(console.stdout, "(%d,%s)\n", outcome.Count, outcome.Score)
	}
	if outcome.Complete {
		return
	}
	console.errorf("partial: the tuple counts what is held here, %s settled; missing is:", strconv.FormatUint(outcome.Settled.Count, 10))
	for _, reason := range outcome.Reasons {
		console.notef("  %s", reason)
	}
}
