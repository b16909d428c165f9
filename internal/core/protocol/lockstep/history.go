package lockstep

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/roster"
)

// What is here keeps apart what must not meet: members that go by another
// history of the list, and incarnations whose data is older than what they told.

// noteStart has the incarnation that is bound to a peer's place reminded of what it
// is known to hold when another start of it is heard: a start that remembers less
// has old data, and nobody else can see that for certain. The first start has no
// data that could be old.
func (l *Lockstep) noteStart(p *peer, m *protocol.Message) {
	v := &p.bound
	same := l.roster.Counts(m.From, m.Identity) && (v.identity == m.Identity || v.identity == 0)
	p.link.reminds = p.link.reminds || same && roster.IsAnotherStart(m.Session, v.session)
}

// remind tells a peer what it is known to hold.
func (l *Lockstep) remind(to member.ID, p *peer) {
	if !p.link.reminds {
		return
	}
	p.link.reminds = false
	v := view{identity: l.roster.Bound(to), version: p.bound.version, hash: l.roster.Hash(), marks: make(clock.Vector, l.roster.Len())}
	for id := range l.streams {
		v.marks[id].Have = l.streams[id].delivered // what is delivered everybody holds
		if l.counts(&p.bound) {
			v.marks[id].Have = max(v.marks[id].Have, p.bound.marks[id].Have)
		}
	}
	v.marks[to] = v.marks[to].Merge(l.mark(to))
	p.link.draft.rows = append(p.link.draft.rows, v.row(to))
}

// said returns the most that this member can ever have said of itself.
func (l *Lockstep) said() roster.Said {
	own := l.mark(l.config.Self)
	own.Promise = max(own.Promise, l.clock.Now())
	return roster.Said{Version: l.config.Life<<32 | l.row.version, Own: own, Held: func(stream member.ID) uint64 { return l.streams[stream].have }}
}

// judgeOwn stops this member if a peer that goes by the same binding holds more
// of the own stream than was ever written here.
func (l *Lockstep) judgeOwn(r *protocol.Row, mark protocol.StreamMark) {
	if mark.Stream == l.config.Self && l.roster.Shares(r.Binding) {
		l.stop()
	}
}

// stop ends this incarnation: from here on it only tells everybody why.
func (l *Lockstep) stop() {
	l.farewell.Begin(&l.roster, &l.config, l.now, &l.effects, func(peer member.ID) (bool, uint64) {
		k := &l.peers[peer].link
		return k.up, l.session(k)
	})
}

// isOutdated reports whether a member that counts denies entries of its own that
// are held here. It is reminded of them.
func (l *Lockstep) isOutdated(p *peer, m *protocol.Message) bool {
	if !l.roster.IsOutdated(m, l.isHeldBeyond) {
		return false
	}
	p.link.due = true
	return true
}

// isHeldBeyond reports whether an entry is held that a promise denies.
func (l *Lockstep) isHeldBeyond(mark protocol.StreamMark) bool {
	s := &l.streams[mark.Stream]
	return mark.Have < s.have && mark.Promise >= s.last
}

// contradicts notes that a batch cannot be of the stream that is held here.
func (l *Lockstep) contradicts(b *protocol.Batch) {
	l.tally.Refused++
	l.roster.Contradicts(b)
}

// isObserved reports whether an observer is what was heard last at a place.
func (l *Lockstep) isObserved(place member.ID) bool { return l.peers[place].observed }
