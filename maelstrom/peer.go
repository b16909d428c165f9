package maelstrom

import (
	"encoding/json"
	"fmt"
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// Types of the messages that nodes send each other.
const (
	typeFrame = "chatterbox_frame" // a message of the protocol
	typeHeld  = "chatterbox_held"  // the answer of a witness
	typeCarry = "chatterbox_carry" // the wishes of a member that may not write
)

type frameBody struct {
	Type    string `json:"type"`
	Frame   []byte `json:"frame"`             // of package wire
	Writes  bool   `json:"writes,omitempty"`  // the sender may write
	Witness bool   `json:"witness,omitempty"` // the receiver is asked to say at once what it holds
	Reads   kind   `json:"reads,omitempty"`   // what the sender's clients ask for
}

type heldBody struct {
	Type string `json:"type"`
	Life string `json:"life"` // whose stream it is about: the receiver's
	Have uint64 `json:"have"` // entries of it that the sender holds
}

type carryBody struct {
	Type   string            `json:"type"`
	Values []json.RawMessage `json:"values"`
}

// peer is what is known of another node.
type peer struct {
	identity member.Identity
	heard    time.Duration
	writes   bool
	have     []uint64 // per stream: entries that it is known to hold
}

// onPeer takes in what another node says.
func (n *Node) onPeer(m *message) {
	from, ok := n.cluster.places[m.Src]
	if !ok || from == n.cluster.self {
		n.refuse(m, codeNotSupported, "%s: only other nodes of the cluster say this", m.Type)
		return
	}
	var err error
	switch m.Type {
	case typeFrame:
		err = n.onFrame(m, from)
	case typeHeld:
		err = n.onHeld(m, from)
	case typeCarry:
		err = n.onCarry(m)
	}
	if err != nil {
		n.cfg.Log.Warn("a message was ignored", "from", m.Src, "error", err)
	}
}

// onFrame takes in a message of the protocol.
func (n *Node) onFrame(m *message, from member.ID) error {
	c := n.cluster
	body, err := fields[frameBody](m)
	if err != nil {
		return err
	}
	kind, frame, rest, err := wire.CutFrame(body.Frame, wire.FrameBytesMax)
	if err != nil {
		return err
	}
	if kind != wire.KindMessage || len(rest) > 0 {
		return fmt.Errorf("%s: not one whole message of the protocol", typeFrame)
	}
	if err := wire.DecodeMessage(frame, &c.message); err != nil {
		return err
	}
	if c.message.From != from {
		return fmt.Errorf("%s: it is from member %d, not from %s", typeFrame, c.message.From, m.Src)
	}
	if c.message.Snapshot != nil {
		return fmt.Errorf("%s: a snapshot, though no node forgets anything", typeFrame)
	}
	n.learn(from, &body)
	n.step(protocol.Event{Kind: protocol.Receive, Peer: from, Message: &c.message})
	if s := c.streams[from]; body.Witness && s.life == c.message.Identity {
		n.tell(from, heldBody{Type: typeHeld, Life: s.life.String(), Have: s.have})
	}
	return nil
}

// learn notes what the message in c.message tells of its sender. Another life
// of it holds nothing of what the one before held.
func (n *Node) learn(from member.ID, body *frameBody) {
	m, p := &n.cluster.message, &n.cluster.peers[from]
	if p.identity != m.Identity {
		p.identity = m.Identity
		clear(p.have)
		n.hurry() // it waits for who knows more
	}
	p.heard, p.writes = n.now, body.Writes
	if n.kind == "" && (body.Reads == kindMessages || body.Reads == kindValue) {
		n.kind = body.Reads
	}
	for i := range m.Rows {
		if row := &m.Rows[i]; row.Member == from && row.Identity == m.Identity {
			for _, mark := range row.Marks {
				p.holds(mark.Stream, mark.Have)
			}
		}
	}
	for i := range m.Batches {
		p.holds(m.Batches[i].Origin, m.Batches[i].Last())
	}
}

func (p *peer) holds(stream member.ID, have uint64) {
	if int(stream) < len(p.have) {
		p.have[stream] = max(p.have[stream], have)
	}
}

// onHeld takes a witness's word, if it is about this life's stream.
func (n *Node) onHeld(m *message, from member.ID) error {
	body, err := fields[heldBody](m)
	if err == nil && body.Life == n.cluster.identity.String() {
		n.cluster.peers[from].holds(n.cluster.self, body.Have)
	}
	return err
}

// onCarry takes on the wishes of a member that may not write. Who may not
// either stays silent: the other one will ask somebody else.
func (n *Node) onCarry(m *message) error {
	body, err := fields[carryBody](m)
	if err != nil || !n.writes() {
		return err
	}
	for _, value := range body.Values {
		if len(value) == 0 || len(value) > ValueBytesMax {
			return fmt.Errorf("%s: a value of %d bytes, allowed are 1 to %d", typeCarry, len(value), ValueBytesMax)
		}
		n.wish(value)
	}
	return nil
}

// writes says whether this member may write.
func (n *Node) writes() bool { return n.cluster.agreed && !n.cluster.reader }

// hears says whether a peer was heard of late.
func (n *Node) hears(id member.ID) bool {
	p := &n.cluster.peers[id]
	return p.identity != 0 && n.now-p.heard <= heardTicks*n.cfg.Tick
}

// sender carries out what the replica wants to have sent.
type sender struct{ n *Node }

// Send gives a message of the protocol to a peer, as a line.
func (s sender) Send(envelope protocol.Envelope) {
	n, c := s.n, s.n.cluster
	frame := wire.AppendFrame(nil, envelope.Message)
	body := frameBody{Type: typeFrame, Frame: frame, Writes: n.writes(), Reads: n.kind}
	for i := range envelope.Message.Batches {
		if envelope.Message.Batches[i].Origin == c.self && c.witnesses.Has(envelope.To) {
			body.Witness = n.writes()
		}
	}
	n.tell(envelope.To, body)
}

// chooseWitnesses picks as many peers as must hold a value before its client
// has an answer. They say at once that they do, while the rows that all others
// send may take some rounds. When a client waits for long, others are asked:
// the answers may be lost on the way.
func (n *Node) chooseWitnesses() {
	c := n.cluster
	patience := roundTicks * n.cfg.Tick
	if len(c.waiting) > 0 && n.now-c.waiting[0].since >= patience && n.now-c.turnedAt >= patience {
		c.witness++
		c.turnedAt = n.now
	}
	c.witnesses = c.witnesses[:0]
	for i := range c.peers {
		id := member.ID((int(c.self) + 1 + c.witness + i) % len(c.peers))
		if id != c.self && n.hears(id) && c.witnesses.Len() < n.cfg.Copies-1 {
			c.witnesses.Add(id)
		}
	}
}
