package delta

import (
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

const (
	leaseQuiets    = 10 // a pull is a lease for so many times the quiet time
	rotateQuiets   = 2  // without progress for so many, somebody else is asked
	patienceQuiets = 4  // so much longer an origin that was heard is waited for: it may be slow, or its link come up next
	pushSlots      = 4  // holders take turns in pushing

	relayedMarksMax = 4096 // of the rows of others in one message; the other rows go with the next one

	patienceMax = 500 * time.Millisecond // but not longer than that: the nearest holder may be far
)

// pull is this member's request that a peer relay a stream to it.
type pull struct {
	from   member.ID
	active bool
	asked  time.Duration
	vain   uint // members asked before that did not help
}

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
// is heard now and then must not make news each time.
func (d *Delta) updateHears() {
	if d.idle() && d.now-d.hearsAt < d.cfg.KeepAlive {
		return
	}
	d.hearsAt = d.now
	changed := false
	for i := range d.links {
		l := &d.links[i]
		if hears := l.peer != d.cfg.Self && d.hears(l) && d.boundTo(l); hears != d.mine.hears.Has(l.peer) {
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

// seek asks one peer to relay a stream that others are known to have more of
// while nothing of it comes; it asks another one when that does not help, and
// ends the lease when the origin itself is back.
func (d *Delta) seek(stream member.ID) {
	s := &d.streams[stream]
	p := &s.pull
	if !s.waiting && !p.active {
		return
	}
	quiet := d.quietOf(stream)
	if p.active && s.direct > p.asked && p.from != stream {
		d.askFor(stream, p.from, true)
		p.active = false
	}
	if !s.waiting {
		p.active = p.active && d.now-max(p.asked, s.came) < leaseQuiets*quiet
		if !p.active || d.now-p.asked < leaseQuiets*quiet/2 || s.came < p.asked {
			return
		}
	}
	still := d.now - max(s.came, s.missed)
	switch {
	case p.active && s.came > p.asked && d.now-p.asked >= leaseQuiets*quiet/2:
		d.askFor(stream, p.from, false)
	case p.active && d.now-max(p.asked, s.came) >= min(rotateQuiets*quiet<<min(p.vain, 10), timeoutMax):
		d.rotate(stream)
	case !p.active && (still >= quiet+min(patienceQuiets*quiet, patienceMax) || still >= quiet && d.silent(stream)):
		d.rotate(stream)
	}
}

// quiet gives D1 for the way to one peer: how long nothing must come of it
// before others step in. A slow way to somebody else does not count: it would
// make all detours as slow.
func (d *Delta) quiet(l *link) time.Duration {
	if l.srtt == 0 {
		return unmeasuredTicks * d.cfg.Tick
	}
	return d.stretch(l)
}

// stretch gives the longer of two ticks and one and a half round trips: how often
// a peer is told the same kind of news at most.
func (d *Delta) stretch(l *link) time.Duration {
	return max(2*d.cfg.Tick, min(l.srtt, timeoutMax)*3/2)
}

// quietOf gives the quiet time of a stream: that of the peer that was asked, or
// else of the nearest one that is heard and has more. The origin is one of
// these; when its own way is the slow one, it need not be waited for.
func (d *Delta) quietOf(stream member.ID) time.Duration {
	if p := &d.streams[stream].pull; p.active {
		return d.quiet(&d.links[p.from])
	}
	return d.nearest(stream)
}

// nearest gives the shortest quiet time of the peers that can be asked for more
// of a stream; the longest possible if there are none.
func (d *Delta) nearest(stream member.ID) time.Duration {
	quiet := timeoutMax * 3 / 2
	for i := range d.links {
		if l := &d.links[i]; d.hasMore(l, stream) {
			quiet = min(quiet, d.quiet(l))
		}
	}
	return quiet
}

// hasMore says whether a peer can be asked for more of a stream.
func (d *Delta) hasMore(l *link, stream member.ID) bool {
	return l.peer != d.cfg.Self && l.up && d.hears(l) && l.row != nil && l.row.mark(stream).Have > d.mine.mark(stream).Have
}

// silent says whether nothing speaks for waiting until the origin itself comes
// back: it was never heard, or somebody without its data came to its place.
func (d *Delta) silent(origin member.ID) bool {
	l := &d.links[origin]
	return origin == d.cfg.Self || !l.everHeard || !d.boundTo(l)
}

// rotate asks the next peer that has more of a stream and is no farther away
// than the nearest. Each time that this does not help it may be twice as far,
// and gets twice the time: a way that was not measured may be a slow one.
func (d *Delta) rotate(stream member.ID) {
	p := &d.streams[stream].pull
	first, vain := (uint64(d.cfg.Self)+uint64(stream))%uint64(d.cfg.Members), uint(0)
	before := *p
	if p.active {
		first, vain = uint64(p.from)+1, p.vain+1
	}
	p.active = false
	farthest := d.nearest(stream) << min(vain, 10)
	for i := range uint64(d.cfg.Members) {
		l := &d.links[(first+i)%uint64(d.cfg.Members)]
		if d.hasMore(l, stream) && d.quiet(l) <= farthest {
			if before.active && before.from != l.peer {
				d.askFor(stream, before.from, true)
			}
			d.askFor(stream, l.peer, false)
			p.vain = vain
			return
		}
	}
}

func (d *Delta) askFor(stream, from member.ID, cancel bool) {
	d.streams[stream].pull = pull{from: from, active: !cancel, asked: d.now}
	l := &d.links[from]
	l.pulls = append(l.pulls, protocol.Pull{Stream: stream, Cancel: cancel})
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
	d.relay(l, p.Stream, leaseQuiets*d.quiet(l))
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

// push sends unasked to a peer that is not heard, whose pulls can therefore
// not arrive: when its row, known through others, stands still, the holders of
// what it lacks take turns. Who helps goes on; while nothing helps, it backs off.
func (d *Delta) push(l *link) {
	if !l.up || d.hears(l) || l.row == nil || d.mutant == mutant.NoPushForOneWayLinks {
		return
	}
	if l.pushedAt == nil {
		l.pushedAt = make([]time.Duration, d.cfg.Members)
	}
	l.row.noteRises()
	quiet := d.quietRound(l)
	wait := min(quiet<<min(l.pushes, 10), timeoutMax)
	for j := range d.streams {
		stream := member.ID(j)
		if stream == l.peer && d.boundTo(l) || d.writes(stream) {
			continue
		}
		rose, pushed, lease := l.row.roseAt(j), l.pushedAt[j], l.leasedUntil(stream)
		switch {
		case d.asks(l):
			l.pushedAt[j] = d.now // it may still answer
			continue
		case d.known(l, stream) >= d.mine.mark(stream).Have:
			if rose > pushed {
				l.pushes = 0
			}
			l.pushedAt[j] = d.now // its turn begins when it lacks something
			continue
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

// quietRound gives the quiet time for a peer that is not heard: its signs come
// round through somebody who is, two ways at least.
func (d *Delta) quietRound(l *link) time.Duration {
	shortest := timeoutMax
	for i := range d.links {
		if via := &d.links[i]; via.peer != d.cfg.Self && d.hears(via) {
			shortest = min(shortest, d.stretch(via))
		}
	}
	return max(d.stretch(l), l.detour, 2*shortest)
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
