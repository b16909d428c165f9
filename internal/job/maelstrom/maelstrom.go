// Package maelstrom runs a member behind Maelstrom's JSON lines: one more
// world for the same reducers, which outside tools can judge.
//
// A [Node] is given lines and the time, and gives lines back; it starts no
// goroutine and knows no clock. [Run] drives one with stdin and stdout. What
// clients broadcast or add are the payloads of the log, and a read shows all
// that is held, settled or not, as soon as another member holds it too; both
// workloads are about sets, so a value that came twice is shown once.
// docs/maelstrom.md has the messages and figures.
//
// Start reading at client.go, where requests come in. A member that writes puts
// their values into the log (wish.go), one that does not yet, or never will,
// puts them on the shelf (shelf.go); entries.go knows how many members hold
// each. Members say what they have to say in rounds (cluster.go): as letters,
// which go straight to their receivers or by way of the office, a member that
// gathers for all and is another one each time (post.go).
package maelstrom

import (
	"fmt"
	"log/slog"
	"time"
)

// Limits of a node.
const (
	// LineBytesMax is the longest line that goes to another node, in bytes.
	LineBytesMax = 64 << 10
	// NodesMax is how many nodes a cluster has at most: their rows, all in one
	// message, leave room for batches in a line.
	NodesMax = 64
	// ValueBytesMax is the longest value, in bytes of JSON.
	ValueBytesMax = 16 << 10

	messageBytesMax = 20 << 10  // of batches in a letter
	wishesMax       = 4096      // values that wait for a place in the log
	memoryBytesMax  = 512 << 20 // of batches that an absent peer lacks
)

// Times, in ticks.
const (
	reducerTicks   = 4  // what the reducer takes for a tick: it judges losses and quiet peers by it
	keepAliveTicks = 50 // from one sign of life to the next when there is nothing else to say
	heardTicks     = 64 // a peer that was not heard for longer is not relied on
	pauseTicks     = 8  // from one round to the next when there is only news for the protocol
	frugalTicks    = 12 // the same for frugal nodes
	pauseTicksMax  = 32 // the same when that brought nothing new, again and again
	adoptTicks     = 30 // a value on the shelf that its owner did not put into the log by then others do
	patienceTicks  = 20 // how long a client waits for copies
	kindTicks      = 15 // how long a reader waits for others to know what clients ask for
)

// Clients give up after five seconds, and whoever answers later is not heard
// any more.
const (
	answerMax = 4 * time.Second         // by then a client has an answer, or an error that leaves the outcome open
	silentMax = 4500 * time.Millisecond // from then on it gets neither
)

// Config is all that a node is made of.
type Config struct {
	// Send takes a line for stdout, without its newline; the line is valid
	// during the call only.
	Send func(line []byte)
	// Random draws the identity of this life.
	Random func() uint64
	// Tick is how long values gather before they go out; all other times are
	// counted in it. Default 100 ms: with 25 nodes and 100 ms between them it
	// costs half of the messages that Gossip Glomers 3e allows.
	Tick time.Duration
	// Copies is how many members hold a value, this one included, before the
	// client has its answer. Default 2: whoever is killed, somebody has it.
	Copies int
	// Strict says that a client has an error of unknown outcome, and no answer,
	// when that many copies cannot be had in time. Otherwise it has its answer
	// even from a node that is alone.
	Strict bool
	// Frugal has values go by way of the office, so that far fewer messages
	// carry them, and a hop later.
	Frugal bool
	// Log gets what happens to the node. Default: nothing.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Tick == 0 {
		c.Tick = 100 * time.Millisecond
	}
	if c.Copies == 0 {
		c.Copies = 2
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// ticks returns how long so many ticks take.
func (c *Config) ticks(n float64) time.Duration { return time.Duration(n * float64(c.Tick)) }

// pause returns the ticks from one round to the next when there is only news for
// the protocol.
func (c *Config) pause() int {
	if c.Frugal {
		return frugalTicks
	}
	return pauseTicks
}

// patience is how long a client waits for copies.
func (c *Config) patience() time.Duration {
	if c.Strict {
		return answerMax
	}
	return min(c.ticks(patienceTicks), answerMax)
}

// Check returns what is wrong with the configuration, if anything is.
func (c Config) Check() error {
	c = c.withDefaults()
	switch {
	case c.Send == nil || c.Random == nil:
		return fmt.Errorf("maelstrom: Send and Random are needed")
	case c.Tick < time.Millisecond:
		return fmt.Errorf("maelstrom: a tick of %s: use 1ms or more", c.Tick)
	case c.Copies < 1 || c.Copies > NodesMax:
		return fmt.Errorf("maelstrom: %d copies: use 1 to %d", c.Copies, NodesMax)
	}
	return nil
}

// Node is one member. It is owned by one goroutine. Times are counted from any
// moment on and never fall.
type Node struct {
	cfg     Config
	now     time.Duration
	cluster *cluster // nil before the init message
	kind    kind     // what reads are asked for
	issued  uint64   // identifiers given to clients
	sleep   sleep
}

// sleep is a time in which the node was not woken though it was due, as when
// its process is stopped: what comes right after it may have waited all along.
type sleep struct {
	from, until time.Duration
}

const (
	pulse      = time.Second            // a node is woken at least so often
	napMin     = time.Millisecond       // and no sooner than that after the last time
	sleepMin   = 500 * time.Millisecond // less is a busy machine
	startWait  = time.Second            // what comes right after a start may have waited so long, or even longer
	afterwards = 200 * time.Millisecond // so long what comes may have waited
)

// New makes a node that waits for its init message. It panics if the
// configuration is wrong, see [Config.Check].
func New(cfg Config) *Node {
	if err := cfg.Check(); err != nil {
		panic(err)
	}
	return &Node{cfg: cfg.withDefaults()}
}

// Receive takes in a line. What is no message is logged; nothing stops a node.
func (n *Node) Receive(now time.Duration, line []byte) {
	n.pass(now)
	m, err := parse(line)
	if err != nil {
		n.cfg.Log.Warn("a line was ignored", "error", err)
		return
	}
	m.asked = n.now
	if n.now < n.sleep.until {
		m.asked = n.sleep.from
	}
	n.dispatch(m)
	n.act()
}

// Due returns when the node wants to be woken at the latest; false means that
// only a line can wake it.
func (n *Node) Due() (time.Duration, bool) {
	if n.cluster == nil {
		return 0, false
	}
	return min(n.cluster.woken+pulse, max(n.dueAt(), n.now+napMin)), true
}

// Wake lets the node do what has become due.
func (n *Node) Wake(now time.Duration) {
	n.pass(now)
	n.act()
}

// pass takes in the time, and notices when the node has slept.
func (n *Node) pass(now time.Duration) {
	if due, ok := n.Due(); ok && now-due >= sleepMin {
		n.sleep = sleep{from: due, until: now + afterwards}
	}
	n.now = max(n.now, now)
	if n.cluster != nil {
		n.cluster.woken = n.now
	}
}
