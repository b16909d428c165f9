package delta

import (
	"slices"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// onReceive takes in a message: who speaks, what is known to all, what others
// hold, then the batches, and last what concerns only this link.
func (d *Delta) onReceive(m *protocol.Message) {
	if int(m.From) >= d.cfg.Members || m.From == d.cfg.Self || m.Identity == 0 {
		d.refuse(m)
		return
	}
	l := &d.links[m.From]
	if !d.greet(l, m) {
		d.refuse(m)
		return
	}
	d.onBinding(l, m)
	d.onStable(l, m)
	for i := range m.Rows {
		d.onRow(l, &m.Rows[i], m.Agreed)
	}
	if m.Snapshot != nil {
		d.onSnapshot(m.Snapshot, l)
	}
	complete := true
	for i := range m.Batches {
		complete = d.onBatch(&m.Batches[i], l) && complete
		l.owedSize += m.Batches[i].Size()
	}
	d.onAck(l, m.Ack)
	d.overtaken(l)
	l.popDone()
	for _, pull := range m.Pulls {
		d.onPull(l, pull)
	}
	if m.Number > 0 && complete {
		l.received.add(m.Number)
		l.owed = true
	}
}

func (d *Delta) refuse(m *protocol.Message) {
	d.counts.refused++
	d.fx.Release = append(d.fx.Release, m.Batches...)
}

// greet finds out which life of the peer speaks, and says whether to listen.
func (d *Delta) greet(l *link, m *protocol.Message) bool {
	if m.Identity != l.identity {
		if d.hears(l) && slices.Contains(l.past, m.Identity) {
			return false
		}
		d.forget(l, m.Identity)
	}
	if m.Session < l.session {
		return false
	}
	if m.Session > l.session {
		if l.session != 0 && m.Session>>32 != l.session>>32 {
			d.restarted(l)
			l.rowSent, l.rowAcked, l.bindings = 0, 0, false
		}
		l.session, l.received = m.Session, l.received[:0]
		if !d.cfg.Datagram {
			l.spoke = d.now - d.cfg.KeepAlive // it waits for an answer
		}
	}
	if !d.hears(l) {
		if l.heardFrom = d.now; d.now-l.heard >= timeoutMax {
			l.back = d.now
		}
		d.onReturn(l, m.Number == 0 || m.Number > l.received.last())
	}
	l.met = l.met || m.Ack.Session == l.outSession
	l.heard, l.everHeard = d.now, true
	d.contact = true
	return true
}

// onReturn tries at once what a silent peer may have missed, unless its message
// is seen to be a late one from before the silence: that says nothing about what
// it has by now. What is sent to it unasked ends.
func (d *Delta) onReturn(l *link, newer bool) {
	l.backoff, l.confirmed.since = 0, 0
	d.endPushes(l)
	if !l.everHeard {
		return
	}
	l.recalls, l.progressed = true, d.now
	if newer {
		d.recall(l)
	}
}

// endPushes ends what is sent unasked: the peer can ask.
func (d *Delta) endPushes(l *link) {
	for stream := range l.pushedAt {
		l.endLease(member.ID(stream))
		l.pushedAt[stream] = d.now
	}
	d.endLeases(l)
}

// recall sends again what a peer that returned may have missed.
func (d *Delta) recall(l *link) {
	l.recalls = false
	d.loseBefore(l, d.now-max(l.srtt, 2*d.cfg.Tick))
}

// welcome recalls what a peer missed of which a late message was heard, when
// another one came and it had a round trip to tell more.
func (d *Delta) welcome(l *link) {
	switch {
	case !l.recalls || d.now-l.heardFrom < max(l.srtt, 2*d.cfg.Tick):
	case !d.hears(l):
		l.recalls = false
	case l.heard > l.heardFrom:
		d.recall(l)
	}
}

// restarted sends again what was under way when the peer restarted, and what
// it had kept beyond a gap: that was acknowledged, but is not durable. Rows under
// way were differences against what the peer has forgotten.
func (d *Delta) restarted(l *link) {
	d.endPushes(l)
	l.back = d.now
	d.loseBefore(l, d.now-max(l.srtt, 2*d.cfg.Tick))
	for number := l.flights.first; number < l.flights.end; number++ {
		l.flights.at(number).stamp = 0
	}
	for j := range d.streams {
		s := &d.streams[j]
		end := min(d.sentTo(l, member.ID(j)).number, s.log.end)
		for number := s.find(d.known(l, member.ID(j))); number < end; number++ {
			if b := s.log.at(number); !l.flies(b) && !l.waits(b) {
				l.again(span{member.ID(j), b.Seq, b.Last()})
			}
		}
	}
}

// loseBefore sends again what was sent before a time and is not acknowledged.
// A reliable link needs none of that: its loss is a new session.
func (d *Delta) loseBefore(l *link, before time.Duration) {
	for number := l.flights.first; number < l.flights.end && !l.reliable; number++ {
		if f := l.flights.at(number); !f.done && f.sentAt <= before {
			l.lose(f)
		}
	}
	l.popDone()
	l.progressed = d.now
}

// onBinding takes over what the sender has bound.
func (d *Delta) onBinding(l *link, m *protocol.Message) {
	d.bind(m.From, m.Identity)
	if d.agreed || len(m.Binding) != d.cfg.Members {
		l.bindings = l.bindings || m.Agreed
	} else {
		d.joinBinding(l, m)
	}
	if m.Agreed && l.row != nil {
		d.freshGuest(l)
		l.row.knows = true
	}
}

// joinBinding adds to the own binding what the sender's has.
func (d *Delta) joinBinding(l *link, m *protocol.Message) {
	if owner := m.Binding[d.cfg.Self]; owner != 0 && owner != d.cfg.Identity && !d.reader {
		d.becomeReader(owner)
	}
	if m.Agreed {
		l.bindings = true
		d.adoptBinding(m.Binding)
		return
	}
	for k, identity := range m.Binding {
		d.bind(member.ID(k), identity)
	}
}

// bind ties a place to an identity if nothing is tied to it yet.
func (d *Delta) bind(place member.ID, identity member.Identity) {
	if d.binding[place] != 0 || identity == 0 {
		return
	}
	d.binding.Bind(place, identity)
	d.publishBinding()
	if place != d.cfg.Self {
		d.tieRow(&d.links[place])
	}
}

// adoptBinding takes over what all members agreed on. A stream that was bound
// otherwise here begins anew; nothing of it can have settled.
func (d *Delta) adoptBinding(binding member.Binding) {
	for k, identity := range binding {
		if d.binding[k] != identity {
			if d.binding[k] != 0 {
				d.discard(member.ID(k))
				d.rows[k], d.links[k].row = nil, nil // it may have told what does not count
			}
			d.binding[k] = identity
			if member.ID(k) != d.cfg.Self {
				d.tieRow(&d.links[k])
			}
		}
	}
	d.publishBinding()
	d.settleBinding()
	d.mine.newest = d.changes
	for j := range d.mine.stamps {
		d.mine.stamps[j] = d.changes // what was told before did not count: tell it again
	}
}

// agree settles the binding once the rows of all members show the same one.
func (d *Delta) agree() {
	if d.agreed || d.mine.binding == 0 {
		return
	}
	for _, r := range d.rows {
		if r == nil || r.binding != d.mine.binding {
			return
		}
	}
	d.settleBinding()
}

// settleBinding takes the facts that waited until it was certain whose streams
// they are about. What guests said before they knew may be about other lives.
func (d *Delta) settleBinding() {
	d.agreed = true
	for i := range d.links {
		d.freshGuest(&d.links[i])
	}
	for j := range d.streams {
		d.streams[j].waiting = true
		d.adoptWaiting(member.ID(j))
	}
}

// becomeReader gives up the own stream: the place belongs to an earlier life
// whose data this one does not have.
func (d *Delta) becomeReader(owner member.Identity) {
	d.reader = true
	d.discard(d.cfg.Self)
	d.rows[d.cfg.Self] = nil
	d.binding[d.cfg.Self] = owner
	d.publishBinding()
}

// publishBinding shows with the next message, and has made durable before it,
// what is bound now.
func (d *Delta) publishBinding() {
	d.mine.binding = d.binding.Hash()
	d.rebound = true
	d.publishMeta()
}

// discard forgets a stream that nobody else counts.
func (d *Delta) discard(place member.ID) {
	s := &d.streams[place]
	for number := s.log.first; number < s.log.end; number++ {
		d.logBytes -= s.log.at(number).Size()
		d.fx.Release = append(d.fx.Release, *s.log.at(number))
	}
	d.fx.Release = append(d.fx.Release, s.ahead...)
	d.streams[place] = stream{}
	d.delivered[place], d.fronts[place] = 0, 0
	d.mine.marks.Set(int(place), clock.Mark{})
	d.changed(d.mine, place)
	for i := range d.links {
		d.unsend(&d.links[i], place)
		for _, r := range []*row{d.links[i].row, d.rows[i]} {
			if r != nil {
				r.marks.Set(int(place), clock.Mark{})
			}
		}
	}
}

// onStable takes over that everybody holds everything up to a time.
func (d *Delta) onStable(l *link, m *protocol.Message) {
	if !m.Agreed || !d.agreed || m.Stable > clock.Infinity {
		return
	}
	d.stable = max(d.stable, m.Stable)
	if l.row != nil {
		l.row.stable = max(l.row.stable, m.Stable)
	}
}

// onRow joins what a member holds into what is known of it.
func (d *Delta) onRow(from *link, r *protocol.Row, agreed bool) {
	if int(r.Member) >= d.cfg.Members || (r.Member == d.cfg.Self && !d.reader) {
		return
	}
	target := d.rowOf(from, r, agreed)
	if target == nil {
		return
	}
	if r.Version > target.version {
		target.version, target.binding = r.Version, r.Binding
		target.hears.CopyFrom(r.Hears)
		d.setMeta(target)
	}
	guest := r.Identity != d.binding[r.Member]
	for _, mark := range r.Marks {
		if int(mark.Stream) >= d.cfg.Members || guest && !agreed && (d.agreed || mark.Stream == r.Member) {
			continue // a guest that does not know the binding may speak of another life's stream
		}
		d.onMark(target, mark, mark.Stream == r.Member)
		d.lead(from, mark)
	}
	if r.Member == d.cfg.Self {
		return
	}
	l := &d.links[r.Member]
	if target != l.row && target.risen == d.now && agreed && d.standsStill(l) {
		d.hearOf(l, r.Identity) // its guest was from before
	}
	d.confirm(l)
	if l != from {
		d.overtaken(l)
		l.popDone()
	}
}

// rowOf finds the row that a fact is about; nil when it is about nobody here.
func (d *Delta) rowOf(from *link, r *protocol.Row, agreed bool) *row {
	if r.Member == d.cfg.Self {
		return d.boundRow(r)
	}
	l := &d.links[r.Member]
	if from != l {
		d.bind(r.Member, r.Identity)
		if l.identity == 0 {
			d.forget(l, r.Identity) // it is heard of through others only
		}
		if r.Identity != 0 && r.Identity != l.identity && r.Identity != d.binding[r.Member] && agreed && d.standsStill(l) {
			d.hearOf(l, r.Identity)
		}
	}
	if l.identity == r.Identity && d.mutant != mutant.OldIdentityAccepted {
		return l.row
	}
	return d.boundRow(r)
}

func (d *Delta) boundRow(r *protocol.Row) *row {
	if r.Identity == 0 || r.Identity != d.binding[r.Member] && d.mutant != mutant.OldIdentityAccepted {
		return nil
	}
	if d.rows[r.Member] == nil {
		d.rows[r.Member] = newRow(d.cfg.Members, r.Identity, d.now)
	}
	return d.rows[r.Member]
}

// onMark joins one mark of a row, and takes its promise if the entries that it
// presumes are held here. Before all agreed on who writes where, only the
// origin's own word is certain to be about the stream that is held here.
func (d *Delta) onMark(target *row, mark protocol.StreamMark, ownWord bool) {
	finite := mark.Promise < clock.Infinity
	if mark.Promise > clock.Infinity || (finite && mark.Promise > d.clock.Now()+clock.LeapMax) {
		d.counts.refused++
		return
	}
	joined, changed := d.merge(target, mark)
	if !changed {
		return
	}
	d.rose(target, mark.Stream)
	if finite && d.mutant != mutant.ClockMergeOmitted {
		d.clock.Merge(mark.Promise)
		d.reserve()
	}
	if d.writes(mark.Stream) {
		return
	}
	s := &d.streams[mark.Stream]
	switch {
	case joined.Have > d.mine.mark(mark.Stream).Have && d.mutant != mutant.PromiseWithoutPrefix:
		s.waiting = true
		if s.missed == 0 {
			s.missed = max(d.now, 1)
		}
	case !d.agreed && !ownWord:
		s.waiting = true
	default:
		d.raise(mark.Stream, clock.Mark{Promise: joined.Promise})
	}
}

// lead remembers who told first that there is more of a stream: the way from
// there is the best one, whatever the round trip.
func (d *Delta) lead(from *link, mark protocol.StreamMark) {
	if s := &d.streams[mark.Stream]; mark.Have > s.most {
		s.most, s.leader = mark.Have, from.peer
	}
}

// merge joins a mark into a row.
func (d *Delta) merge(r *row, mark protocol.StreamMark) (joined clock.Mark, changed bool) {
	if d.mutant == mutant.MergeWithoutMax {
		changed = r.mark(mark.Stream) != mark.Mark
		r.marks.Set(int(mark.Stream), mark.Mark)
		return mark.Mark, changed
	}
	return r.marks.Merge(int(mark.Stream), mark.Mark)
}
