package delta

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// order walks through the batches of all streams in the total order: a heap of
// the streams that have a next batch within a limit, the one with the earliest
// batch first. A batch costs time in proportion to the logarithm of those.
type order struct {
	heads   []head
	cursors []uint64   // of each stream the number in its log of the next batch
	limit   clock.Time // batches after it do not count
}

// head is a stream and the time of its next batch.
type head struct {
	time   clock.Time
	stream member.ID
}

// walk begins a walk from where the cursors are up to a time.
func (d *Delta) walk(o *order, cursors []uint64, limit clock.Time) {
	o.heads, o.cursors, o.limit = o.heads[:0], cursors, limit
	for j := range d.streams {
		if time, ok := d.upcoming(o, member.ID(j)); ok {
			o.heads = append(o.heads, head{time, member.ID(j)})
		}
	}
	for i := len(o.heads)/2 - 1; i >= 0; i-- {
		o.sink(i)
	}
}

// cursors returns places in the logs of all streams, valid until the next call.
func (d *Delta) cursors(of func(*log) uint64) []uint64 {
	d.scratch.cursors = d.scratch.cursors[:0]
	for j := range d.streams {
		d.scratch.cursors = append(d.scratch.cursors, of(&d.streams[j].log))
	}
	return d.scratch.cursors
}

// upcoming returns the time of the next batch of a stream, if it counts.
func (d *Delta) upcoming(o *order, stream member.ID) (clock.Time, bool) {
	log := &d.streams[stream].log
	if o.cursors[stream] == log.end {
		return 0, false
	}
	time := log.at(o.cursors[stream]).Time
	return time, time <= o.limit
}

// advance takes note that the cursor of the stream that came first was moved on.
func (d *Delta) advance(o *order) {
	stream := o.heads[0].stream
	if time, ok := d.upcoming(o, stream); ok {
		o.heads[0].time = time
	} else {
		last := len(o.heads) - 1
		o.heads[0] = o.heads[last]
		o.heads = o.heads[:last]
	}
	if len(o.heads) > 1 {
		o.sink(0)
	}
}

// sink moves a head down to where all below it are later.
func (o *order) sink(i int) {
	heads := o.heads
	for h := heads[i]; ; {
		least := 2*i + 1
		if least+1 < len(heads) && heads[least+1].before(&heads[least]) {
			least++
		}
		if least >= len(heads) || !heads[least].before(&h) {
			heads[i] = h
			return
		}
		heads[i] = heads[least]
		i = least
	}
}

// before orders by time, then by place.
func (h *head) before(other *head) bool {
	return h.time < other.time || h.time == other.time && h.stream < other.stream
}
