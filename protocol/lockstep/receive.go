package lockstep

import (
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// onReceive takes what a peer says. Whatever it is, a repeated message does
// nothing but ask for the same answer again.
func (l *Lockstep) onReceive(m *protocol.Message) {
	v := l.admit(m)
	if v == nil {
		l.refused++
		l.effects.Release = append(l.effects.Release, m.Batches...)
		return
	}
	l.contacted = true
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
	l.answered(&p.link, v)
	if v.hash == l.hash && l.hash != 0 {
		l.trust(m, v)
	}
}

// admit finds the view that a message belongs to: nil for a message that
// nobody can have sent, and for one of a session before the latest.
func (l *Lockstep) admit(m *protocol.Message) *view {
	if int(m.From) >= len(l.peers) || m.From == l.config.Self || m.Identity == 0 {
		return nil
	}
	p := &l.peers[m.From]
	if p.bound.outlived(m) || p.guest.outlived(m) {
		return nil
	}
	l.learnBinding(m)
	visited := m.Identity != l.binding[m.From]
	v := &p.bound
	if visited {
		v = &p.guest
	}
	if v.identity != m.Identity || m.Session>>32 != v.life() {
		*v = view{identity: m.Identity, marks: make(clock.Vector, l.config.Members)}
		p.link.startAnew()
	}
	v.session, v.seen = m.Session, l.now
	p.visited = visited
	return v
}

// learnBinding ties the sender to its place if nobody is tied to it yet, and
// takes over what the sender has bound.
func (l *Lockstep) learnBinding(m *protocol.Message) {
	known := m.Binding
	if len(known) != len(l.binding) {
		known = nil
	}
	changed := false
	if known != nil && !l.agreed {
		if owner := known[l.config.Self]; owner != 0 && owner != l.config.Identity && !l.reader {
			l.becomeReader(owner)
			changed = true
		}
		if m.Agreed && known.Complete() {
			changed = l.adoptBinding(known) || changed
		}
	}
	changed = l.binding.Merge(known) || changed
	if l.binding[m.From] == 0 {
		changed = l.binding.Bind(m.From, m.Identity) || changed
	}
	if changed {
		l.rehash()
	}
}

// adoptBinding takes over a binding that all members have agreed on, and
// forgets what came from other lives.
func (l *Lockstep) adoptBinding(agreed member.Binding) bool {
	changed := false
	for id := range l.binding {
		if l.binding[id] != agreed[id] {
			changed = true
			l.forget(member.ID(id))
			l.binding[id] = agreed[id]
		}
	}
	return changed
}

// becomeReader gives the place up to the life that is bound to it.
func (l *Lockstep) becomeReader(writer member.Identity) {
	l.reader = true
	l.forget(l.config.Self)
	l.binding[l.config.Self] = writer
	l.unstable = debt{}
	if l.waiting.Count > 0 {
		l.release(l.waiting)
		l.waiting = protocol.Batch{}
	}
}

// forget drops the stream of a place whose writer turned out to be another.
func (l *Lockstep) forget(id member.ID) {
	dropped := l.held.drop(func(b *protocol.Batch) bool { return b.Origin == id })
	l.effects.Release = append(l.effects.Release, dropped...)
	l.streams[id] = stream{}
	l.peers[id].bound, l.peers[id].guest = view{}, view{}
}

func (l *Lockstep) bindSelf() {
	if !l.binding.Bind(l.config.Self, l.config.Identity) {
		l.reader = true
	}
	l.rehash()
}

func (l *Lockstep) rehash() {
	l.hash = l.binding.Hash()
	l.rebound = true
	l.version++
}

// agree notices that all members have shown the same complete binding.
func (l *Lockstep) agree() {
	if l.agreed || l.reader || l.hash == 0 {
		return
	}
	for id := range l.peers {
		if member.ID(id) != l.config.Self && !l.counts(&l.peers[id].bound) {
			return
		}
	}
	l.agreed = true
	l.version++
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
			l.refused++
			continue
		}
		joined := v.marks[mark.Stream].Merge(mark.Mark)
		changed = changed || joined != v.marks[mark.Stream]
		v.marks[mark.Stream] = joined
		if v.hash == l.hash && l.hash != 0 {
			l.adopt(mark)
		}
	}
	if r.Version >= v.version {
		v.version = r.Version
		v.hears.CopyFrom(r.Hears)
	}
	if changed {
		v.horizon = v.marks.Horizon()
		p.link.after.tries = 0
	}
}

// possible says whether a mark can be true: of a stream that exists, and not
// of own entries that were never written.
func (l *Lockstep) possible(mark protocol.StreamMark) bool {
	if int(mark.Stream) >= len(l.streams) {
		return false
	}
	return mark.Stream != l.config.Self || l.reader || mark.Have <= l.own().have
}

// trust takes over facts about the whole cluster from a peer that goes by the
// same binding.
func (l *Lockstep) trust(m *protocol.Message, v *view) {
	if m.Agreed && !l.agreed {
		l.agreed = true
		l.version++
	}
	if l.agreed && (m.Stable == clock.Infinity || l.timely(m.Stable)) {
		v.stable = max(v.stable, m.Stable)
		l.stable = max(l.stable, m.Stable)
	}
	if s := m.Snapshot; s != nil && l.reader && len(s.Have) == len(l.streams) && l.covers(s) {
		l.restore(s)
		reset := protocol.Snapshot{Time: s.Time, Have: slices.Clone(s.Have), State: s.State}
		l.effects.Reset = &reset
		if l.config.Durable {
			l.effects.Base = &reset
		}
	}
}
