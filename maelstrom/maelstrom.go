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
// What a client gives is a wish until it is held. At the next round a member
// that writes puts its wishes into the log as one batch; one that came back
// without its data cannot write, and has another member carry them. The client
// has its answer once enough members hold the value, so that no answer is worth
// less after a crash. Rounds are rare, for each is a message to every peer: one
// follows a while after a wish, else the rows of the last one had to be news.
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

	messageBytesMax = 20 << 10  // of batches or carried values in a line
	wishesMax       = 4096      // values that wait for a place in the log
	memoryBytesMax  = 512 << 20 // of batches that an absent peer lacks
)

// Times, in ticks.
const (
	roundTicks     = 8  // from one round to the next when there is only news
	reducerTicks   = 4  // what the reducer takes for a tick: it judges losses and quiet peers by it
	keepAliveTicks = 16 // from one sign of life to the next when there is none
	heardTicks     = 32 // a peer that was not heard for longer is not relied on
	carryTicks     = 16 // from asking one member to carry a wish to asking another
	patienceTicks  = 30 // a wish that nobody was asked to carry is refused after so many
)

// Config is all that a node is made of.
type Config struct {
	// Send takes a line for stdout, without its newline; it is lent for the call.
	Send func(line []byte)
	// Random draws the identity of this life.
	Random func() uint64
	// Tick is how long wishes gather before a round; all other times are
	// counted in it. Default 100 ms: with 25 nodes and 100 ms between them
	// it costs half of the messages that Gossip Glomers 3e allows.
	Tick time.Duration
	// Copies is how many members hold a value, this one included, before the
	// client has its answer. Default 2: whoever is killed, somebody has it.
	Copies int
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

// Check says what is wrong with the configuration, if anything is.
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
}

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
	n.now = max(n.now, now)
	m, err := parse(line)
	if err != nil {
		n.cfg.Log.Warn("a line was ignored", "error", err)
		return
	}
	n.dispatch(m)
	n.answer()
}

// Due gives when the node wants to be woken at the latest; false means that
// only a line can wake it.
func (n *Node) Due() (time.Duration, bool) {
	if n.cluster == nil {
		return 0, false
	}
	return n.cluster.roundAt, true
}

// Wake lets the node do what has become due.
func (n *Node) Wake(now time.Duration) {
	n.now = max(n.now, now)
	if n.cluster != nil && n.now >= n.cluster.roundAt {
		n.round()
		n.answer()
	}
}
