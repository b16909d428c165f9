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
	patienceQuiets = 5  // so long an origin that was heard is waited for: it may be slow, or its link come up next
	pushSlots      = 4  // holders take turns in pushing

	relayedMarksMax = 4096 // of the rows of others in one message; the other rows go with the next one
)

// pull is this member's request that a peer relay a stream to it.
type pull struct {
	from   member.ID
	active bool
	asked  time.Duration
}

// onTick looks after everything that only the passing of time shows.
func (d *Delta) onTick() {
	d.tick = true
	d.contact = d.contact || d.now >= d.cfg.FirstContactWait
	d.updateHears()
	d.agree()
	quiet := d.quiet()
	for i := range d.links {
		l := &d.links[i]
		if l.peer == d.cfg.Self {
			continue
		}
		d.judgeLoss(l)
		d.onTimeout(l)
		d.endLeases(l)
		d.push(l, quiet)
		if d.mutant == mutant.RewindEachTick {
			d.rewind(l)
		}
	}
	for j := range d.streams {
		if !d.writes(member.ID(j)) {
			d.seek(member.ID(j), quiet)
		}
	}
}

// updateHears publishes whom this member hears, so that others know whose row
// and streams it needs from them.
func (d *Delta) updateHears() {
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

// publishMeta makes a new version of the own row: binding or hears changed.
func (d *Delta) publishMeta() {
	d.mine.version++
	d.setMeta(d.mine)
	d.published = d.changes
}

// seek asks one peer to relay a stream that others are known to have more of
// while nothing of it comes; it asks another one when that does not help, and
// ends the lease when the origin itself is back.
func (d *Delta) seek(stream member.ID, quiet time.Duration) {
	s := &d.streams[stream]
	p := &s.pull
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
	case p.active && d.now-max(p.asked, s.came) >= rotateQuiets*quiet:
		d.rotate(stream)
	case !p.active && (still >= patienceQuiets*quiet || still >= quiet && d.silent(stream)):
		d.rotate(stream)
	}
}

// silent says whether nothing speaks for waiting until the origin itself comes
// back: it was never heard, or somebody without its data came to its place.
func (d *Delta) silent(origin member.ID) bool {
	l := &d.links[origin]
	return origin == d.cfg.Self || !l.everHeard || !d.boundTo(l)
}

// rotate asks the next peer that has more of a stream.
func (d *Delta) rotate(stream member.ID) {
	p := &d.streams[stream].pull
	first := (uint64(d.cfg.Self) + uint64(stream)) % uint64(d.cfg.Members)
	if p.active {
		first = uint64(p.from) + 1
	}
	p.active = false
	for i := range uint64(d.cfg.Members) {
		l := &d.links[(first+i)%uint64(d.cfg.Members)]
		if l.peer == d.cfg.Self || !l.up || !d.hears(l) || l.row == nil {
			continue
		}
		if l.row.mark(stream).Have > d.mine.mark(stream).Have {
			d.askFor(stream, l.peer, false)
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
	d.relay(l, p.Stream, leaseQuiets*d.quiet())
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
func (d *Delta) push(l *link, quiet time.Duration) {
	if !l.up || d.hears(l) || l.row == nil || d.mutant == mutant.NoPushForOneWayLinks {
		return
	}
	if l.pushedAt == nil {
		l.pushedAt = make([]time.Duration, d.cfg.Members)
	}
	l.row.noteRises()
	wait := min(quiet<<min(l.pushes, 10), timeoutMax)
	for j := range d.streams {
		stream := member.ID(j)
		if stream == l.peer && d.boundTo(l) || d.writes(stream) {
			continue
		}
		rose, pushed, lease := l.row.roseAt(j), l.pushedAt[j], l.leasedUntil(stream)
		switch {
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
		d.relay(l, stream, max(leaseQuiets*quiet, 2*l.detour))
		l.pushedAt[j] = d.now
	}
}

// turn gives how long this holder lets others go first: another time for each
// peer and stream.
func (d *Delta) turn(l *link, stream member.ID, quiet time.Duration) time.Duration {
	slot := (uint64(d.cfg.Self)*7 + uint64(l.peer)*3 + uint64(stream)) % pushSlots
	return time.Duration(slot) * quiet
}

// mustRelay says whether rows of others should go to the peer with this tick.
func (d *Delta) mustRelay(l *link) bool {
	if d.hearsAll(l) || d.now < d.acquaintedAt() || d.now-l.relayedAt < d.quiet() || d.mutant == mutant.NoRelayedRows {
		return false
	}
	// What a peer that is not heard has received nobody knows: as long as
	// anything depends on it, rows go again now and then.
	again := !d.hears(l) && d.logBytes > 0 && d.now-l.relayedAt >= d.cfg.KeepAlive
	for k, r := range d.rows {
		if d.relaysRow(l, member.ID(k)) && (again || r.newest > l.relayedSince(k)) {
			return true
		}
	}
	return false
}

// relaysRow says whether the peer needs a member's row from here.
func (d *Delta) relaysRow(l *link, of member.ID) bool {
	if of == l.peer && d.boundTo(l) || of == d.cfg.Self && !d.reader || d.rows[of] == nil {
		return false
	}
	return l.row == nil || !l.row.hears.Has(of)
}

// hearsAll says whether the peer hears everybody, so that it needs no row from
// here: that is so nearly always, and quickly seen.
func (d *Delta) hearsAll(l *link) bool {
	return l.row != nil && d.boundTo(l) && l.row.hears.Len() >= d.cfg.Members-1
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
	added, room := false, relayedMarksMax
	for i := range d.rows {
		k := (i + l.relayedNext) % len(d.rows)
		r, since := d.rows[k], l.relayed[k]
		if !d.hears(l) {
			since = 0 // what of it arrives is never known
		}
		if d.relaysRow(l, member.ID(k)) && d.addRow(m, r, member.ID(k), since) {
			r.noteChanges()
			l.relayed[k] = d.changes
			added = true
			if room -= len(m.Rows[len(m.Rows)-1].Marks); room <= 0 {
				l.relayedNext = k + 1
				break
			}
		}
	}
	l.relayedAt = d.now
	return added
}
