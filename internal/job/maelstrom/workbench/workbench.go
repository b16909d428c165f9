// Package workbench is a small imitation of Maelstrom, to judge nodes where
// that is not at hand, and to judge what it does not look at.
//
// [Run] starts nodes, carries their messages with latency and by a failure
// map, plays clients, and gives a [Report]. The nodes are either processes,
// with pipes and real time, or [maelstrom.Node] values in virtual time, where
// the same seed gives the same run. What clients did and saw is judged as
// Maelstrom's checker set-full does (Jepsen's checker.clj), from which the
// latencies come; beyond it, values that nobody sent or that one read shows
// twice are violations, and so are lines that are too long.
//
// As in Maelstrom, clients are beside their nodes: their messages take no time
// and no failure hits them. A node that is killed comes back with nothing but
// the few messages that came meanwhile. Nodes are registered one after the
// other, the first of the list last, and a client that waited in vain is gone:
// whoever sends to somebody who is not registered is never heard again.
package workbench

import (
	"context"
	"fmt"
	"time"

	"chatterbox/internal/job/maelstrom"
	"chatterbox/internal/proof/failure"
)

// Workload is what the clients do: half of it writes, half reads; or all of it
// asks for identifiers.
type Workload string

// The workloads that can be judged.
const (
	Broadcast Workload = "broadcast"
	GSet      Workload = "g-set"
	UniqueIDs Workload = "unique-ids"
)

// writes returns the type of the request that puts a value in.
func (w Workload) writes() string {
	switch w {
	case GSet:
		return "add"
	case UniqueIDs:
		return "generate"
	}
	return "broadcast"
}

// Config is a run.
type Config struct {
	Nodes    int
	Workload Workload      // default Broadcast
	Clients  int           // each does one thing at a time; default Nodes
	Rate     float64       // operations per second of all clients together
	SendFor  time.Duration // how long they operate
	// Recover is how long all is well and quiet before the final reads.
	// Default 10 s, as in Maelstrom.
	Recover time.Duration
	Latency time.Duration // of messages between nodes
	// Exponential draws the latency of each message, with that mean.
	Exponential bool
	// Register is within what time nodes are registered. Default 1 s.
	Register time.Duration
	Map      failure.Map // what goes wrong while clients operate; node n0 is a, and so on
	Seed     uint64

	// Of the nodes, as maelstrom.Config has them; zero values are their defaults.
	Tick   time.Duration
	Copies int
	Strict bool
	Frugal bool
	// Program is what each node runs, with its arguments, as a process of its
	// own in real time. Empty: nodes in this process, in virtual time.
	Program []string
}

// Times and limits, as in Maelstrom.
const (
	timeoutAfter   = 5 * time.Second // a client that got no answer gives up
	recoverDefault = 10 * time.Second
	registerMax    = time.Second // from the first node that is registered to the last
	backlogMax     = 10          // messages of other nodes that wait for one that is down
	setupMax       = 20 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Workload == "" {
		c.Workload = Broadcast
	}
	if c.Clients == 0 {
		c.Clients = c.Nodes
	}
	if c.Recover == 0 {
		c.Recover = recoverDefault
	}
	if c.Register == 0 {
		c.Register = registerMax
	}
	return c
}

// Run runs the cluster to its end. An error means that there is nothing to
// judge: nodes that do not start or do not answer.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	b, err := newBench(cfg.withDefaults())
	if err != nil {
		return nil, err
	}
	if len(cfg.Program) > 0 {
		b.world = newProcesses(ctx, b, cfg.Program)
	} else {
		b.world = newVirtual(b)
	}
	err = b.run(ctx)
	if closing := b.world.close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("workbench: %w", err)
	}
	return b.report(), nil
}

// world is where nodes live.
type world interface {
	// start gives a node a new life, kill ends it, pause lets it stand still.
	start(node int) error
	kill(node int)
	pause(node int, on bool)
	// deliver hands a line to a node that runs.
	deliver(node int, line []byte)
	// wait lets time pass up to a moment or until a node says something, which
	// it routes, and gives the time.
	wait(until time.Duration) time.Duration
	// close ends all nodes in good order, and says which one did not obey.
	close() error
}

// node returns the configuration of a node in this process.
func (c Config) node(send func([]byte), random func() uint64) maelstrom.Config {
	return maelstrom.Config{Send: send, Random: random, Tick: c.Tick, Copies: c.Copies, Strict: c.Strict, Frugal: c.Frugal}
}
