package delta

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// boundStep is how many Lamport times are reserved in the journal at once.
const boundStep clock.Time = 1 << 20

// onSubmit gives an own batch its place in the log.
func (d *Delta) onSubmit(b *protocol.Batch) {
	orphan := b.Seq != 0
	switch {
	case orphan && !d.takeOrphan(b):
		d.fx.Release = append(d.fx.Release, *b)
		return
	case !orphan && (d.roster.Observes() || d.isEnding() || len(d.own.back.orphans) > 0):
		d.counts.Drop(*b, &d.fx)
		return
	}
	b.Origin, b.Identity = d.cfg.Self, d.roster.Pen()
	b.Seq = d.frontier.held(b.Origin) + 1
	b.Time = d.clock.Next()
	d.reserve()
	d.hold(b)
	d.own.appended += b.Size()
	d.own.room -= b.Size()
	d.own.kept += b.Size()
	if d.own.back.closing && len(d.own.back.orphans) == 0 {
		d.close()
	}
}

// reserve makes a bound durable before the clock passes it.
func (d *Delta) reserve() {
	if d.cfg.Durable && d.clock.Now() >= d.bound {
		d.bound = d.clock.Now() + boundStep
		d.fx.Bound = d.bound
	}
}

// onBatch takes a batch from a peer and reports whether it need not come again.
func (d *Delta) onBatch(b *protocol.Batch, from *link) bool {
	d.counts.CopiesIn++
	if !d.valid(b) {
		d.counts.Refused++
		d.release(b)
		return true
	}
	s, have := &d.streams[b.Origin], d.frontier.held(b.Origin)
	switch {
	case b.Seq > have+1:
		kept, known := s.stash(b, d.cfg.AheadBytesMax)
		if !kept {
			d.release(b)
		}
		return kept || known
	case b.Seq == have+1 && d.readsTooMuch(b):
		d.release(b)
		return false
	case b.Last() > have && b.Seq == have+1 && d.follows(b):
		if !d.isAsWritten(b) {
			d.stop()
			break
		}
		d.take(b, from)
		d.goOn(b.Origin, from)
		return true
	case b.Last() <= have:
		d.compare(s, b)
	default:
		d.contradicts(b)
	}
	d.release(b)
	return true
}

// readsTooMuch reports whether a batch has no room at a member that only reads, for whom
// nobody waits: what it cannot deliver as fast as that it gets as a state later.
func (d *Delta) readsTooMuch(b *protocol.Batch) bool {
	return d.roster.Observes() && !d.parks() && d.own.held > 0 && d.own.held+b.Size() > d.cfg.MemoryBytesMax
}

// release gives the memory of a batch back.
func (d *Delta) release(b *protocol.Batch) { d.fx.Release = append(d.fx.Release, *b) }

// goOn takes what waited for entries that are held now: batches beyond the gap
// and promises.
func (d *Delta) goOn(stream member.ID, from *link) {
	s := &d.streams[stream]
	for next, ok := s.unstash(d.frontier.held(stream)); ok; next, ok = s.unstash(d.frontier.held(stream)) {
		if next.Seq != d.frontier.held(stream)+1 || !d.follows(&next) {
			d.judgeStashed(s, &next)
			d.release(&next)
			continue
		}
		if !d.isAsWritten(&next) {
			d.stop()
			d.release(&next)
			return
		}
		d.take(&next, from)
	}
	d.endCut(stream)
	d.adoptWaiting(stream)
}

func (d *Delta) valid(b *protocol.Batch) bool {
	if !d.roster.Has(b.Origin) || d.roster.Writes(b.Origin) || b.Identity == 0 || b.Count == 0 || b.Seq == 0 {
		return false
	}
	if b.Time == 0 || !d.clock.Takes(b.Time) {
		return false
	}
	d.bind(b.Origin, b.Identity)
	return d.roster.Takes(b)
}

// take appends a batch of another origin.
func (d *Delta) take(b *protocol.Batch, from *link) {
	d.counts.AppendsIn++
	s := &d.streams[b.Origin]
	s.want.came, s.want.missed = d.now, 0
	if from.peer == b.Origin && d.boundTo(from) {
		s.want.direct = d.now
	}
	d.clock.Merge(b.Time)
	d.reserve()
	if b.Time > d.pending.promised {
		d.pending.urgent = true
	}
	from.acks.urgent = from.acks.urgent || from.peer == b.Origin && (!d.cfg.Durable || d.holders() > 1)
	d.hold(b)
	if d.compares(b.Origin) {
		d.fx.Append = d.fx.Append[:len(d.fx.Append)-1] // this member wrote it, so it is in the journal
		d.forgetOrphans()
	}
}

// hold puts a batch at the end of its stream and has it made durable.
func (d *Delta) hold(b *protocol.Batch) {
	s := &d.streams[b.Origin]
	*s.log.push() = *b
	s.last = b.Time
	d.own.held += b.Size()
	d.fx.Append = append(d.fx.Append, *b)
	d.frontier.raise(b.Origin, clock.Mark{Have: b.Last(), Promise: b.Time})
	d.park()
}

// adoptWaiting takes the promises that waited for entries that came now.
func (d *Delta) adoptWaiting(stream member.ID) {
	s := &d.streams[stream]
	if !s.want.waiting {
		return
	}
	s.want.waiting = false
	have := d.frontier.held(stream)
	for k, r := range d.frontier.rows {
		if member.ID(k) == d.cfg.Self {
			continue
		}
		d.adoptPromise(stream, have, r, member.ID(k) == stream)
		if l := &d.links[k]; l.row != r {
			d.adoptPromise(stream, have, l.row, false) // an observer knows facts too
		}
	}
}

// adoptPromise takes a promise whose entries are among those that are held, or
// waits for them on.
func (d *Delta) adoptPromise(stream member.ID, have uint64, r *row, ownWord bool) {
	if r == nil {
		return
	}
	if mark := r.mark(stream); mark.Have > have || !d.roster.Agreed() && !ownWord {
		d.streams[stream].want.waiting = true
	} else {
		d.frontier.raise(stream, clock.Mark{Promise: mark.Promise})
	}
}
