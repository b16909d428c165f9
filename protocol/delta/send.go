package delta

import (
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

const (
	ackBytes          = 128 << 10 // received without an answer before the next tick
	probesOfKeepAlive = 5         // to a peer that is not heard, in the time of one keep-alive

	urgentBytes = 32 << 10 // received since the last answer: under more load rows ride along

	snapshotWaitMin = 100 * time.Millisecond // between two snapshots to the same peer
)

// onFlush settles and trims what came together, then tells each peer what it
// lacks.
func (d *Delta) onFlush() {
	d.settle()
	d.trim()
	if d.rebound && d.cfg.Durable {
		d.fx.Binding = d.binding
	}
	d.rebound = false
	d.told = clock.Infinity
	for i := range d.links {
		if l := &d.links[i]; l.up {
			d.speak(l)
			d.told = min(d.told, l.told)
		}
	}
	d.tick, d.urgent = false, false
	d.updateRoom()
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
		spoken, more = true, more || l.full()
	}
	if !spoken && d.mustSpeak(l) {
		d.send(l, d.scratch.message())
	}
}

// mayFill says whether a message to the peer could have batches, which most
// links have not most of the time.
func (d *Delta) mayFill(l *link) bool {
	own := !d.reader && d.streams[d.cfg.Self].log.len() > 0
	return l.full() || len(l.lost)+len(l.leased) > 0 || own && d.unsent(l, d.cfg.Self) != nil
}

// full says whether the window lets nothing more out.
func (l *link) full() bool { return l.inFlight > 0 && l.inFlight >= l.window }

func (d *Delta) mustSpeak(l *link) bool {
	rested := d.now-l.spoke >= d.pace(l)
	settling := d.agreed || d.cfg.Pace == 0 // before that no haste of a large cluster helps
	switch {
	case d.now-l.spoke >= d.keepAlive(l), l.owedSize >= ackBytes, len(l.pulls) > 0:
		return true
	case (d.urgent || l.expectant) && rested && settling && d.news(l) && l.owedSize < urgentBytes:
		return true
	}
	return d.tick && (rested && (l.owed || d.news(l) || d.mustRelay(l)) || d.mustTellEnd(l))
}

// pace gives how long a row that no batch carries waits after the last message.
// Where queues fill on the way it waits longer: rows of every tick would keep a
// slow link seconds behind.
func (d *Delta) pace(l *link) time.Duration {
	return max(d.cfg.Pace, (l.drained-d.now-roundTripCalm)/2)
}

// keepAlive gives how long to be silent to a peer at most. One that is not heard
// is tried more often while anything depends on it: its first answer after a heal
// is what all else waits for.
func (d *Delta) keepAlive(l *link) time.Duration {
	if d.hears(l) || d.idle() {
		return d.cfg.KeepAlive
	}
	return max(2*d.cfg.Tick, d.cfg.KeepAlive/probesOfKeepAlive)
}

// news says whether the own row changed since the peer was told.
func (d *Delta) news(l *link) bool { return d.published > l.rowSent }

// mustTellEnd says whether the peer must be told, and asked to answer, that all
// is stable for ever, so that it may leave. All messages tell it; if each wanted
// an answer until the first one comes, answers to answers would keep a slow way
// full.
func (d *Delta) mustTellEnd(l *link) bool {
	if !d.ended() || l.knowsEnd() || !d.hears(l) {
		return false
	}
	return l.endTold == 0 || d.now-l.endTold >= min(d.timeout(l), d.cfg.KeepAlive)
}

// knowsEnd says whether the peer knows that all is stable for ever: it has
// answered to that, or says so itself.
func (l *link) knowsEnd() bool {
	return l.stableAcked || l.row != nil && l.row.stable >= clock.Infinity
}

func (d *Delta) ended() bool { return d.agreed && d.stable >= clock.Infinity }

// send completes a message with all that goes with any message, and sends it.
func (d *Delta) send(l *link, m *protocol.Message) {
	m.From, m.Identity, m.Session = d.cfg.Self, d.cfg.Identity, l.outSession
	m.Ack.Session = l.session
	m.Ack.Ranges = append(m.Ack.Ranges, l.received...)
	m.Stable, m.Agreed = d.stable, d.agreed
	if !l.bindings {
		m.Binding = d.binding // lent, as all of a message is
	}
	m.Pulls = append(m.Pulls, l.pulls...)
	fresh := d.news(l)
	d.addRow(m, d.mine, d.cfg.Self, d.rowSince(l))
	l.rowSent, l.told = d.changes, d.mine.mark(d.cfg.Self).Promise
	relays := d.tick && d.relayRows(l, m)
	if len(m.Batches) > 0 || (!l.reliable || l.srtt == 0) && (fresh || relays) || d.mustTellEnd(l) {
		d.number(l, m, relays)
	}
	l.owed, l.owedSize, l.expectant, l.spoke, l.pulls = false, 0, false, d.now, l.pulls[:0]
	d.fx.Send = append(d.fx.Send, protocol.Envelope{To: l.peer, Message: m})
}

