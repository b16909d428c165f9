package delta

import (
	"chatterbox/member"
	"chatterbox/protocol"
)

// A guest is a life without data at a place that is bound to an earlier one: it
// only reads. Members that do not hear the place learn of it through others.

// freshGuest forgets what a life that only reads said it holds before it knew
// who writes where.
func (d *Delta) freshGuest(l *link) {
	if l.row != nil && !l.row.knows && !d.boundTo(l) {
		l.row, l.before = nil, nil
		d.tieRow(l)
		d.startOver(l)
	}
}

// relaysGuest says whether the row of a life that only reads goes on to the
// peer, which may be the one that can send to it. Nobody says whom of these it
// hears, so their rows go to all, but seldom: when they rose with a sign of life,
// else in the time after which others may take the life for gone.
func (d *Delta) relaysGuest(l *link, at member.ID) bool {
	g := &d.links[at]
	if !d.agreed || at == l.peer || at == d.cfg.Self || g.row == nil || d.boundTo(g) {
		return false
	}
	rest := d.now - l.guestsAt
	return rest >= standStillMax || rest >= d.cfg.KeepAlive && g.row.risen > l.guestsAt
}

// relayGuest adds the row of a life that only reads, whole: who takes another
// life for the present one forgets it.
func (d *Delta) relayGuest(l *link, m *protocol.Message, at member.ID) bool {
	return d.relaysGuest(l, at) && d.addRow(m, d.links[at].row, at, 0)
}

// standsStill says whether the life of a peer that others speak of may be gone:
// it is neither heard, nor do others show that it comes on.
func (d *Delta) standsStill(l *link) bool {
	return d.agreed && !d.hears(l) && (l.row == nil || d.now-l.row.risen >= standStillMax)
}

// hearOf takes the life that others speak of for the present one.
func (d *Delta) hearOf(l *link, identity member.Identity) {
	d.forget(l, identity)
	l.row.risen = d.now
}
