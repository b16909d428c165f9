package lockstep

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// What is here goes on for others: the batches of those who may be dead or cut off
// from a peer, and the rows of those whom it does not hear. An observer, an
// incarnation without data at a place that is bound to an earlier one, gets
// everything; who can send to it may not hear it, and learns of it through others.

const (
	// triesPatient is how often a member asks before it repeats others'
	// batches although its own stream is open and the peer hears their
	// origins: these will do it, as a rule.
	triesPatient = 4
	// relayedMarksMax is how many marks of others' rows go into one message.
	relayedMarksMax = 4096
	// beatEvery is how often a member that only reads, or may find out that it does,
	// gives its row a new version, so that those who only hear of it see that
	// it goes on.
	beatEvery = silentAfter
	// observerGoneAfter is how long an observer counts that is neither heard nor heard
	// of: the row of an incarnation that is gone may go round for a while.
	observerGoneAfter = 4 * beatEvery
)

// repeatOthers adds what the peer lacks of the others' streams. That is the
// batch in the receive buffer, when its origin may be dead or cut off from the
// peer: in the grace phase, after long silence, or when the peer says that it
// does not hear the origin. An observer gets everything, from a
// snapshot on. What has not gone yet goes at once, for an origin waits for it;
// the rest again once it had time to show.
func (l *Lockstep) repeatOthers(to member.ID, p *peer, m *protocol.Message) {
	v, k := p.latest(), &p.link
	if v.marks == nil || v.hash != l.roster.Hash() {
		return
	}
	again := l.now >= k.repeat
	if again {
		k.repeat = l.now + l.pause(k)
	}
	if again && p.observed && l.beyond(v) {
		m.Snapshot = l.snapshot()
	}
	if k.passed == nil {
		k.passed = make([]uint64, len(l.streams))
	}
	room := l.config.MessageBytesMax
	for i := range l.held {
		b := &l.held[i]
		if v.marks[b.Origin].Have >= b.Last() || !p.observed && !l.repeats(b, to, p) || !again && b.Last() <= k.passed[b.Origin] {
			continue
		}
		if room < b.Size() && room < l.config.MessageBytesMax {
			return
		}
		room -= b.Size()
		k.passed[b.Origin] = max(k.passed[b.Origin], b.Last())
		m.Batches = append(m.Batches, *b)
	}
}

// repeats reports whether a batch of another origin waits in the receive buffer
// here, and the peer may not get it from the origin.
func (l *Lockstep) repeats(b *protocol.Batch, to member.ID, p *peer) bool {
	if l.roster.Writes(b.Origin) || b.Origin == to || b.Last() <= l.streams[b.Origin].committed() {
		return false
	}
	tries := p.link.retry.tries
	return tries >= triesPatient || l.writer.closing && tries > 0 || !l.hearsOf(p, b.Origin)
}

// hearsOf reports whether a peer is known to hear a member itself. What a peer
// that is not heard any more once said about that does not count: everybody
// waiting for others to pass things on would be the end of it.
func (l *Lockstep) hearsOf(p *peer, id member.ID) bool {
	return l.heard(p) && p.latest().hears.Has(id)
}

// beyond reports whether something was delivered here, and is not kept any more,
// that the peer does not have.
func (l *Lockstep) beyond(v *view) bool {
	for id := range l.streams {
		if v.marks[id].Have < l.streams[id].delivered {
			return true
		}
	}
	return false
}

// view returns what is known of who speaks at a place: by its number first all who
// count, then the observers.
func (l *Lockstep) view(i int) (member.ID, *view) {
	if n := len(l.peers); i >= n {
		return member.ID(i - n), &l.peers[i-n].observer
	}
	return member.ID(i), &l.peers[i].bound
}

// goesOn reports whether a row is known here, and the peer does not hear its
// member: without it the peer would repeat its batch for ever, until it knows that
// everyone holds all that is held here. Nobody says which observers it hears.
func (l *Lockstep) goesOn(i int, to member.ID, p *peer) bool {
	switch id, v := l.view(i); {
	case id == to || id == l.config.Self:
		return false
	case i >= len(l.peers):
		return l.peers[id].observed && l.roster.Agreed()
	case l.hearsOf(p, id) || !l.counts(v):
		return false
	}
	return !l.roster.Agreed() || p.latest().stable < max(l.horizon(), l.clock.Now())
}

// relayAt returns when rows go on to a peer: new ones at once, and all of those who
// count again, ever more rarely. Observers have new ones as long as they are there.
func (l *Lockstep) relayAt(to member.ID, p *peer) time.Duration {
	at := protocol.Never
	for i := range 2 * len(l.peers) {
		if !l.goesOn(i, to, p) {
			continue
		}
		if l.isNew(i, &p.link) {
			return 0
		}
		if i < len(l.peers) {
			at = p.link.rows.at
		}
	}
	return at
}

// isNew reports whether a row is another than the one that was passed on last.
func (l *Lockstep) isNew(i int, k *link) bool {
	_, v := l.view(i)
	return k.relayed == nil || k.relayed[i] != v.version
}

// relayRows passes on the rows that the peer is owed, as many as a message
// takes: the others stay new and go with the next.
func (l *Lockstep) relayRows(to member.ID, p *peer) {
	k := &p.link
	if l.relayAt(to, p) > l.now {
		return
	}
	if k.relayed == nil {
		k.relayed = make([]uint64, 2*len(l.peers))
	}
	if l.now >= k.rows.at {
		clear(k.relayed[:len(l.peers)])
		k.rows.tried(l.now, l.pause(k), repeatMax)
	}
	for i, room := 0, relayedMarksMax; i < len(k.relayed) && room > 0; i++ {
		if l.goesOn(i, to, p) && l.isNew(i, k) {
			id, v := l.view(i)
			k.relayed[i] = v.version
			k.draft.rows = append(k.draft.rows, v.row(id))
			room -= l.roster.Len()
		}
	}
}

// hearOf takes the row of a member that somebody else passes on, but not what
// an earlier start of it said.
func (l *Lockstep) hearOf(r *protocol.Row) {
	switch {
	case !l.roster.Has(r.Member) || r.Member == l.config.Self || r.Identity == 0:
	case !l.roster.Counts(r.Member, r.Identity):
		l.hearOfObserver(&l.peers[r.Member], r)
	case l.roster.Shares(r.Binding):
		p := &l.peers[r.Member]
		if v := &p.bound; v.identity != r.Identity || r.Version>>32 >= v.life() {
			v.begin(r.Identity, r.Version, l.roster.Len())
			l.see(p, v, r)
		}
	}
}

// hearOfObserver takes the row of an observer, if it is news of a place that is not
// heard itself. One that was heard as long as it had to say something is asked
// whether it still is.
func (l *Lockstep) hearOfObserver(p *peer, r *protocol.Row) {
	v := &p.observer
	same := v.identity == r.Identity
	switch {
	case !l.roster.Agreed():
	case l.heard(p):
		p.link.doubted = p.link.doubted || r.Identity != p.latest().identity
	case same && r.Version <= v.version, !same && p.observed && !l.gone(p):
	default:
		if !same || r.Version>>32 > v.life() {
			v.begin(r.Identity, r.Version, l.roster.Len())
			p.link.startAnew()
		}
		p.observed, v.seen = true, l.now
		l.see(p, v, r)
	}
}

// gone reports whether an observer does not count any more.
func (l *Lockstep) gone(p *peer) bool {
	return !l.heard(p) && l.now >= p.observer.seen+observerGoneAfter
}
