package delta

import (
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

const (
	leaseQuiets = 10 // a pull is a lease for so many times the quiet time
	pushSlots   = 4  // holders take turns in pushing

	slotLength = 250 * time.Millisecond // of one holder's turn at a peer that is heard

	relayedMarksMax = 4096 // of the rows of others in one message; the other rows go with the next one
)

// onTick looks after everything that only the passing of time shows.
func (d *Delta) onTick() {
	d.tick = true
	d.contact = d.contact || d.now >= d.cfg.FirstContactWait
	d.updateHears()
	d.agree()
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self {
			continue
		}
		d.welcome(l)
		d.judgeLoss(l)
		d.onTimeout(l)
		d.endLeases(l)
		d.push(l)
		if d.mutant == mutant.RewindEachTick {
			d.rewind(l)
		}
	}
	for j := range d.streams {
		if !d.writes(member.ID(j)) {
			d.seek(member.ID(j))
		}
	}
}

// updateHears publishes whom this member hears, so that others know whose row
// and streams it needs from them. As long as nobody needs anything, a peer that
// is heard now and then must not make news each time: late messages, too, come
// from peers that are not heard.
func (d *Delta) updateHears() {
	idle := d.idle()
	if idle && d.now-d.hearsAt < d.cfg.KeepAlive {
		return
	}
	d.hearsAt = d.now
	changed := false
	for i := range d.links {
		l := &d.links[i]
		hears := l.peer != d.cfg.Self && d.hears(l) && d.boundTo(l)
		if hears && idle && l.heard-l.heardFrom < d.cfg.KeepAlive {
			continue
		}
		if hears != d.mine.hears.Has(l.peer) {
			changed = true
			if hears {
				d.mine.hears.Add(l.peer)
			} else {
				d.mine.hears.Remove(l.peer)
			}
		}
	}
	if changed {
		d.publishMeta()
	}
}

// idle says that everybody holds everything that is known here.
func (d *Delta) idle() bool { return d.agreed && d.logBytes == 0 }

// publishMeta makes a new version of the own row: binding or hears changed.
func (d *Delta) publishMeta() {
	d.mine.version++
	d.setMeta(d.mine)
	d.published = d.changes
}

// onPull begins, renews or ends the relaying of a stream to a peer.
func (d *Delta) onPull(l *link, p protocol.Pull) {
	if int(p.Stream) >= d.cfg.Members || p.Stream == d.cfg.Self && !d.reader {
		return
	}
	if p.Cancel {
		l.endLease(p.Stream)
		d.endLeases(l)
		return
	}
	d.relay(l, p.Stream, max(leaseQuiets*d.quiet(l), trialMax))
}

// relay sends a stream to a peer for a while.
func (d *Delta) relay(l *link, stream member.ID, length time.Duration) {
	if l.lease == nil {
		l.lease = make([]time.Duration, d.cfg.Members)
	}
	if l.lease[stream] <= d.now {
		l.leased = append(l.leased, stream)
	}
	l.lease[stream] = max(l.lease[stream], d.now+length)
}

func (d *Delta) endLeases(l *link) {
	kept := l.leased[:0]
	for _, stream := range l.leased {
		if l.lease[stream] > d.now {
			kept = append(kept, stream)
		}
	}
	l.leased = kept
	if d.mutant == mutant.RelayByEveryone {
		for j := range d.streams {
			if member.ID(j) != d.cfg.Self {
				d.relay(l, member.ID(j), time.Hour)
			}
		}
	}
}

// push sends unasked to a peer whose row, known through others, stands still
// although this member holds more. One that is not heard cannot ask: the holders
// of what it lacks take turns; who helps goes on, and while nothing helps, it backs
// off.
func (d *Delta) push(l *link) {
	if !l.up || l.row == nil || d.mutant == mutant.NoPushForOneWayLinks {
		return
	}
	d.pushInSlot(l)
	if d.hears(l) {
		return
	}
	quiet := d.quietRound(l)
	wait := min(quiet<<min(l.pushes, 10), timeoutMax)
	for j := range d.streams {
		stream := member.ID(j)
		if !d.mayPush(l, stream) {
			continue
		}
		rose, pushed, lease := l.row.roseAt(j), l.pushedAt[j], l.leasedUntil(stream)
		switch {
		case lease > d.now && rose > pushed:
			l.pushes = 0
		case lease <= d.now && d.now-max(rose, pushed) >= wait+d.turn(l, stream, quiet):
			l.pushes++
		default:
			continue
		}
		d.relay(l, stream, max(leaseQuiets*d.quiet(l), 2*l.detour))
		l.pushedAt[j] = d.now
	}
}

// pushInSlot does the same after some time more for a peer that is heard, now and
// then or all the time: its requests may go a slow way, or get lost. Holders have
// their slots one after the other, all counted from when the row stood still. In
// large clusters, which do not note which marks rise, nobody does.
func (d *Delta) pushInSlot(l *link) {
	if d.now-l.heard >= standStillMax || d.cfg.Members >= detailFrom {
		return
	}
	for j := range d.streams {
		stream := member.ID(j)
		if !d.mayPush(l, stream) || l.leasedUntil(stream) > d.now {
			continue
		}
		still := d.now - max(l.row.roseAt(j), l.fullAt[j], l.back) - standStillMax
		if still < 0 {
			continue
		}
		turn := (uint64(d.cfg.Self) + uint64(l.peer)*3 + uint64(stream)) % uint64(d.cfg.Members)
		if slot := uint64(still / slotLength); slot%uint64(d.cfg.Members) == turn {
			d.relay(l, stream, slotLength-still%slotLength)
		}
	}
}

