package maelstrom

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/delta"
	"chatterbox/replica"
	"chatterbox/wire"
)

// cluster is what a node is once it was told who takes part: a member.
type cluster struct {
	names    []string // in the order of init, the same at every node
	places   map[string]member.ID
	self     member.ID
	identity member.Identity

	reducer protocol.Reducer
	replica *replica.Replica
	builder *wire.Builder
	message protocol.Message // reused for what comes in
	agreed  bool             // all nodes have met and know who writes where
	reader  bool             // an earlier life writes at this place: this one only reads

	entries entries
	streams []stream
	peers   []peer

	wishes  []wish
	wanted  map[string]bool // their values
	waiting []waiting
	carrier int // whose turn it is to carry wishes

	witnesses member.Set // who is asked to say at once what it holds
	witness   int        // where in the list they begin
	turnedAt  time.Duration

	roundAt time.Duration // when the next round is due
}

// stream is what is held of one member's stream.
type stream struct {
	life member.Identity
	have uint64
}

const (
	batchBytesMax = ValueBytesMax
	bufferBytes   = 64 << 10
	buffersKept   = 1
)

// join makes the node a member. Times of the reducer follow the rounds: what
// it does with a tick, it does with a round.
func (n *Node) join(self string, names []string) {
	c := &cluster{
		names: slices.Clone(names), places: make(map[string]member.ID),
		entries: entries{places: make(map[string]place)}, wanted: make(map[string]bool),
		streams: make([]stream, len(names)), peers: make([]peer, len(names)),
		roundAt: n.now,
	}
	for i, name := range names {
		c.places[name] = member.ID(i)
		c.peers[i].have = make([]uint64, len(names))
	}
	c.self = c.places[self]
	for c.identity == 0 {
		c.identity = member.Identity(n.cfg.Random())
	}
	c.reducer = delta.New(delta.Config{
		Self: c.self, Members: len(names), Identity: c.identity, Datagram: true, KeepAll: true,
		Tick: reducerTicks * n.cfg.Tick, KeepAlive: keepAliveTicks * n.cfg.Tick,
		MessageBytesMax: messageBytesMax, MemoryBytesMax: memoryBytesMax,
	})
	c.replica = replica.New(c.reducer, nil, sender{n}, c, c)
	c.builder = wire.NewBuilder(protocol.NewPool(bufferBytes, buffersKept), batchBytesMax)
	n.cluster = c
}

func (c *cluster) name() string { return c.names[c.self] }

// Deliver has nothing to do: reads do not wait until entries have settled.
func (c *cluster) Deliver([]protocol.Batch) {}

// Reset cannot happen, for nobody trims what a snapshot would stand for.
func (c *cluster) Reset(snapshot *protocol.Snapshot) {
	panic(fmt.Sprintf("maelstrom: a snapshot at %s, though everything is kept", snapshot.Time))
}

// round does all that is sent to everybody: it puts wishes into the log or has
// them carried, and lets the reducer tell each peer what it lacks.
func (n *Node) round() {
	c := n.cluster
	n.step(protocol.Event{Kind: protocol.Tick})
	n.lookAround()
	n.giveUp()
	n.chooseWitnesses()
	switch {
	case c.agreed && !c.reader:
		n.fulfil()
	case c.agreed:
		n.carry()
	}
	if err := c.replica.Flush(n.now); err != nil {
		panic(err) // there is no journal that could fail
	}
	ticks := time.Duration(roundTicks)
	if !c.agreed {
		ticks = 1 // the sooner all have met, the sooner anybody can write
	}
	c.roundAt = n.now + ticks*n.cfg.Tick
}

// hurry has the next round soon; at once if there is nobody to wait for.
func (n *Node) hurry() {
	soon := n.now + n.cfg.Tick
	if len(n.cluster.names) == 1 {
		soon = n.now
	}
	n.cluster.roundAt = min(n.cluster.roundAt, soon)
}

// lookAround notices that all have met; from then on it is certain who writes.
func (n *Node) lookAround() {
	c := n.cluster
	if c.agreed {
		return
	}
	status := c.reducer.Status()
	c.agreed, c.reader = status.Agreed, status.Reader
	if c.agreed {
		n.cfg.Log.Info("all nodes have met", "node", c.name(), "life", c.identity, "writes", !c.reader)
	}
}

func (n *Node) step(event protocol.Event) {
	event.Now = n.now
	if err := n.cluster.replica.Step(event); err != nil {
		panic(err) // there is no journal that could fail
	}
}
