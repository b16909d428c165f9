package maelstrom

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/wire"
)

// cluster is what a node is once it was told who takes part: a member.
type cluster struct {
	names    []string // in the order of init, the same at every node
	places   map[string]member.ID
	self     member.ID
	identity member.Identity

	reducer  protocol.Reducer
	driver   *driver.Driver
	builder  *wire.Builder
	message  protocol.Message // reused for what comes in
	agreed   bool             // all nodes have met and know who writes where
	agreedAt time.Duration
	reader   bool // an earlier life writes at this place: this one only reads

	entries entries
	streams []stream
	shelf   shelf
	peers   []peer

	wishes  []string // values that are wanted in the log and are not there
	wanted  map[string]bool
	waiting []waiting
	readers []*message

	spokenTo  spokenTo
	witnesses member.Set // who is asked to say at once what it holds
	witness   int        // where in the list they begin
	turnedAt  time.Duration

	greeted bool // somebody spoke to this member, so that it may speak to others
	woken   time.Duration
	pace    pace
	fresh   bool // something came since the last round
	out     []letter
	post    post
}

// stream is what is held of one member's stream.
type stream struct {
	life member.Identity
	have uint64
}

// pace says when the next round is due.
type pace struct {
	urgent time.Duration // since when values wait for a round; never: none does
	brisk  time.Duration // since when somebody waits for more than values
	last   time.Duration // the last round
	pause  int           // ticks from there to the next one if there is only news
}

// never is later than anything.
const never = time.Duration(1<<63 - 1)

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
		entries: entries{byKey: make(map[string]*entry)}, wanted: make(map[string]bool), shelf: make(shelf),
		streams: make([]stream, len(names)), peers: make([]peer, len(names)),
		woken: n.now, pace: pace{urgent: never, brisk: never, last: n.now, pause: n.cfg.pause()},
		post: newPost(len(names)),
	}
	n.sleep = sleep{from: n.now - startWait, until: n.now + afterwards}
	for i, name := range names {
		c.places[name] = member.ID(i)
		c.peers[i] = peer{have: make([]uint64, len(names)), shelved: newShelved()}
	}
	c.self = c.places[self]
	c.identity = member.NewIdentity(n.now.Milliseconds(), n.cfg.Random())
	c.reducer = delta.New(delta.Config{
		Self: c.self, Members: len(names), Identity: c.identity, Datagram: true, KeepAll: true,
		Tick: n.cfg.ticks(reducerTicks), KeepAlive: n.cfg.ticks(keepAliveTicks),
		MessageBytesMax: messageBytesMax, MemoryBytesMax: memoryBytesMax,
	})
	c.driver = driver.New(driver.Config{
		Reducer: c.reducer, Sender: sender{n}, App: c, Observer: c, Source: wishes{n},
	})
	c.builder = wire.NewBuilder(protocol.NewPool(bufferBytes, buffersKept), batchBytesMax)
	n.cluster = c
	n.lookAround()
}

func (c *cluster) name() string { return c.names[c.self] }

// Reset cannot happen, for nobody trims what a snapshot would stand for.
func (c *cluster) Reset(snapshot *protocol.Snapshot) {
	panic(fmt.Sprintf("maelstrom: a snapshot at %s, though everything is kept", snapshot.Time))
}

// greet notes that somebody spoke to this member. Before, a node must not say
// anything to others: they may not be there yet, and Maelstrom does not listen
// any more to who speaks to somebody who is not.
func (n *Node) greet() {
	if c := n.cluster; !c.greeted {
		c.greeted = true
		c.post.since = n.now
		n.brisk()
	}
}

// hurry has values leave soon, brisk what others need to know of this member.
func (n *Node) hurry() { n.cluster.pace.urgent = min(n.cluster.pace.urgent, n.now) }

func (n *Node) brisk() { n.cluster.pace.brisk = min(n.cluster.pace.brisk, n.now) }

// round has the reducer take the wishes and say what each peer lacks, and the
// shelf, too. The letters are in c.out.
func (n *Node) round() {
	c := n.cluster
	c.out = c.out[:0]
	n.step(protocol.Event{Kind: protocol.Tick})
	n.lookAround()
	n.chooseWitnesses()
	if n.writes() {
		n.adopt()
	}
	if _, err := c.driver.End(n.now); err != nil {
		panic(err) // there is no journal that could fail
	}
	n.dropHeld()
	n.addShelf()
	c.clear()
	if c.pace.pause = min(2*c.pace.pause, pauseTicksMax); c.fresh || n.uneven() {
		c.pace.pause = n.cfg.pause()
	}
	c.fresh = false
	c.pace.urgent, c.pace.brisk, c.pace.last = never, never, n.now
	if len(c.wishes) > 0 && c.reducer.Room() > 0 {
		n.hurry()
	}
}

// uneven reports whether this member and one that it hears are not known to hold
// the same.
func (n *Node) uneven() bool {
	c := n.cluster
	for i := range c.peers {
		if id := member.ID(i); id == c.self || !n.hears(id) {
			continue
		}
		if len(c.shelf) > 0 && c.differs(&c.peers[i]) {
			return true
		}
		for j, have := range c.peers[i].have {
			if have != c.streams[j].have {
				return true
			}
		}
	}
	return false
}

// addShelf puts the news of the shelf into the letters.
func (n *Node) addShelf() {
	c := n.cluster
	for i := range c.peers {
		to := member.ID(i)
		if to == c.self {
			continue
		}
		news := n.shelfFor(to)
		if news == nil {
			continue
		}
		at := slices.IndexFunc(c.out, func(l letter) bool { return l.To == c.names[to] })
		if at < 0 {
			at = len(c.out)
			c.out = append(c.out, n.letterTo(to))
		}
		c.out[at].Shelf = news
		c.out[at].Witness = c.out[at].Witness || len(news.Adds) > 0 && c.witnesses.Has(to)
	}
}

func (n *Node) letterTo(to member.ID) letter {
	return letter{From: n.cluster.name(), To: n.cluster.names[to], Reads: n.kind}
}

// sender carries out what the driver wants to have sent.
type sender struct{ n *Node }

// Send puts a message of the protocol into a letter.
func (s sender) Send(envelope protocol.Envelope) {
	c, l := s.n.cluster, s.n.letterTo(envelope.To)
	l.Frame = wire.AppendFrame(nil, envelope.Message)
	for i := range envelope.Message.Batches {
		if envelope.Message.Batches[i].Origin == c.self && c.witnesses.Has(envelope.To) {
			l.Witness = true
		}
	}
	c.out = append(c.out, l)
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
		c.agreedAt = n.now
		n.brisk()
		n.cfg.Log.Info("all nodes have met", "node", c.name(), "life", c.identity, "writes", !c.reader)
	}
}

func (n *Node) step(event protocol.Event) {
	event.Now = n.now
	if err := n.cluster.driver.Take(event); err != nil {
		panic(err) // there is no journal that could fail
	}
}