// mayPush says whether a stream may be sent to a peer unasked: somebody else's
// that the peer lacks. Its turn begins when it lacks something.
func (d *Delta) mayPush(l *link, stream member.ID) bool {
	if stream == l.peer && d.boundTo(l) || d.writes(stream) {
		return false
	}
	if l.pushedAt == nil {
		l.pushedAt, l.fullAt = make([]time.Duration, d.cfg.Members), make([]time.Duration, d.cfg.Members)
	}
	l.row.noteRises()
	switch {
	case d.asks(l): // it may still answer
	case d.known(l, stream) >= d.mine.mark(stream).Have:
		if l.row.roseAt(int(stream)) > l.pushedAt[stream] {
			l.pushes = 0
		}
	default:
		return true
	}
	l.pushedAt[stream], l.fullAt[stream] = d.now, d.now
	return false
}

// quietRound gives the quiet time for a peer that is not heard: its signs come
// round through somebody who is, two ways at least. How long a round trip took
// when it was heard says nothing any more.
func (d *Delta) quietRound(l *link) time.Duration {
	shortest := timeoutMax
	for i := range d.links {
		if via := &d.links[i]; via.peer != d.cfg.Self && d.hears(via) {
			shortest = min(shortest, d.stretch(via))
		}
	}
	return min(max(l.detour, 2*shortest), timeoutMax)
}

// turn gives how long this holder lets others go first: another time for each
// peer and stream.
func (d *Delta) turn(l *link, stream member.ID, quiet time.Duration) time.Duration {
	slot := (uint64(d.cfg.Self)*7 + uint64(l.peer)*3 + uint64(stream)) % pushSlots
	return time.Duration(slot) * quiet
}

// mustRelay says whether rows of others should go to the peer with this tick.
func (d *Delta) mustRelay(l *link) bool {
	if d.hearsAll(l) || d.now < d.acquaintedAt() || d.mutant == mutant.NoRelayedRows {
		return false
	}
	wait := d.stretch(l)
	if d.idle() {
		wait = max(wait, d.cfg.KeepAlive)
	}
	if d.now-l.relayedAt < wait {
		return false
	}
	// What a peer that is not heard has received nobody knows: as long as
	// anything depends on it, rows go again now and then.
	again := !d.hears(l) && d.logBytes > 0 && d.now-l.relayedAt >= d.cfg.KeepAlive
	for k, r := range d.rows {
		if d.relaysRow(l, member.ID(k)) && (again || r.newest > l.relayedSince(k)) {
			return true
		}
		if d.relaysGuest(l, member.ID(k)) {
			return true
		}
	}
	return false
}

// relaysRow says whether the peer needs a member's row from here. A peer that is
// not heard may say by now that it hears less: that word, too, may have to come
// round through others that wait for it.
func (d *Delta) relaysRow(l *link, of member.ID) bool {
	if of == l.peer && d.boundTo(l) || of == d.cfg.Self && !d.reader || d.rows[of] == nil {
		return false
	}
	return l.row == nil || !d.hears(l) || !l.row.hears.Has(of)
}

// hearsAll says whether the peer hears everybody, so that it needs no row from
// here: that is so nearly always, and quickly seen.
func (d *Delta) hearsAll(l *link) bool {
	return l.row != nil && d.hears(l) && d.boundTo(l) && l.row.hears.Len() >= d.cfg.Members-1
}

// acquaintedAt gives until when members of a large cluster have time to hear of
// each other directly: passing on everybody's row to everybody meanwhile would
// cost with the fourth power of the members.
func (d *Delta) acquaintedAt() time.Duration {
	if d.cfg.Members < detailFrom {
		return 0
	}
	return 2 * d.cfg.KeepAlive
}

func (l *link) relayedSince(of int) uint64 {
	if l.relayed == nil {
		return 0
	}
	return l.relayed[of]
}

// relayRows adds the rows of members that the peer does not hear.
func (d *Delta) relayRows(l *link, m *protocol.Message) bool {
	if !d.mustRelay(l) {
		return false
	}
	if l.relayed == nil {
		l.relayed = make([]uint64, d.cfg.Members)
	}
	added, guests, room := false, false, relayedMarksMax
	for i := range d.rows {
		k := (i + l.relayedNext) % len(d.rows)
		before := len(m.Rows)
		d.relayRow(l, m, member.ID(k))
		guests = d.relayGuest(l, m, member.ID(k)) || guests
		for i := range m.Rows[before:] {
			room -= len(m.Rows[before+i].Marks)
		}
		added = added || len(m.Rows) > before
		if room <= 0 {
			l.relayedNext = k + 1
			break
		}
	}
	l.relayedAt = d.now
	if guests {
		l.guestsAt = d.now
	}
	return added
}

// relayRow adds what the peer may not know of a member's row.
func (d *Delta) relayRow(l *link, m *protocol.Message, of member.ID) {
	since := l.relayed[of]
	if !d.hears(l) {
		since = 0 // what of it arrives is never known
	}
	if d.relaysRow(l, of) && d.addRow(m, d.rows[of], of, since) {
		d.rows[of].noteChanges()
		l.relayed[of] = d.changes
	}
}
