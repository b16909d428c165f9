package delta

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

const (
	windowBytesFirst = 64 << 10   // in flight to a peer that was not measured yet; it doubles with each round trip
	windowBytesMin   = 16 << 10   // in flight to the slowest peer
	windowBytesNear  = 512 << 10  // more than that only where distance, not queueing, makes a round trip long
	windowBytesAll   = 2560 << 10 // nor more than that to all peers together: so much each of them may have to take at once
)

// link is the way to one peer and what is known about it, each by a machine of
// its own.
type link struct {
	peer      member.ID
	presence  presence
	row       *row // what the incarnation that is heard holds: the one in frontier.rows, or an observer's own
	acks      acks
	trip      trip
	window    window
	cursor    cursor
	report    report
	relays    relays
	help      help
	confirmed confirmation
	pulls     []protocol.Pull // requests that go with the next message
}

// newLink begins with a session that no other incarnation has: what a late message
// acknowledges of an earlier one must not be taken for what this one sent.
func newLink(peer member.ID, cfg Config) link {
	return link{
		peer:     peer,
		presence: presence{up: cfg.Datagram && peer != cfg.Self, outSession: cfg.Life<<32 | uint64(cfg.Identity)&(1<<31-1)},
		window:   window{bytes: min(windowBytesFirst, cfg.WindowBytesMax)},
		cursor:   cursor{self: cfg.Self, flights: queue[flight]{first: 1, end: 1}},
	}
}

// grow makes room in what is noted of each place.
func (l *link) grow(places int) {
	if l.row != nil {
		l.row.grow(places)
	}
	if sent := l.cursor.sent; sent != nil {
		l.cursor.sent = append(sent, make([]reach, places-len(sent))...)
	}
	if of := l.help.of; of != nil {
		l.help.of = append(of, make([]helping, places-len(of))...)
	}
	if sent := l.relays.sent; sent != nil {
		l.relays.sent = append(sent, make([]uint64, places-len(sent))...)
	}
}

// onUp begins a new session: what was in flight is lost.
func (d *Delta) onUp(l *link, reliable bool) {
	l.presence.linked(reliable)
	l.cursor.restart()
	l.window.bytes = min(l.window.bytes, windowBytesFirst, d.cfg.WindowBytesMax)
	l.trip.srtt = 0
	d.rewind(l)
	l.help.end(d.now)                        // what is known of it may be old: it will tell
	l.report.linked(d.now - d.cfg.KeepAlive) // say who we are with the next flush
	d.pending.urgent = true
	d.ask(l)
}

// ask lets what is there already wait until the peer answers, for it may have
// all of that, from an earlier incarnation or from others.
func (d *Delta) ask(l *link) {
	l.presence.ask(d.now, d.cfg.FirstContactWait)
	for j := range d.streams {
		l.cursor.older = max(l.cursor.older, d.streams[j].last)
	}
}

func (d *Delta) onDown(l *link) {
	l.presence.up = false
	l.cursor.giveUp()
}

// rewind forgets what was sent: only what the peer is known to hold counts.
func (d *Delta) rewind(l *link) {
	l.cursor.rewind(d.now)
	clear(l.relays.sent)
}

// forget starts anew with another incarnation of the peer, of which others speak.
func (d *Delta) forget(l *link, identity member.Identity) {
	d.startAnew(l, l.presence.become(identity))
}

// startAnew tells an incarnation that is just heard of everything.
func (d *Delta) startAnew(l *link, known bool) {
	l.acks.received = l.acks.received[:0]
	l.report.forget()
	if known {
		d.rewind(l)
	}
	d.tieRow(l)
}

// tieRow points the link at the row of the incarnation it speaks with.
func (d *Delta) tieRow(l *link) {
	switch {
	case l.presence.identity == 0 || d.roster.Bound(l.peer) == 0: // the place is about to be bound
		l.row = nil
	case d.boundTo(l):
		l.row = d.frontier.rowOf(l.peer, l.presence.identity, d.now)
	case l.row == nil || l.row.identity != l.presence.identity:
		l.row = newRow(d.roster.Len(), l.presence.identity, d.now)
	}
}

// boundTo reports whether the peer's present incarnation is the one that counts.
func (d *Delta) boundTo(l *link) bool { return d.roster.Counts(l.peer, l.presence.identity) }

// hears reports whether the peer was heard directly of late. Over a way with long
// queues it may take longer.
func (d *Delta) hears(l *link) bool {
	return l.presence.isHeard(d.now, d.silenceMax(l))
}

// hearsMember reports whether the peer was heard of late, and speaks as a member of this
// history: who goes by another one takes nothing that is said here.
func (d *Delta) hearsMember(l *link) bool {
	return d.hears(l) && d.boundTo(l) && !(d.cfg.Changes && l.report.estranged)
}

// known returns how many entries of a stream the peer is known to hold.
func (d *Delta) known(l *link, stream member.ID) uint64 {
	have := uint64(0)
	if l.row != nil {
		have = l.row.mark(stream).Have
	}
	if d.roster.Agreed() && d.boundTo(l) {
		have = max(have, d.streams[stream].base) // trimmed means held by all
	}
	return have
}

// onAck takes the peer's acknowledgement of numbered messages.
func (d *Delta) onAck(l *link, ack protocol.Ack) {
	if ack.Session != l.presence.outSession {
		return
	}
	acked := false
	for _, r := range ack.Ranges {
		for number := max(r.First, l.cursor.flights.first); number <= r.Last && number < l.cursor.flights.end; number++ {
			acked = d.arrived(l, number) || acked
		}
	}
	l.cursor.popDone()
	if acked {
		l.cursor.moved(d.now)
	}
	d.judgeLoss(l)
}

// arrived takes a flight as acknowledged, and reports whether it was not before.
// A round trip counts only if it did not wait for a connection, and if this
// member did not stand still meanwhile.
func (d *Delta) arrived(l *link, number uint64) bool {
	f, latest := l.cursor.arrive(number)
	if f == nil {
		return false
	}
	l.report.acknowledge(f)
	if latest && (d.cfg.Datagram || f.session == l.presence.session) && f.sentAt >= d.wokeAt {
		sample := d.now - f.sentAt
		l.trip.measure(d.now, sample)
		l.window.adapt(&l.trip, d.now, sample, f.size, d.windowLimits())
	}
	return true
}