// rowSince gives the change counter from which on the peer needs the own row.
func (d *Delta) rowSince(l *link) uint64 {
	if l.reliable {
		return l.rowSent
	}
	return l.rowAcked
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
	if l.flights.len() == 0 {
		l.progressed = d.now
	}
	m.Number = l.flights.end
	f := l.flights.push()
	*f = flight{sentAt: d.now, session: l.session, stamp: d.changes, relays: relays, stable: d.ended(), spans: f.spans[:0]}
	for i := range m.Batches {
		b := &m.Batches[i]
		f.size += b.Size()
		if n := len(f.spans); n > 0 && f.spans[n-1].stream == b.Origin && f.spans[n-1].last+1 == b.Seq {
			f.spans[n-1].last = b.Last()
		} else {
			f.spans = append(f.spans, span{b.Origin, b.Seq, b.Last()})
		}
	}
	l.inFlight += f.size
	if f.stable {
		l.endTold = max(d.now, 1)
	}
}

// fill puts batches into a message: lost ones first, then of the own stream
// and those relayed to the peer the oldest, as far as the window allows. It
// says whether there may be more for another message.
func (d *Delta) fill(l *link, m *protocol.Message) bool {
	room := min(d.cfg.MessageBytesMax, l.window-l.inFlight)
	if l.inFlight == 0 {
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
	l.blocked = l.blocked || l.window-l.inFlight <= d.cfg.MessageBytesMax
	return true
}

// nextLost gives the next batch of what was lost; it leaves the list. What was
// relayed stays there as long as somebody else may be relaying it now.
func (d *Delta) nextLost(l *link) *protocol.Batch {
	for i := 0; i < len(l.lost); {
		s := &l.lost[i]
		log := &d.streams[s.stream].log
		from := max(s.first-1, d.known(l, s.stream))
		number := d.streams[s.stream].find(from)
		switch {
		case from >= s.last || number >= log.end || log.at(number).Seq > s.last:
			l.lost = append(l.lost[:i], l.lost[i+1:]...)
		case !d.writes(s.stream) && l.leasedUntil(s.stream) <= d.now:
			i++
		default:
			b := log.at(number)
			s.first = b.Last() + 1
			if !l.flies(b) { // what was lost once may have been sent again for another reason
				return b
			}
		}
	}
	return nil
}

// nextNew gives the oldest batch that goes to the peer and was not sent yet.
func (d *Delta) nextNew(l *link) *protocol.Batch {
	var best *protocol.Batch
	if !d.reader {
		best = d.unsent(l, d.cfg.Self)
	}
	for _, j := range l.leased {
		if b := d.unsent(l, j); b != nil && (best == nil || b.Compare(best) < 0) {
			best = b
		}
	}
	if best != nil {
		h := d.horizon(l, best.Origin)
		h.have, h.number = best.Last(), h.number+1
		if d.mutant == mutant.SentUsedAsKnown && l.row != nil {
			l.row.marks.Set(int(best.Origin), l.row.mark(best.Origin).Merge(clock.Mark{Have: best.Last(), Promise: best.Time}))
		}
	}
	return best
}

// unsent gives the next batch of a stream for the peer, nil if there is none.
func (d *Delta) unsent(l *link, stream member.ID) *protocol.Batch {
	s, h := &d.streams[stream], d.horizon(l, stream)
	known := d.known(l, stream)
	if max(known, h.have) < s.base {
		return nil // a snapshot comes first: beyond the gap before it, this would fill the buffer
	}
	if known > h.have || h.number < s.log.first {
		// Of what the peer has and this member lacks, nothing goes back to it later.
		h.have = max(h.have, s.base, min(known, d.mine.mark(stream).Have))
		h.number = s.find(h.have)
	}
	if h.number >= s.log.end {
		return nil
	}
	if b := s.log.at(h.number); b.Time > l.older || !d.asks(l) {
		return b
	}
	l.older = max(l.older, s.last) // what comes behind it waits as long: others bring that too
	return nil                     // it may well have that: it will tell
}

// takeBack takes back a batch that does not fit into the message after all.
func (d *Delta) takeBack(l *link, b *protocol.Batch) {
	for i := range l.lost {
		if s := &l.lost[i]; s.stream == b.Origin && s.first == b.Last()+1 {
			s.first = b.Seq
			return
		}
	}
	h := d.horizon(l, b.Origin)
	h.have, h.number = b.Seq-1, h.number-1
}

// sendSnapshot gives a life without data the state that stands for batches
// that are not kept any more.
func (d *Delta) sendSnapshot(l *link) bool {
	if !d.agreed || l.row == nil || d.boundTo(l) || d.base.Time == 0 {
		return false
	}
	if l.snapshotAt != 0 && d.now-l.snapshotAt < max(d.timeout(l), snapshotWaitMin) || !d.lacksBase(l) {
		return false
	}
	l.snapshotAt = max(d.now, 1)
	m := d.scratch.message()
	m.Snapshot = &d.base
	if d.mutant == mutant.SnapshotAtDeliveredFrontier {
		m.Snapshot = d.deliveredSnapshot()
	}
	d.send(l, m)
	return true
}

func (d *Delta) lacksBase(l *link) bool {
	for j := range d.streams {
		if d.known(l, member.ID(j)) < d.streams[j].base {
			return true
		}
	}
	return false
}

// deliveredSnapshot is what a mutant sends: it covers entries that not all
// members hold.
func (d *Delta) deliveredSnapshot() *protocol.Snapshot {
	s := &protocol.Snapshot{Time: d.settled, State: d.base.State, Have: make([]uint64, d.cfg.Members)}
	for j := range d.streams {
		s.Have[j] = d.mine.mark(member.ID(j)).Have
	}
	return s
}
