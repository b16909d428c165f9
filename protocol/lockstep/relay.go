package lockstep

import (
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

const (
	// triesPatient is how often a member asks before it repeats others'
	// batches although its own stream is open and the peer hears their
	// origins: these will do it, as a rule.
	triesPatient = 4
	// relayedMarksMax is how many marks of others' rows go into one message.
	relayedMarksMax = 4096
)

// repeatOthers adds what the peer lacks of the others' streams. That is the
// batch in the receive buffer, when its origin may be dead or cut off from the
// peer: in the grace phase, after long silence, or when the peer says that it
// does not hear the origin. A life without data gets everything, from a
// snapshot on.
func (l *Lockstep) repeatOthers(to member.ID, p *peer, m *protocol.Message) {
	v := p.latest()
	if l.now < p.link.after.relay || v.marks == nil || v.hash != l.hash || l.breaks(mutant.NoGraceRelay) {
		return
	}
	p.link.after.relay = l.now + p.link.doubled(&l.config, 0, 0)
	if p.visited && l.config.Fold != nil && l.beyond(v) {
		m.Snapshot = l.snapshot()
	}
	room := l.config.MessageBytesMax
	for i := range l.held.all() {
		b := &l.held.all()[i]
		if v.marks[b.Origin].Have >= b.Last() || !p.visited && !l.repeats(b, to, p) {
			continue
		}
		if room < b.Size() && room < l.config.MessageBytesMax {
			return
		}
		room -= b.Size()
		m.Batches = append(m.Batches, *b)
	}
}

// repeats says whether a batch of another origin waits in the receive buffer
// here, and the peer may not get it from the origin.
func (l *Lockstep) repeats(b *protocol.Batch, to member.ID, p *peer) bool {
	own := b.Origin == l.config.Self && !l.reader
	if own || b.Origin == to || b.Last() <= l.streams[b.Origin].committed {
		return false
	}
	tries := p.link.after.tries
	return tries >= triesPatient || l.closing && tries > 0 || !l.hearsOf(p, b.Origin)
}

// hearsOf says whether a peer is known to hear a member itself. What a peer
// that is not heard any more once said about that does not count: everybody
// waiting for others to pass things on would be the end of it.
func (l *Lockstep) hearsOf(p *peer, id member.ID) bool {
	return l.heard(p) && p.latest().hears.Has(id)
}

// beyond says whether something was delivered here, and is not kept any more,
// that the peer does not have.
func (l *Lockstep) beyond(v *view) bool {
	for id := range l.streams {
		if v.marks[id].Have < l.streams[id].delivered {
			return true
		}
	}
	return false
}

// owesRows says whether the peer should be told the rows of members that it
// does not hear itself: without them it would repeat its batch for ever. Rows
// are passed on when they are new, and again, ever more rarely, until the peer
// knows that everyone holds all that is held here.
func (l *Lockstep) owesRows(to member.ID, p *peer) bool {
	if l.knowsAll(p) {
		return false
	}
	for id := range l.peers {
		if l.unheard(member.ID(id), to, p) && (l.now >= p.link.after.rows || l.newRow(id, &p.link)) {
			return true
		}
	}
	return false
}

// mayOweRows says whether that can become so with time.
func (l *Lockstep) mayOweRows(to member.ID, p *peer) bool {
	if l.knowsAll(p) {
		return false
	}
	for id := range l.peers {
		if l.unheard(member.ID(id), to, p) {
			return true
		}
	}
	return false
}

// knowsAll says whether the peer knows that everyone holds all that is held
// here.
func (l *Lockstep) knowsAll(p *peer) bool {
	return l.agreed && p.latest().stable >= max(l.horizon(), l.clock.Now())
}

// unheard says whether a member's row is known here, and the peer does not
// hear that member.
func (l *Lockstep) unheard(id, to member.ID, p *peer) bool {
	v := &l.peers[id].bound
	return id != to && id != l.config.Self && l.counts(v) &&
		!l.hearsOf(p, id) && !l.breaks(mutant.NoRelayedRows)
}

// newRow says whether a member's row is newer than the one passed on last.
func (l *Lockstep) newRow(id int, k *link) bool {
	return k.relayed == nil || k.relayed[id] < l.peers[id].bound.version
}

// relayRows passes on the rows that the peer is owed, as many as a message
// takes: the others stay new and go with the next.
func (l *Lockstep) relayRows(to member.ID, p *peer) {
	if !l.owesRows(to, p) {
		return
	}
	k := &p.link
	if k.relayed == nil || l.now >= k.after.rows {
		k.relayed = make([]uint64, len(l.peers))
		k.after.rows = l.now + k.doubled(&l.config, k.after.rowTries, repeatMax)
		k.after.rowTries = min(k.after.rowTries+1, triesMax)
	}
	for id, room := 0, relayedMarksMax; id < len(l.peers) && room > 0; id++ {
		if l.unheard(member.ID(id), to, p) && l.newRow(id, k) {
			k.relayed[id] = l.peers[id].bound.version
			k.rows = append(k.rows, l.peers[id].bound.row(member.ID(id)))
			room -= len(l.peers)
		}
	}
}

// row gives another member's row as far as it is known here.
func (v *view) row(id member.ID) protocol.Row {
	r := protocol.Row{Member: id, Identity: v.identity, Version: v.version, Binding: v.hash, Hears: slices.Clone(v.hears)}
	for stream, mark := range v.marks {
		if mark != (clock.Mark{}) {
			r.Marks = append(r.Marks, protocol.StreamMark{Stream: member.ID(stream), Mark: mark})
		}
	}
	return r
}

// hearOf takes the row of a member that somebody else passes on, but not what
// an earlier start of it said.
func (l *Lockstep) hearOf(r *protocol.Row) {
	if int(r.Member) >= len(l.peers) || r.Member == l.config.Self {
		return
	}
	if r.Identity != l.binding[r.Member] {
		l.hearOfGuest(r)
		return
	}
	if r.Binding != l.hash || l.hash == 0 {
		return
	}
	p := &l.peers[r.Member]
	v, life := &p.bound, r.Version>>32
	if v.identity == r.Identity && life < v.life() {
		return
	}
	if v.identity != r.Identity || life > v.life() {
		*v = view{identity: r.Identity, session: life << 32, marks: make(clock.Vector, l.config.Members)}
	}
	l.see(p, v, r)
}
