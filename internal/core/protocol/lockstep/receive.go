package lockstep

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// onReceive takes what a peer says. Whatever it is, a repeated message does
// nothing but ask for the same answer again.
func (l *Lockstep) onReceive(m *protocol.Message) {
	v := l.admit(m)
	if v == nil {
		l.tally.Refuse(m, &l.effects)
		return
	}
	l.contacted = l.contacted || l.config.Recovered == nil || l.all(func(_ member.ID, p *peer) bool { return p.link.direct })
	l.heardOfAgreement = l.heardOfAgreement || m.View.Number != 0
	for i := range m.Batches {
		l.take(m.Batches[i])
	}
	p := &l.peers[m.From]
	p.link.reply = p.link.reply || m.Number > 0
	p.link.direct = true
	for i := range m.Rows {
		if r := &m.Rows[i]; r.Member == m.From && r.Identity == m.Identity {
			l.see(p, v, r)
		} else {
			l.hearOf(r)
		}
	}
	p.link.asking, p.link.askedAt, p.link.doubted = !p.link.up, l.now, false // it hears us
	if l.roster.Shares(v.hash) {
		l.trust(m, v)
	}
}

// admit finds the view that a message belongs to: nil for one that may not be taken
// in, and for one of a session before the latest.
func (l *Lockstep) admit(m *protocol.Message) *view {
	if l.roster.Refuses(m) {
		return nil
	}
	p := &l.peers[m.From]
	l.noteStart(p, m)
	if l.isOutdated(p, m) || p.bound.outlived(m) || p.observer.outlived(m) {
		return nil
	}
	l.learnBinding(m)
	v := &p.bound
	if p.observed = !l.roster.Counts(m.From, m.Identity); p.observed {
		v = &p.observer
	}
	if v.begin(m.Identity, m.Session, l.roster.Len()) {
		p.link.startAnew()
	}
	v.session, v.seen = m.Session, l.now
	if l.roster.IsOutdone(m, l.said) {
		l.stop()
		return nil
	}
	return v
}

// learnBinding takes over what the sender has bound, and ties the sender to its
// place if nobody is tied to it yet.
func (l *Lockstep) learnBinding(m *protocol.Message) {
	changed, _ := l.roster.Learn(m, (*seats)(l))
	if l.roster.Bind(m.From, m.Identity) || changed {
		l.row.version++
	}
}

// seats is the reducer as what keeps the streams and peers of those who count.
type seats Lockstep

// Resign gives the place up to the incarnation that is bound to it.
func (s *seats) Resign() {
	l := (*Lockstep)(s)
	l.tally.Dropped += l.own().have
	s.Vacate(l.config.Self)
	if l.writer.waiting.Count > 0 {
		l.tally.Drop(l.writer.waiting, &l.effects)
	}
	l.writer = writer{closing: l.writer.closing}
}

// Vacate drops the stream of a place whose writer turned out to be another, and
// what came from there.
func (s *seats) Vacate(place member.ID) {
	l := (*Lockstep)(s)
	l.drop(func(b *protocol.Batch) bool { return b.Origin == place })
	l.streams[place] = stream{}
	p := &l.peers[place]
	p.bound, p.observer, p.link.reminds = view{}, view{}, false
}

// Seat needs nothing: a view begins with the first message.
func (s *seats) Seat(member.ID) {}

// agree notices that all members have shown the same complete binding.
func (l *Lockstep) agree() {
	if !l.roster.Agreed() && l.roster.Agree(l.shown) {
		l.row.version++
	}
}

// shown returns the hash of the binding that the member at a place showed.
func (l *Lockstep) shown(place member.ID) uint64 {
	if l.roster.Writes(place) {
		return l.roster.Hash()
	}
	return l.peers[place].bound.hash
}

// see takes a peer's row. Its marks are facts that only rise; those from under
// another binding were about other streams.
func (l *Lockstep) see(p *peer, v *view, r *protocol.Row) {
	if r.Binding != v.hash {
		if r.Version < v.version {
			return // overtaken by a row from under the binding that counts now
		}
		v.hash = r.Binding
		clear(v.marks)
	}
	changed := false
	for _, mark := range r.Marks {
		if !l.possible(mark) {
			l.tally.Refused++
			l.judgeOwn(r, mark)
			continue
		}
		joined := v.marks[mark.Stream].Merge(mark.Mark)
		changed = changed || joined != v.marks[mark.Stream]
		v.marks[mark.Stream] = joined
		if l.roster.Shares(v.hash) {
			l.adopt(mark)
		}
	}
	if r.Version >= v.version {
		v.version = r.Version
		v.hears.CopyFrom(r.Hears)
	}
	if changed {
		v.horizon = v.marks.Horizon()
		p.link.retry.tries = 0
	}
}

// possible reports whether a mark can be true: of a stream that exists, and not
// of own entries that were never written.
func (l *Lockstep) possible(mark protocol.StreamMark) bool {
	return l.roster.Has(mark.Stream) && (!l.roster.Writes(mark.Stream) || mark.Have <= l.own().have)
}

// trust takes over facts about the whole cluster from a peer that goes by the
// same binding.
func (l *Lockstep) trust(m *protocol.Message, v *view) {
	if m.View.Number != 0 && !l.roster.Agreed() {
		l.roster.Trust()
		l.row.version++
	}
	if l.roster.Agreed() && (m.Stable == clock.Infinity || l.timely(m.Stable)) {
		v.stable = max(v.stable, m.Stable)
		l.stable = max(l.stable, m.Stable)
	}
	if s := m.Snapshot; s != nil && l.roster.Observes() && len(s.Have) == l.roster.Len() && l.covers(s) {
		l.restore(s)
		l.effects.Reset = s
		if l.config.Durable {
			l.effects.Base = s
		}
	}
}
