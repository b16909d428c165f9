package delta

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

const (
	ackBytes = 128 << 10 // received without an answer before the next tick

	urgentBytes = 32 << 10 // received since the last answer: under more load rows ride along
)

// onFlush settles and trims what came together, then tells each peer what it
// lacks.
func (d *Delta) onFlush() {
	d.choose()
	d.settle()
	d.trim()
	d.keepBinding()
	d.pending.promised = clock.Infinity
	for i := range d.links {
		if l := &d.links[i]; l.presence.up {
			d.speak(l)
			d.pending.promised = min(d.pending.promised, l.report.promise)
		}
	}
	d.pending.ticked, d.pending.urgent = false, false
	d.updateRoom()
	d.writeAgain()
}

// keepBinding has made durable what is new of who counts.
func (d *Delta) keepBinding() {
	if d.cfg.Durable {
		d.roster.Keep(&d.fx)
	}
}

// speak sends what the window allows, or at least the row if somebody waits
// for it.
func (d *Delta) speak(l *link) {
	spoken := d.sendSnapshot(l)
	for more := d.mayFill(l); more; {
		m := d.scratch.message()
		more = d.fill(l, m)
		if len(m.Batches) == 0 {
			d.scratch.used--
			break
		}
		d.send(l, m)
		spoken, more = true, more || l.cursor.isFull(l.window.bytes)
	}
	if !spoken && d.mustSpeak(l) {
		d.send(l, d.scratch.message())
	}
}

// mayFill reports whether a message to the peer could have batches, which most
// links have not most of the time.
func (d *Delta) mayFill(l *link) bool {
	own := !d.roster.Observes() && d.streams[d.cfg.Self].log.len() > 0
	return l.cursor.isFull(l.window.bytes) || len(l.cursor.lost)+len(l.help.streams) > 0 || own && d.unsent(l, d.cfg.Self) != nil
}

func (d *Delta) mustSpeak(l *link) bool {
	rested := d.now-l.report.spoke >= d.pace(l)
	settling := d.roster.Agreed() || d.roster.Len() < paceFrom // before that no haste of a large cluster helps
	switch {
	case d.now-l.report.spoke >= d.keepAlive(l), l.acks.bytes >= ackBytes, len(l.pulls) > 0:
		return true
	case d.tellsChoice(l) && rested:
		return true
	case (d.pending.urgent || l.acks.urgent) && rested && settling && d.news(l) && l.acks.bytes < urgentBytes:
		return true
	}
	return d.pending.ticked && (rested && (l.acks.due || d.news(l) || d.now >= d.relayAt(l)) || d.ended() && !l.report.endTold)
}

// news reports whether the own row changed since the peer was told.
func (d *Delta) news(l *link) bool { return d.frontier.published > l.report.sent }

func (d *Delta) ended() bool { return d.roster.Agreed() && d.frontier.stable >= clock.Infinity }

// send completes a message with all that goes with any message, and sends it.
func (d *Delta) send(l *link, m *protocol.Message) {
	m.From, m.Identity, m.Session = d.cfg.Self, d.cfg.Identity, l.presence.outSession
	m.Ack.Session = l.presence.session
	m.Ack.Ranges = append(m.Ack.Ranges, l.acks.received...)
	m.Stable, m.View = d.frontier.stable, d.roster.Tag()
	if !l.report.bindings && m.View.Number <= 1 {
		m.Binding = d.roster.Binding()
	}
	d.tellViews(l, m)
	l.report.endTold = d.ended()
	m.Pulls = append(m.Pulls, l.pulls...)
	d.tellWhole(l)
	fresh := d.news(l)
	if !d.addRow(m, d.frontier.mine, d.cfg.Self, l.report.since(l.presence.reliable)) && d.frontier.mine.spoken != nil {
		m.Rows = append(m.Rows, d.scratch.row(d.frontier.mine, d.cfg.Self, d.frontier.mine.newest)) // nothing goes without that
	}
	l.report.sent, l.report.promise = d.frontier.changes, d.frontier.mine.mark(d.cfg.Self).Promise
	d.remind(l, m)
	relays := d.pending.ticked && d.relayRows(l, m)
	if relays && !d.hears(l) && m.View.Number <= 1 {
		m.Binding = d.roster.Binding() // who is not heard may have begun anew
	}
	if len(m.Batches) > 0 || (!l.presence.reliable || l.trip.srtt == 0) && (fresh || relays) {
		d.number(l, m, relays)
	}
	l.acks.due, l.acks.bytes, l.acks.urgent, l.report.spoke, l.pulls = false, 0, false, d.now, l.pulls[:0]
	d.fx.Send = append(d.fx.Send, protocol.Envelope{To: l.peer, Message: m})
}

// addRow adds what changed of a row since a change counter, if anything did.
// Peers that know the same get the same row, written down once.
func (d *Delta) addRow(m *protocol.Message, r *row, of member.ID, since uint64) bool {
	if r.newest <= since {
		return false
	}
	m.Rows = append(m.Rows, d.scratch.row(r, of, since))
	return true
}

