package delta

import (
	"iter"
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// settle delivers what nothing earlier can precede any more: all batches up to
// the lowest promise of the own row, in order. Before all members agreed on
// who writes where, that set is not fixed yet.
func (d *Delta) settle() {
	if !d.reader {
		d.raise(d.cfg.Self, clock.Mark{Promise: d.promiseOf()})
	}
	if !d.agreed {
		return
	}
	horizon := d.mine.marks.Horizon()
	if d.mutant == mutant.DeliverOnStability {
		horizon = clock.Infinity - 1
	}
	if horizon <= d.settled {
		return
	}
	d.settled = max(d.settled, d.deliver(horizon))
	if d.cfg.Durable {
		d.fx.Settled = d.settled
	}
}

// deliver hands over what settled up to a time, and gives the time up to which
// it could.
func (d *Delta) deliver(horizon clock.Time) clock.Time {
	o := &d.scratch.order
	for d.walk(o, d.delivered, horizon); len(o.heads) > 0; d.advance(o) {
		stream := o.heads[0].stream
		b := d.streams[stream].log.at(d.delivered[stream])
		if !d.survives(b) {
			return b.Time - 1
		}
		d.fx.Deliver = append(d.fx.Deliver, *b)
		d.delivered[stream]++
	}
	return horizon
}

// promiseOf is the promise of the own stream at this moment.
func (d *Delta) promiseOf() clock.Time {
	switch {
	case d.closed:
		return clock.Infinity
	case d.mutant == mutant.NoNullPromises:
		return d.streams[d.cfg.Self].last
	}
	return d.clock.Now()
}

// survives says whether a batch can be reported as settled: an own one that no
// journal keeps could still die with this member.
func (d *Delta) survives(b *protocol.Batch) bool {
	if d.mutant == mutant.DeliverOnStability {
		return d.heldByAll(b)
	}
	if !d.writes(b.Origin) || d.cfg.Durable || d.cfg.Members == 1 {
		return true
	}
	for k, r := range d.rows {
		if r != nil && member.ID(k) != d.cfg.Self && r.mark(b.Origin).Have >= b.Last() {
			return true
		}
	}
	return false
}

func (d *Delta) heldByAll(b *protocol.Batch) bool {
	for _, r := range d.rows {
		if r == nil || r.mark(b.Origin).Have < b.Last() {
			return false
		}
	}
	return true
}

// trim forgets what is delivered here and held by every member.
func (d *Delta) trim() {
	if !d.agreed {
		return
	}
	d.stable = max(d.stable, d.lowest())
	limit := min(d.stable, d.settled)
	if limit <= d.base.Time || d.cfg.KeepAll {
		return
	}
	o := &d.scratch.order
	for d.walk(o, d.fronts, limit); len(o.heads) > 0; d.advance(o) {
		d.drop(o.heads[0].stream)
	}
	d.base.Time = limit
	if d.cfg.Durable && d.trimmed >= d.cfg.TrimNoticeBytes {
		d.fx.Base, d.trimmed = &d.base, 0
	}
}

// lowest gives the time up to which the rows show that all hold everything,
// or any time that is known to be stable if it is not later than that. The row
// that was behind the last time mostly still is: then one look is enough.
func (d *Delta) lowest() clock.Time {
	if d.horizonOf(d.laggard) <= d.stable {
		return d.stable
	}
	lowest := clock.Infinity
	for k := range d.rows {
		horizon := d.horizonOf(member.ID(k))
		if horizon <= d.stable {
			d.laggard = member.ID(k)
			return d.stable
		}
		lowest = min(lowest, horizon)
	}
	return lowest
}

// horizonOf gives the time up to which a member is known to hold everything.
func (d *Delta) horizonOf(k member.ID) clock.Time {
	r := d.rows[k]
	switch {
	case d.mutant == mutant.TrimByPartialMinimum && (r == nil || k != d.cfg.Self && !d.hears(&d.links[k])):
		return clock.Infinity
	case r == nil:
		return 0
	}
	return r.marks.Horizon()
}

func (d *Delta) drop(stream member.ID) {
	s := &d.streams[stream]
	b := s.log.at(s.log.first)
	if d.cfg.Fold != nil {
		d.cfg.Fold(&d.base.State, b)
	}
	s.base = b.Last()
	d.base.Have[stream] = s.base
	d.logBytes -= b.Size()
	d.trimmed += b.Size()
	if d.writes(stream) {
		d.own.trimmed += b.Size()
	}
	d.fx.Release = append(d.fx.Release, *b)
	*b = protocol.Batch{}
	s.log.pop()
	d.fronts[stream] = s.log.first
}

// onSnapshot makes up for batches that are not kept any more: only a life
// without data needs that.
func (d *Delta) onSnapshot(snapshot *protocol.Snapshot, from *link) {
	if !d.reader || !d.agreed || snapshot.Time <= d.settled || len(snapshot.Have) != d.cfg.Members {
		return
	}
	for j := range d.streams {
		for s := &d.streams[j]; s.log.len() > 0 && s.log.at(s.log.first).Time <= snapshot.Time; {
			d.drop(member.ID(j))
		}
		d.delivered[j] = max(d.delivered[j], d.fronts[j])
	}
	d.adoptBase(snapshot)
	for j := range d.streams {
		d.goOn(member.ID(j), from)
	}
	d.fx.Reset = &d.base
	if d.cfg.Durable {
		d.fx.Binding, d.rebound = d.binding, false // the base must not outlive what it is about
	}
}

// Tentative gives what is held but not delivered yet, in order.
func (d *Delta) Tentative() iter.Seq[*protocol.Batch] {
	return func(yield func(*protocol.Batch) bool) {
		cursors, o := slices.Clone(d.delivered), new(order)
		for d.walk(o, cursors, clock.Infinity); len(o.heads) > 0; d.advance(o) {
			stream := o.heads[0].stream
			if !yield(d.streams[stream].log.at(cursors[stream])) {
				return
			}
			cursors[stream]++
		}
	}
}
