package delta

import (
	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// boundStep is how many Lamport times are reserved in the journal at once.
const boundStep clock.Time = 1 << 20

// onSubmit gives an own batch its place in the log.
func (d *Delta) onSubmit(b *protocol.Batch) {
	if d.reader || d.closed {
		d.fx.Release = append(d.fx.Release, *b)
		return
	}
	b.Origin, b.Identity = d.cfg.Self, d.cfg.Identity
	b.Seq = d.mine.mark(b.Origin).Have + 1
	b.Time = d.clock.Next()
	d.reserve()
	d.hold(b)
	d.own.appended += b.Size()
	d.own.room -= b.Size()
}

// reserve makes a bound durable before the clock passes it.
func (d *Delta) reserve() {
	if d.cfg.Durable && d.clock.Now() >= d.bound {
		d.bound = d.clock.Now() + boundStep
		d.fx.Bound = d.bound
	}
}

// onBatch takes a batch from a peer and says whether it need not come again.
func (d *Delta) onBatch(b *protocol.Batch, from *link) bool {
	d.counts.copies++
	if !d.valid(b) {
		d.counts.refused++
		d.fx.Release = append(d.fx.Release, *b)
		return true
	}
	s, have := &d.streams[b.Origin], d.mine.mark(b.Origin).Have
	switch {
	case b.Last() <= have:
		d.fx.Release = append(d.fx.Release, *b)
		return true
	case b.Seq > have+1:
		kept, known := s.stash(b, d.cfg.AheadBytesMax)
		if !kept {
			d.fx.Release = append(d.fx.Release, *b)
		}
		return kept || known
	case b.Seq <= have || b.Time <= s.last:
		d.counts.refused++
		d.fx.Release = append(d.fx.Release, *b)
		return true
	}
	d.take(b, from)
	d.credit(b, from)
	d.goOn(b.Origin, from)
	return true
}

// goOn takes what waited for entries that are held now: batches beyond the gap
// and promises.
func (d *Delta) goOn(stream member.ID, from *link) {
	s := &d.streams[stream]
	for next, ok := s.unstash(d.mine.mark(stream).Have); ok; next, ok = s.unstash(d.mine.mark(stream).Have) {
		if next.Seq != d.mine.mark(stream).Have+1 || next.Time <= s.last {
			d.fx.Release = append(d.fx.Release, next)
			continue
		}
		d.take(&next, from)
	}
	d.adoptWaiting(stream)
}

func (d *Delta) valid(b *protocol.Batch) bool {
	if int(b.Origin) >= d.cfg.Members || d.writes(b.Origin) || b.Identity == 0 || b.Count == 0 || b.Seq == 0 {
		return false
	}
	if b.Time == 0 || b.Time >= clock.Infinity || b.Time > d.clock.Now()+clock.LeapMax {
		return false
	}
	d.bind(b.Origin, b.Identity)
	return d.binding[b.Origin] == b.Identity || d.mutant == mutant.OldIdentityAccepted
}

// take appends a batch of another origin.
func (d *Delta) take(b *protocol.Batch, from *link) {
	d.counts.appends++
	s := &d.streams[b.Origin]
	s.came, s.missed = d.now, 0
	if from.peer == b.Origin && d.boundTo(from) {
		s.direct = d.now
	}
	if d.mutant != mutant.ClockMergeOmitted {
		d.clock.Merge(b.Time)
		d.reserve()
	}
	if b.Time > d.told {
		d.urgent = true
	}
	from.expectant = from.expectant || from.peer == b.Origin && !d.cfg.Durable
	d.hold(b)
}

// credit notes that the sender has the batch that it sent, so that nothing of
// it goes back to where it came from. What else the batch completes here may
// have come from others and says nothing about the sender.
func (d *Delta) credit(b *protocol.Batch, from *link) {
	if from.row == nil {
		return
	}
	if _, changed := from.row.marks.Merge(int(b.Origin), clock.Mark{Have: b.Last()}); changed {
		d.changed(from.row, b.Origin)
	}
}

// hold puts a batch at the end of its stream and has it made durable.
func (d *Delta) hold(b *protocol.Batch) {
	s := &d.streams[b.Origin]
	*s.log.push() = *b
	s.last = b.Time
	d.logBytes += b.Size()
	if d.mutant != mutant.AckBeforeDurable || d.writes(b.Origin) {
		d.fx.Append = append(d.fx.Append, *b)
	}
	d.raise(b.Origin, clock.Mark{Have: b.Last(), Promise: b.Time})
}

// adoptWaiting takes the promises that waited for entries that came now.
func (d *Delta) adoptWaiting(stream member.ID) {
	s := &d.streams[stream]
	if !s.waiting {
		return
	}
	s.waiting = false
	have := d.mine.mark(stream).Have
	for k, r := range d.rows {
		if member.ID(k) == d.cfg.Self {
			continue
		}
		d.adoptPromise(stream, have, r, member.ID(k) == stream)
		if l := &d.links[k]; l.row != r {
			d.adoptPromise(stream, have, l.row, false) // a life that only reads knows facts too
		}
	}
}

// adoptPromise takes a promise whose entries are among those that are held, or
// waits for them on.
func (d *Delta) adoptPromise(stream member.ID, have uint64, r *row, ownWord bool) {
	if r == nil {
		return
	}
	if mark := r.mark(stream); mark.Have > have || !d.agreed && !ownWord {
		d.streams[stream].waiting = true
	} else {
		d.raise(stream, clock.Mark{Promise: mark.Promise})
	}
}
