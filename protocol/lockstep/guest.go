package lockstep

import (
	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// A guest is a life without data at a place that is bound to an earlier one: it
// only reads. Who can send to it may not hear it, and learns of it through
// others.

const (
	// guestEvery is how often a life that reads, or may find out that it does,
	// gives its row a new version, so that those who only hear of it see that
	// it goes on.
	guestEvery = silentAfter
	// guestGoneAfter is how long a guest counts that is neither heard nor heard
	// of: the row of a life that is gone may go round for a while.
	guestGoneAfter = 4 * guestEvery
)

// beat shows that this life goes on, if it only reads.
func (l *Lockstep) beat() {
	if (l.reader || !l.agreed) && l.now >= l.nextBeat {
		l.nextBeat = l.now + guestEvery
		l.version++
	}
}

// keepGuests takes leave of the guests that are gone, and says whether others
// are left.
func (l *Lockstep) keepGuests() bool {
	some := false
	for id := range l.peers {
		p := &l.peers[id]
		p.visited = p.visited && !l.gone(p)
		some = some || p.visited
	}
	return some
}

func (l *Lockstep) gone(p *peer) bool {
	return !l.heard(p) && l.now >= p.guest.seen+guestGoneAfter
}

// owesGuests says whether a peer should be told of guests. Nobody says which
// ones it hears, so their rows go to all, each version once.
func (l *Lockstep) owesGuests(to member.ID, k *link) bool {
	for id := range l.peers {
		if l.owesGuest(member.ID(id), to, k) {
			return true
		}
	}
	return false
}

func (l *Lockstep) owesGuest(id, to member.ID, k *link) bool {
	p := &l.peers[id]
	return p.visited && l.agreed && id != to && (k.guests == nil || k.guests[id] != p.guest.version) && !l.breaks(mutant.NoRelayedRows)
}

// relayGuests passes on the rows of guests, as many as a message takes.
func (l *Lockstep) relayGuests(to member.ID, k *link) {
	for id, room := 0, relayedMarksMax; id < len(l.peers) && room > 0; id++ {
		if !l.owesGuest(member.ID(id), to, k) {
			continue
		}
		if k.guests == nil {
			k.guests = make([]uint64, len(l.peers))
		}
		g := &l.peers[id].guest
		k.guests[id] = g.version
		k.rows = append(k.rows, g.row(member.ID(id)))
		room -= len(l.peers)
	}
}

// hearOfGuest takes the row of a guest that somebody else passes on, if it is
// news of a place that is not heard itself. One that was heard as long as it had
// to say something is asked whether it still is.
func (l *Lockstep) hearOfGuest(r *protocol.Row) {
	p := &l.peers[r.Member]
	g, life := &p.guest, r.Version>>32
	same := g.identity == r.Identity
	switch {
	case !l.agreed || r.Identity == 0:
		return
	case l.heard(p):
		p.link.doubted = p.link.doubted || r.Identity != p.latest().identity
		return
	case same && r.Version <= g.version, !same && p.visited && !l.gone(p):
		return
	case !same || life > g.life():
		*g = view{identity: r.Identity, session: life << 32, marks: make(clock.Vector, l.config.Members)}
		p.link.startAnew()
	}
	p.visited, g.seen = true, l.now
	l.see(p, g, r)
}
