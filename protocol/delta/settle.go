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
	for {
		stream, ok := d.earliest(d.delivered, horizon)
		if !ok {
			return horizon
		}
		b := d.streams[stream].log.at(d.delivered[stream])
		if !d.survives(b) {
			return b.Time - 1
		}
		d.fx.Deliver = append(d.fx.Deliver, *b)
		d.delivered[stream]++
	}
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
		if r != nil && member.ID(k) != d.cfg.Self && r.marks[b.Origin].Have >= b.Last() {
			return true
		}
	}
	return false
}

func (d *Delta) heldByAll(b *protocol.Batch) bool {
	for _, r := range d.rows {
		if r == nil || r.marks[b.Origin].Have < b.Last() {
			return false
		}
	}
	return true
}

// earliest gives the stream whose batch at its cursor comes first in the total
// order, if its time is not beyond a limit.
func (d *Delta) earliest(cursors []uint64, limit clock.Time) (member.ID, bool) {
	best, found := member.ID(0), false
	for j := range d.streams {
		log := &d.streams[j].log
		if cursors[j] == log.end {
			continue
		}
		// At equal times the lower place goes first: the streams come in that order.
		t := log.at(cursors[j]).Time
		if t < limit || t == limit && !found || d.mutant == mutant.TieWithoutOrigin && t == limit && member.ID(j) == d.cfg.Self {
			best, found, limit = member.ID(j), true, t
		}
	}
	return best, found
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
	for {
		stream, ok := d.earliest(d.fronts, limit)
		if !ok {
			break
		}
		d.drop(stream)
	}
	d.base.Time = limit
	if d.cfg.Durable && d.trimmed >= d.cfg.TrimNoticeBytes {
		d.fx.Base, d.trimmed = &d.base, 0
	}
}

// lowest gives the time up to which the rows show that all hold everything.
func (d *Delta) lowest() clock.Time {
	lowest := clock.Infinity
	for k, r := range d.rows {
		switch {
		case d.mutant == mutant.TrimByPartialMinimum && (r == nil || member.ID(k) != d.cfg.Self && !d.hears(&d.links[k])):
			continue
		case r == nil:
			return 0
		}
		lowest = min(lowest, r.marks.Horizon())
	}
	return lowest
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
		cursors := slices.Clone(d.delivered)
		for {
			stream, ok := d.earliest(cursors, clock.Infinity)
			if !ok || !yield(d.streams[stream].log.at(cursors[stream])) {
				return
			}
			cursors[stream]++
		}
	}
}
