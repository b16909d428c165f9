package lockstep

import (
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// onTick decides to whom something must be said that nobody asked for.
func (l *Lockstep) onTick() {
	if l.breaks(mutant.SilentGrace) && l.closing {
		return
	}
	l.listen()
	l.beat()
	guests := l.keepGuests()
	for id := range l.peers {
		if p := &l.peers[id]; p.link.up {
			p.link.again = p.link.again || l.overdue(p)
			p.link.due = p.link.due || p.link.again || l.owesNews(member.ID(id), p) || guests && l.owesGuests(member.ID(id), &p.link)
		}
	}
}

// owesNews says whether there is something that a peer was not told yet, or
// has to be asked.
func (l *Lockstep) owesNews(to member.ID, p *peer) bool {
	return p.link.doubted || p.link.told != l.version || l.owesRows(to, p)
}

// Rest gives how long no tick is needed unless something comes: a while, once
// nothing is in flight and every peer has shown that it knows all. A member at
// rest says nothing at all.
func (l *Lockstep) Rest() time.Duration {
	if !l.agreed || l.reader || l.inFlight().Count > 0 || l.waiting.Count > 0 {
		return 0
	}
	for id := range l.peers {
		p := &l.peers[id]
		if member.ID(id) == l.config.Self {
			continue
		}
		if !l.hears.Has(member.ID(id)) || l.restless(member.ID(id), p) {
			return 0
		}
	}
	return l.config.KeepAlive
}

// restless says whether something may have to be said to a peer soon.
func (l *Lockstep) restless(id member.ID, p *peer) bool {
	k := &p.link
	return !k.up || k.asking || k.doubted || !l.heard(p) || p.visited || k.told != l.version || l.behind(p) || l.mayOweRows(id, p)
}

// listen notices whom this member hears. That it does not hear somebody any
// more, or only a life without data, is news: others may have to pass on what
// it misses.
func (l *Lockstep) listen() {
	for id := range l.peers {
		p := &l.peers[id]
		switch heard := l.heard(p) && !p.visited; {
		case heard == l.hears.Has(member.ID(id)):
			continue
		case heard:
			l.hears.Add(member.ID(id))
		default:
			l.hears.Remove(member.ID(id))
		}
		l.version++
	}
}

// overdue says whether it is time to tell a peer again what it does not seem
// to know. Over datagrams the batch in flight is repeated at every second tick.
// A reliable link carries it by itself, so there only a peer that lost its
// memory without losing the link needs a repetition.
func (l *Lockstep) overdue(p *peer) bool {
	if !l.behind(p) {
		return false
	}
	classic := !p.link.reliable && l.lacksOwn(p) && l.now >= p.link.sentAt+2*l.config.Tick
	return classic || l.now >= p.link.after.retry
}

// behind says whether the peer's last row lacks something of the own one.
func (l *Lockstep) behind(p *peer) bool {
	v := p.latest()
	if v.marks == nil || v.hash != l.hash {
		return true
	}
	if l.stable == clock.Infinity && v.stable != clock.Infinity {
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

// lacksOwn says whether the peer has not acknowledged the batch in flight. A
// life without data gets it together with what comes before it.
func (l *Lockstep) lacksOwn(p *peer) bool {
	b := l.inFlight()
	if b.Count == 0 || p.visited {
		return false
	}
	v := &p.bound
	return v.marks == nil || v.hash != l.hash || v.marks[b.Origin].Have < b.Last()
}

// onFlush moves the own stream on and sends what is ready.
func (l *Lockstep) onFlush() {
	l.contacted = l.contacted || l.now >= l.config.FirstContactWait
	l.write()
	for id := range l.peers {
		p := &l.peers[id]
		if !p.link.up {
			continue
		}
		fresh := l.lacksOwn(p) && p.link.sent < l.own().have
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
	m := &k.message
	*m = protocol.Message{
		From: l.config.Self, Identity: l.config.Identity,
		Session: l.config.Life<<32 | k.made&(1<<32-1),
		Stable:  l.stable, Agreed: l.agreed,
		Batches: m.Batches[:0],
	}
	if v := p.latest(); v.hash != l.hash || l.hash == 0 {
		m.Binding = l.binding
	}
	if fresh || k.again && l.lacksOwn(p) {
		l.sendOwn(k, m)
	}
	l.ownRow(id, k)
	if k.due {
		l.repeatOthers(id, p, m)
		l.relayRows(id, p)
		l.relayGuests(id, k)
	}
	m.Rows = k.rows
	if fresh || k.due && (k.doubted || l.behind(p)) {
		l.ask(k, m)
	}
	k.told = l.version
	k.reply, k.due, k.again = false, false, false
	l.effects.Send = append(l.effects.Send, protocol.Envelope{To: id, Message: m})
}

func (l *Lockstep) sendOwn(k *link, m *protocol.Message) {
	b := l.inFlight()
	k.timing = k.sent < b.Last()
	k.sent, k.sentAt = b.Last(), l.now
	m.Batches = append(m.Batches, b)
}

// ask wants an answer, and plans the next attempt for when there is none.
func (l *Lockstep) ask(k *link, m *protocol.Message) {
	k.numbers++
	k.doubted = false
	m.Number = k.numbers
	if !k.asking {
		k.asking, k.askedAt = true, l.now
	}
	k.after.retry = l.now + k.pause(&l.config)
	k.after.tries = min(k.after.tries+1, triesMax)
}

// ownRow begins the rows of a message with the own one: every message
// acknowledges what is held of each stream, buffered or committed.
func (l *Lockstep) ownRow(to member.ID, k *link) {
	if k.rows == nil {
		k.rows = make([]protocol.Row, 1)
	}
	k.rows = k.rows[:1]
	r := &k.rows[0]
	*r = protocol.Row{
		Member: l.config.Self, Identity: l.config.Identity,
		Version: l.config.Life<<32 | l.version, Binding: l.hash,
		Hears: l.hears, Marks: r.Marks[:0],
	}
	for id := range l.streams {
		mark := l.mark(member.ID(id))
		if mark != (clock.Mark{}) && !l.withholds(member.ID(id), to, k, &mark) {
			r.Marks = append(r.Marks, protocol.StreamMark{Stream: member.ID(id), Mark: mark})
		}
	}
}

// withholds is what mutants leave out of their rows.
func (l *Lockstep) withholds(id, to member.ID, k *link, mark *clock.Mark) bool {
	switch {
	case l.breaks(mutant.NoReacknowledgement) && id == to:
		again := mark.Have > 0 && mark.Have == k.toldHave
		k.toldHave = mark.Have
		return again
	case l.breaks(mutant.FinWithoutRepeat) && id == l.config.Self && mark.Closed():
		again := k.toldEnd
		k.toldEnd = true
		return again
	case l.breaks(mutant.NoGraceRelay) && id != l.config.Self && id != to && mark.Closed():
		mark.Promise = l.streams[id].last
	}
	return false
}
