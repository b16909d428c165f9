package lockstep

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// onTick decides to whom something must be said that nobody asked for.
func (l *Lockstep) onTick() {
	l.listen()
	for id := range l.peers {
		k := &l.peers[id].link
		k.due = k.due || l.sayAt(member.ID(id), &l.peers[id]) <= l.now
	}
}

// Next returns when the next tick is due unless something comes. A member that
// every peer has shown to know all has nothing to say at all.
func (l *Lockstep) Next() time.Duration {
	if l.farewell.Begun() {
		return l.now
	}
	at := l.listenAt()
	for id := range l.peers {
		at = min(at, l.sayAt(member.ID(id), &l.peers[id]))
	}
	return at
}

// sayAt returns when something has to be said to a peer that nobody asked for.
func (l *Lockstep) sayAt(to member.ID, p *peer) time.Duration {
	switch k := &p.link; {
	case !k.up:
		return protocol.Never
	case k.due || k.doubted || k.told != l.row.version:
		return 0
	}
	return min(l.retryAt(p), l.relayAt(to, p))
}

// retryAt returns when a peer is told again what it does not seem to know. Over
// datagrams the batch in flight is repeated at every second tick. A reliable link
// carries it by itself, so there only a peer that lost its memory without losing
// the link needs a repetition.
func (l *Lockstep) retryAt(p *peer) time.Duration {
	at := p.link.retry.at
	switch {
	case !l.behind(p):
		return protocol.Never
	case !p.link.reliable && l.lacksOwn(p):
		at = min(at, p.link.flight.sentAt+2*l.config.Tick)
	}
	return at
}

// listen notices whom this member hears. That it does not hear somebody any
// more, or only an observer, is news: others may have to pass on what
// it misses. And one that only reads, or may find out that it does, shows that it
// goes on.
func (l *Lockstep) listen() {
	if (l.roster.Observes() || !l.roster.Agreed()) && l.now >= l.row.nextBeat {
		l.row.nextBeat = l.now + beatEvery
		l.row.version++
	}
	for id := range l.peers {
		p := &l.peers[id]
		p.observed = p.observed && !l.gone(p)
		switch heard := l.heard(p) && !p.observed; {
		case heard == l.row.hears.Has(member.ID(id)):
			continue
		case heard:
			l.row.hears.Add(member.ID(id))
		default:
			l.row.hears.Remove(member.ID(id))
		}
		l.row.version++
	}
}

// listenAt returns when there is something new of that.
func (l *Lockstep) listenAt() time.Duration {
	at := protocol.Never
	if l.roster.Observes() || !l.roster.Agreed() {
		at = l.row.nextBeat
	}
	if !l.contacted {
		at = min(at, l.config.FirstContactWait)
	}
	for id := range l.peers {
		p := &l.peers[id]
		heard := l.heard(p)
		switch {
		case heard && !p.observed != l.row.hears.Has(member.ID(id)):
			return 0
		case heard && p.link.asking:
			at = min(at, p.link.askedAt+silentAfter)
		case !heard && p.observed:
			at = min(at, p.observer.seen+observerGoneAfter)
		}
	}
	return at
}

// behind reports whether the peer's last row lacks something of the own one.
func (l *Lockstep) behind(p *peer) bool {
	v := p.latest()
	if v.marks == nil || v.hash != l.roster.Hash() || l.stable == clock.Infinity && v.stable != clock.Infinity {
		return true
	}
	for id := range l.streams {
		mark := l.mark(member.ID(id))
		if v.marks[id].Have < mark.Have || v.marks[id].Promise < mark.Promise {
			return true
		}
	}
	return false
}

// lacksOwn reports whether the peer has not acknowledged the batch in flight. A
// observer gets it together with what comes before it.
func (l *Lockstep) lacksOwn(p *peer) bool {
	b, v := l.inFlight(), &p.bound
	if b.Count == 0 || p.observed {
		return false
	}
	return v.marks == nil || v.hash != l.roster.Hash() || v.marks[b.Origin].Have < b.Last()
}

// onFlush moves the own stream on and sends what is ready.
func (l *Lockstep) onFlush() {
	l.contacted = l.contacted || l.now >= l.config.FirstContactWait
	l.write()
	l.settle() // so that snapshots stand for all that is delivered in this step
	for id := range l.peers {
		p := &l.peers[id]
		if !p.link.up {
			continue
		}
		fresh := l.lacksOwn(p) && p.link.flight.last < l.own().have
		if fresh || p.link.due || p.link.reply {
			l.send(member.ID(id), p, fresh)
		}
	}
}

// send says to a peer all that there is to say. A message that is meant to
// change the peer's row asks for an answer; an answer never asks, so that two
// members that lack different things do not talk at the speed of the wire.
func (l *Lockstep) send(id member.ID, p *peer, fresh bool) {
	k := &p.link
	m := &k.draft.message
	*m = protocol.Message{
		From: l.config.Self, Identity: l.config.Identity,
		Session: l.session(k),
		Stable:  l.stable,
		View:    l.roster.Tag(),
		Batches: m.Batches[:0],
	}
	if v := p.latest(); v.hash != l.roster.Hash() || l.roster.Hash() == 0 || !l.heard(p) { // who is not heard may have begun anew
		m.Binding = l.roster.Binding()
	}
	if fresh || k.due && l.lacksOwn(p) && l.now >= l.retryAt(p) {
		b := l.inFlight()
		k.flight = flight{last: b.Last(), sentAt: l.now}
		m.Batches = append(m.Batches, b)
	}
	l.ownRow(k)
	l.remind(id, p)
	if k.due {
		l.repeatOthers(id, p, m)
		l.relayRows(id, p)
	}
	m.Rows = k.draft.rows
	if fresh || k.due && (k.doubted || l.behind(p)) {
		l.inquire(k, m)
	}
	k.told, k.reply, k.due = l.row.version, false, false
	l.effects.Send = append(l.effects.Send, protocol.Envelope{To: id, Message: m})
}

// session returns the session of what is sent on a link.
func (l *Lockstep) session(k *link) uint64 { return l.config.Life<<32 | k.made&(1<<32-1) }

// inquire wants an answer, and plans the next attempt for when there is none.
func (l *Lockstep) inquire(k *link, m *protocol.Message) {
	k.numbers++
	k.doubted = false
	m.Number = k.numbers
	k.ask(l.now)
	first, longest := l.pause(k), l.config.KeepAlive
	if k.reliable { // the batch in flight would go again, and only a long way is a reason for silence
		first, longest = silentAfter, repeatMax
	}
	k.retry.tried(l.now, first, longest)
}

// ownRow begins the rows of a message with the own one: every message
// acknowledges what is held of each stream, buffered or committed.
func (l *Lockstep) ownRow(k *link) {
	if k.draft.rows == nil {
		k.draft.rows = make([]protocol.Row, 1)
	}
	k.draft.rows = k.draft.rows[:1]
	r := &k.draft.rows[0]
	*r = protocol.Row{
		Member: l.config.Self, Identity: l.config.Identity,
		Version: l.config.Life<<32 | l.row.version, Binding: l.roster.Hash(),
		Hears: l.row.hears, Marks: r.Marks[:0],
	}
	for id := range l.streams {
		if mark := l.mark(member.ID(id)); mark != (clock.Mark{}) {
			r.Marks = append(r.Marks, protocol.StreamMark{Stream: member.ID(id), Mark: mark})
		}
	}
}