// number makes a message one that wants an acknowledgement.
func (d *Delta) number(l *link, m *protocol.Message, relays bool) {
	if l.cursor.flights.len() == 0 {
		l.cursor.progressed = d.now
	}
	m.Number = l.cursor.flights.end
	f := l.cursor.flights.push()
	*f = flight{sentAt: d.now, session: l.presence.session, stamp: d.frontier.changes, relays: relays, spans: f.spans[:0]}
	for i := range m.Batches {
		b := &m.Batches[i]
		f.size += b.Size()
		if n := len(f.spans); n > 0 && f.spans[n-1].stream == b.Origin && f.spans[n-1].last+1 == b.Seq {
			f.spans[n-1].last = b.Last()
		} else {
			f.spans = append(f.spans, span{b.Origin, b.Seq, b.Last()})
		}
	}
	l.cursor.inFlight += f.size
}

// fill puts batches into a message: lost ones first, then of the own stream
// and those relayed to the peer the oldest, as far as the window allows. It
// reports whether there may be more for another message.
func (d *Delta) fill(l *link, m *protocol.Message) bool {
	room := min(d.cfg.MessageBytesMax, l.window.bytes-l.cursor.inFlight)
	if l.cursor.inFlight == 0 {
		room = max(room, 1) // at least one batch, whatever its size
	}
	for size := 0; size < room; {
		b := d.nextLost(l)
		if b == nil {
			b = d.nextNew(l)
		}
		if b == nil {
			return false
		}
		if size > 0 && size+b.Size() > d.cfg.MessageBytesMax {
			d.takeBack(l, b)
			return true
		}
		size += b.Size()
		m.Batches = append(m.Batches, *b)
	}
	l.window.blocked = l.window.blocked || l.window.bytes-l.cursor.inFlight <= d.cfg.MessageBytesMax
	return true
}

// nextLost returns the next batch of what was lost; it leaves the list. What was
// relayed stays there as long as somebody else may be relaying it now.
func (d *Delta) nextLost(l *link) *protocol.Batch {
	for i := 0; i < len(l.cursor.lost); {
		s := &l.cursor.lost[i]
		log := &d.streams[s.stream].log
		from := max(s.first-1, d.known(l, s.stream))
		number := d.streams[s.stream].find(from)
		switch {
		case from >= s.last || number >= log.end || log.at(number).Seq > s.last:
			l.cursor.lost = append(l.cursor.lost[:i], l.cursor.lost[i+1:]...)
		case !d.roster.Writes(s.stream) && l.help.lasts(s.stream) <= d.now:
			i++
		default:
			b := log.at(number)
			s.first = b.Last() + 1
			return b
		}
	}
	return nil
}

// nextNew returns the oldest batch that goes to the peer and was not sent yet.
func (d *Delta) nextNew(l *link) *protocol.Batch {
	var best *protocol.Batch
	if !d.roster.Observes() {
		best = d.unsent(l, d.cfg.Self)
	}
	for _, j := range l.help.streams {
		if b := d.unsent(l, j); b != nil && (best == nil || b.Compare(best) < 0) {
			best = b
		}
	}
	if best != nil {
		h := l.cursor.reach(best.Origin, d.roster.Len())
		h.have, h.number = best.Last(), h.number+1
	}
	return best
}

// unsent returns the next batch of a stream for the peer, nil if there is none.
func (d *Delta) unsent(l *link, stream member.ID) *protocol.Batch {
	s, h := &d.streams[stream], l.cursor.reach(stream, d.roster.Len())
	known := d.known(l, stream)
	if max(known, h.have) < s.base {
		return nil // a snapshot comes first: beyond the gap before it, this would fill the buffer
	}
	if known > h.have || h.number < s.log.first {
		// Of what the peer has and this member lacks, nothing goes back to it later.
		h.have = max(h.have, s.base, min(known, d.frontier.held(stream)))
		h.number = s.find(h.have)
	}
	if h.number >= s.log.end {
		return nil
	}
	if b := s.log.at(h.number); b.Time > l.cursor.older || !l.presence.awaited(d.now) {
		return b
	}
	return nil // it may well have that: it will tell
}

// takeBack takes back a batch that does not fit into the message after all.
func (d *Delta) takeBack(l *link, b *protocol.Batch) {
	for i := range l.cursor.lost {
		if s := &l.cursor.lost[i]; s.stream == b.Origin && s.first == b.Last()+1 {
			s.first = b.Seq
			return
		}
	}
	h := l.cursor.reach(b.Origin, d.roster.Len())
	h.have, h.number = b.Seq-1, h.number-1
}

// sendSnapshot sends an observer the state that stands for batches
// that are not kept any more.
func (d *Delta) sendSnapshot(l *link) bool {
	if d.now < d.snapshotAt(l) {
		return false
	}
	l.report.snapshotAt = max(d.now, 1)
	m := d.scratch.message()
	m.Snapshot = &d.frontier.base
	d.send(l, m)
	return true
}

// snapshotAt returns when that is due.
func (d *Delta) snapshotAt(l *link) time.Duration {
	switch {
	case !d.roster.Agreed() || l.row == nil || d.boundTo(l) || d.frontier.base.Time == 0 || !d.lacksBase(l):
		return protocol.Never
	case l.report.snapshotAt == 0:
		return 0
	}
	return l.report.snapshotAt + max(d.timeout(l), snapshotWaitMin)
}

func (d *Delta) lacksBase(l *link) bool {
	for j := range d.streams {
		if d.known(l, member.ID(j)) < d.streams[j].base {
			return true
		}
	}
	return false
}
