package lockstep

import (
	"slices"

	"chatterbox/protocol"
)

// Clone gives a reducer that goes on from here by itself, for searches that
// try more than one future. The two share the bytes of batches that have their
// place, which nobody writes to, but not the references to their buffers:
// batches in a reducer that is cloned must have no Buffer.
func (l *Lockstep) Clone() *Lockstep {
	c := *l
	c.effects = protocol.Effects{}
	c.binding, c.hears = slices.Clone(l.binding), slices.Clone(l.hears)
	c.streams = slices.Clone(l.streams)
	c.held.batches, c.held.head = slices.Clone(l.held.all()), 0
	c.peers = slices.Clone(l.peers)
	for i := range c.peers {
		c.peers[i].detach()
	}
	c.waiting.Bytes = slices.Clone(l.waiting.Bytes) // its header is still to be written
	c.unstable.entries = slices.Clone(l.unstable.entries)
	c.leftover = slices.Clone(l.leftover)
	return &c
}

// detach gives a copy of a peer memory of its own.
func (p *peer) detach() {
	for _, v := range []*view{&p.bound, &p.guest} {
		v.marks, v.hears = slices.Clone(v.marks), slices.Clone(v.hears)
	}
	p.link.relayed, p.link.guests = slices.Clone(p.link.relayed), slices.Clone(p.link.guests)
	p.link.message, p.link.rows = protocol.Message{}, nil
}
