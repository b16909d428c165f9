package delta

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

const (
	relayedMarksMax = 4096 // of the rows of others in one message; the other rows go with the next one
)

// onTick looks after everything that only the passing of time shows.
func (d *Delta) onTick() {
	d.pending.ticked = true
	d.contact = d.contact || d.now >= d.cfg.FirstContactWait
	d.updateHears()
	d.agree()
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self {
			continue
		}
		d.judgeLoss(l)
		d.onTimeout(l)
		l.help.expire(d.now)
		d.repair(l)
	}
	for j := range d.streams {
		if !d.roster.Writes(member.ID(j)) {
			d.seek(member.ID(j))
		}
	}
	d.suspect()
}

// updateHears publishes whom this member hears, so that others know whose row
// and streams it needs from them.
func (d *Delta) updateHears() {
	for i := range d.links {
		l := &d.links[i]
		switch hears := d.hearsMember(l); {
		case hears == d.frontier.mine.hears.Has(l.peer):
			continue
		case hears:
			d.frontier.mine.hears.Add(l.peer)
		default:
			d.frontier.mine.hears.Remove(l.peer)
		}
		d.frontier.publishMeta()
	}
}

// idle reports whether everybody holds everything that is known here.
func (d *Delta) idle() bool { return d.roster.Agreed() && d.allHeld() }

// allHeld reports whether no batch in memory is lacking anywhere.
func (d *Delta) allHeld() bool {
	if d.own.held == 0 || !d.cfg.KeepAll {
		return d.own.held == 0
	}
	for j := range d.streams {
		if d.streams[j].last > d.frontier.stable {
			return false
		}
	}
	return true
}

// relayAt returns when rows of others should go to the peer, with the next tick.
func (d *Delta) relayAt(l *link) time.Duration {
	if d.hearsAll(l) {
		return protocol.Never
	}
	wait := d.stretch(l)
	if d.idle() {
		wait = max(wait, d.cfg.KeepAlive)
	}
	if at := max(l.relays.at+wait, d.acquaintedAt()); at > d.now {
		return at // if there is anything then
	}
	// What a peer that is not heard has received nobody knows: as long as
	// anything depends on it, rows go again now and then.
	at, again := protocol.Never, protocol.Never
	if !d.hears(l) && !d.allHeld() {
		again = l.relays.at + d.cfg.KeepAlive
	}
	for k, r := range d.frontier.rows {
		switch of := member.ID(k); {
		case !d.relaysRow(l, of):
		case r.newest > l.relays.sentOf(of):
			at = 0
		default:
			at = min(at, again)
		}
		at = min(at, d.observerAt(l, member.ID(k)))
	}
	return at
}

// relaysRow reports whether the peer needs a member's row from here. A peer that is
// not heard may say by now that it hears less: that word, too, may have to come
// round through others that wait for it.
func (d *Delta) relaysRow(l *link, of member.ID) bool {
	if of == l.peer && d.boundTo(l) || of == d.cfg.Self && !d.roster.Observes() || d.frontier.rows[of] == nil {
		return false
	}
	return l.row == nil || !d.hears(l) || !l.row.hears.Has(of)
}

// hearsAll reports whether the peer hears everybody, so that it needs no row from
// here: that is so nearly always, and quickly seen.
func (d *Delta) hearsAll(l *link) bool {
	return l.row != nil && d.hears(l) && d.boundTo(l) && l.row.hears.Len() >= d.roster.Size()-1
}

// relayRows adds the rows of members that the peer does not hear.
func (d *Delta) relayRows(l *link, m *protocol.Message) bool {
	if d.now < d.relayAt(l) {
		return false
	}
	if l.relays.sent == nil {
		l.relays.sent = make([]uint64, d.roster.Len())
	}
	added, observers, room := false, false, relayedMarksMax
	for i := range d.frontier.rows {
		k := (i + l.relays.next) % len(d.frontier.rows)
		before := len(m.Rows)
		d.relayRow(l, m, member.ID(k))
		observers = d.relayObserver(l, m, member.ID(k)) || observers
		for i := range m.Rows[before:] {
			room -= len(m.Rows[before+i].Marks)
		}
		added = added || len(m.Rows) > before
		if room <= 0 {
			l.relays.next = k + 1
			break
		}
	}
	l.relays.at = d.now
	if observers {
		l.relays.observersAt = d.now
	}
	return added
}

// relayRow adds what the peer may not know of a member's row.
func (d *Delta) relayRow(l *link, m *protocol.Message, of member.ID) {
	since := l.relays.sent[of]
	if !d.hears(l) {
		since = 0 // what of it arrives is never known
	}
	if d.relaysRow(l, of) && d.addRow(m, d.frontier.rows[of], of, since) {
		d.frontier.rows[of].noteChanges()
		l.relays.sent[of] = d.frontier.changes
	}
}
