package maelstrom

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// letter is what one member tells another, whatever way it goes.
type letter struct {
	From    string     `json:"from"`
	To      string     `json:"to"`
	Frame   []byte     `json:"frame,omitempty"`   // a message of the protocol, as a frame of package wire
	Witness bool       `json:"witness,omitempty"` // the receiver is asked to say at once what it holds
	Reads   kind       `json:"reads,omitempty"`   // what the sender's clients ask for
	Shelf   *shelfNews `json:"shelf,omitempty"`
}

// heldBody is a witness's answer.
type heldBody struct {
	Type    string `json:"type"`
	By      string `json:"by"`      // the life that says it
	Life    string `json:"life"`    // whose values it is about: the receiver's
	Have    uint64 `json:"have"`    // how many entries of its stream the sender holds
	Shelved uint64 `json:"shelved"` // and how many of its shelf
}

// peer is what is known of another node.
type peer struct {
	identity member.Identity
	past     []member.Identity // lives before; what still comes from them says nothing
	heard    time.Duration
	have     []uint64 // per stream: entries that it is known to hold
	shelved  shelved
}

// holds reports whether the peer is known to hold an entry.
func (p *peer) holds(e *entry) bool {
	return e.seq > 0 && p.have[e.stream] >= e.seq || e.number > 0 && p.shelved.has[e.life] >= e.number
}

func (p *peer) has(stream member.ID, have uint64) {
	if int(stream) < len(p.have) {
		p.have[stream] = max(p.have[stream], have)
	}
}

// onPeer takes in what another node says.
func (n *Node) onPeer(m *message) {
	from, ok := n.cluster.places[m.Src]
	if !ok || from == n.cluster.self {
		n.refuse(m, codeNotSupported, "%s: only other nodes of the cluster say this", m.Type.name)
		return
	}
	var err error
	switch m.Type.name {
	case typeBag:
		err = n.onBag(m, from)
	case typeHeld:
		err = n.onHeld(m, from)
	}
	if err != nil {
		n.cfg.Log.Warn("a message was ignored", "from", m.Src, "error", err)
	}
}

// open takes in a letter.
func (n *Node) open(from member.ID, l *letter) error {
	c := n.cluster
	if l.Frame != nil {
		if err := n.onFrame(from, l); err != nil {
			return err
		}
	}
	if n.kind == "" && (l.Reads == kindMessages || l.Reads == kindValue) {
		n.kind = l.Reads
	}
	if l.Shelf != nil {
		if err := n.onShelf(from, l.Shelf); err != nil {
			return err
		}
	}
	if p := &c.peers[from]; l.Witness && p.identity != 0 {
		held := heldBody{Type: typeHeld, By: c.identity.String(), Life: p.identity.String()}
		if s := c.streams[from]; s.life == p.identity {
			held.Have = s.have
		}
		if l := c.shelf[p.identity]; l != nil {
			held.Shelved = l.end()
		}
		n.tell(from, held)
	}
	return nil
}

// onFrame takes in a message of the protocol.
func (n *Node) onFrame(from member.ID, l *letter) error {
	c := n.cluster
	kind, frame, rest, err := wire.CutFrame(l.Frame, wire.FrameBytesMax)
	if err != nil {
		return err
	}
	if kind != wire.KindMessage || len(rest) > 0 {
		return fmt.Errorf("not one whole message of the protocol")
	}
	if err := wire.DecodeMessage(frame, &c.message); err != nil {
		return err
	}
	if c.message.From != from {
		return fmt.Errorf("a message of member %d, not of %s", c.message.From, l.From)
	}
	if c.message.Snapshot != nil {
		return fmt.Errorf("a snapshot, though no node forgets anything")
	}
	if slices.Contains(c.peers[from].past, c.message.Identity) {
		return nil // it came late
	}
	n.learn(from)
	n.step(protocol.Event{Kind: protocol.Receive, Peer: from, Message: &c.message})
	n.lookAround()
	return nil
}

// learn notes what the message in c.message tells of its sender. Another life
// of it holds nothing of what the one before held.
func (n *Node) learn(from member.ID) {
	m, p := &n.cluster.message, &n.cluster.peers[from]
	if p.identity != m.Identity {
		if p.identity != 0 {
			p.past = append(p.past, p.identity)
		}
		p.identity = m.Identity
		p.shelved = newShelved()
		clear(p.have)
		n.brisk() // it waits for who knows more
	}
	p.heard = n.now
	for i := range m.Rows {
		if row := &m.Rows[i]; row.Member == from && row.Identity == m.Identity {
			for _, mark := range row.Marks {
				p.has(mark.Stream, mark.Have)
			}
		}
	}
	for i := range m.Batches {
		p.has(m.Batches[i].Origin, m.Batches[i].Last())
	}
}

// onHeld takes a witness's word, if it is about this life and from the present one.
func (n *Node) onHeld(m *message, from member.ID) error {
	body, err := fields[heldBody](m)
	c := n.cluster
	if p := &c.peers[from]; err == nil && body.Life == c.identity.String() && body.By == p.identity.String() {
		p.has(c.self, body.Have)
		if p.shelved.has == nil {
			p.shelved.has = make(map[member.Identity]uint64)
		}
		p.shelved.has[c.identity] = max(p.shelved.has[c.identity], body.Shelved)
	}
	return err
}

// writes reports whether this member may write.
func (n *Node) writes() bool { return n.cluster.agreed && !n.cluster.reader }

// hears reports whether a peer was heard of late, whatever way its word came.
func (n *Node) hears(id member.ID) bool {
	p := &n.cluster.peers[id]
	return p.identity != 0 && n.now-p.heard <= n.cfg.ticks(heardTicks)
}

// spokenTo are the times of the last bags from others.
type spokenTo struct {
	times [busyBags]time.Duration
	next  int
}

const (
	busyBags = 8 // in busyFor: so many that somebody will soon tell that it holds a value
	busyFor  = 300 * time.Millisecond
)

func (s *spokenTo) add(now time.Duration) {
	s.times[s.next] = now
	s.next = (s.next + 1) % busyBags
}

func (s *spokenTo) busy(now time.Duration) bool {
	oldest := s.times[s.next]
	return oldest > 0 && now-oldest <= busyFor
}

// chooseWitnesses picks as many peers as must hold a value before its client
// has an answer. They say at once that they do, while the rows that all others
// send may take some rounds. When a client waits for long, others are asked:
// the answers may be lost on the way.
func (n *Node) chooseWitnesses() {
	c := n.cluster
	patience := n.cfg.ticks(pauseTicks)
	if len(c.waiting) > 0 && n.now-c.waiting[0].message.asked >= patience && n.now-c.turnedAt >= patience {
		c.witness++
		c.turnedAt = n.now
	}
	c.witnesses = c.witnesses[:0]
	if !n.goesStraight() || c.spokenTo.busy(n.now) {
		return // the office says what it has when it comes round; and where much is said, somebody says it soon
	}
	for i := range c.peers {
		id := member.ID((int(c.self) + 1 + c.witness + i) % len(c.peers))
		if id != c.self && n.hears(id) && c.witnesses.Len() < n.cfg.Copies-1 {
			c.witnesses.Add(id)
		}
	}
}
