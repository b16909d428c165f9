package delta

import (
	"iter"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// settle delivers what nothing earlier can precede any more: all batches up to
// the lowest promise of the own row, in order. Before all members agreed on
// who writes where, that set is not fixed yet.
func (d *Delta) settle() {
	if !d.roster.Observes() && (d.contact || d.cfg.Recovered == nil) {
		d.frontier.raise(d.cfg.Self, clock.Mark{Promise: d.promiseOf()})
	}
	if !d.roster.Agreed() {
		return
	}
	horizon := d.frontier.mine.marks.Horizon()
	if horizon <= d.frontier.settled || d.synod != nil && d.synod.Halted() {
		return
	}
	if d.cfg.Changes {
		horizon = min(horizon, max(d.frontier.passed(d.holders()), d.frontier.assured))
	}
	d.frontier.settled = max(d.frontier.settled, d.deliver(horizon))
	if d.cfg.Durable {
		d.fx.Settled = d.frontier.settled
	}
}

// deliver hands over what settled up to a time, and gives the time up to which
// it could.
func (d *Delta) deliver(horizon clock.Time) clock.Time {
	o, parked := &d.scratch.order, 0
	for d.walk(o, d.frontier.delivered, horizon); len(o.heads) > 0; d.advance(o) {
		stream := o.heads[0].stream
		b := d.streams[stream].log.at(d.frontier.delivered[stream])
		d.fx.More = parked > 0 && parked+int(b.Parked) > parkedPerFlush
		if d.fx.More || !d.survives(b) {
			return b.Time - 1
		}
		parked += int(b.Parked)
		d.fx.Deliver = append(d.fx.Deliver, *b)
		d.frontier.delivered[stream]++
	}
	return horizon
}

// promiseOf is the promise of the own stream at this moment.
func (d *Delta) promiseOf() clock.Time {
	if d.closed {
		return clock.Infinity
	}
	return d.clock.Now()
}

// holders returns how many members must be known to hold what settles.
func (d *Delta) holders() int {
	if d.cfg.Changes {
		return member.Holders(d.roster.Size())
	}
	return d.cfg.Holders
}

// survives reports whether a batch can be reported as settled: what too few hold
// could still be lost with them, and so could an own one that no journal keeps.
func (d *Delta) survives(b *protocol.Batch) bool {
	holders := d.holders()
	if d.roster.Writes(b.Origin) && !d.cfg.Durable {
		holders = max(holders, min(2, d.roster.Size()))
	}
	return holders <= 1 && !d.cfg.Changes || b.Time <= d.frontier.assured || d.frontier.isHeld(b.Origin, b.Last(), holders)
}

// trim forgets what is delivered here and held by every member.
func (d *Delta) trim() {
	if !d.roster.Agreed() {
		return
	}
	d.frontier.stabilize()
	limit := d.observed(min(d.frontier.stable, d.frontier.settled))
	if limit <= d.frontier.base.Time || d.cfg.KeepAll {
		return
	}
	o, cursors := &d.scratch.order, d.cursors(func(g *log) uint64 { return g.first })
	for d.walk(o, cursors, limit); len(o.heads) > 0; d.advance(o) {
		stream := o.heads[0].stream
		d.drop(stream)
		cursors[stream]++
	}
	d.frontier.base.Time = limit
	if d.cfg.Durable && d.frontier.trimmed >= d.cfg.TrimNoticeBytes {
		d.fx.Base, d.frontier.trimmed = &d.frontier.base, 0
	}
}

func (d *Delta) drop(stream member.ID) {
	s := &d.streams[stream]
	b := d.takeFirst(&s.log)
	s.base = b.Last()
	d.frontier.base.Have[stream] = s.base
	d.frontier.trimmed += b.Size()
	if d.roster.Writes(stream) {
		d.own.trimmed += b.Size()
		if s.base == d.own.back.whole {
			d.tellTrimmed()
		}
	}
	d.fx.Trim = append(d.fx.Trim, b)
}

// tellTrimmed has the journal told with the next trimming, however little that is.
func (d *Delta) tellTrimmed() { d.frontier.trimmed = max(d.frontier.trimmed, d.cfg.TrimNoticeBytes) }

// onSnapshot makes up for batches that are not kept any more: only an observer
// needs that, and only if it lacks some.
func (d *Delta) onSnapshot(snapshot *protocol.Snapshot, from *link) {
	if !d.roster.Observes() || !d.roster.Agreed() || snapshot.Time <= d.frontier.settled || len(snapshot.Have) != d.roster.Len() {
		return
	}
	if d.holdsAll(snapshot) {
		d.trust(snapshot, from)
		return
	}
	for j := range d.streams {
		for s := &d.streams[j]; s.log.len() > 0 && s.log.at(s.log.first).Time <= snapshot.Time; {
			d.drop(member.ID(j))
		}
		d.frontier.delivered[j] = max(d.frontier.delivered[j], d.streams[j].log.first)
	}
	for i := range d.fx.Trim { // the snapshot stands for them
		if b := &d.fx.Trim[i]; b.Parked == 0 {
			d.fx.Release = append(d.fx.Release, *b)
		}
	}
	d.fx.Trim = d.fx.Trim[:0]
	d.adoptBase(snapshot)
	d.forgetOrphans()
	for j := range d.streams {
		d.goOn(member.ID(j), from)
	}
	d.fx.Reset = snapshot
	if d.cfg.Durable {
		d.roster.KeepAgain() // the base must not outlive what it is about
		d.keepBinding()
	}
}

// holdsAll reports whether this member holds all that a snapshot stands for, or wrote it.
func (d *Delta) holdsAll(snapshot *protocol.Snapshot) bool {
	for j, have := range snapshot.Have {
		held := d.frontier.held(member.ID(j))
		if n := len(d.own.back.orphans); n > 0 && member.ID(j) == d.cfg.Self {
			held = max(held, d.own.back.orphans[n-1].Last())
		}
		if held < have {
			return false
		}
	}
	return true
}

// Tentative returns what is held but not delivered yet, in order.
func (d *Delta) Tentative() iter.Seq[*protocol.Batch] {
	return func(yield func(*protocol.Batch) bool) {
		cursors, o := slices.Clone(d.frontier.delivered), new(order)
		for d.walk(o, cursors, clock.Infinity); len(o.heads) > 0; d.advance(o) {
			stream := o.heads[0].stream
			if !yield(d.streams[stream].log.at(cursors[stream])) {
				return
			}
			cursors[stream]++
		}
	}
}
