package delta

import (
	"slices"

	"chatterbox/protocol"
)

// Clone gives a reducer that goes on from here by itself, for searches that
// try more than one future. The two share the bytes of batches, which nobody
// writes to, but not the references to their buffers: batches in a reducer
// that is cloned must have no Buffer.
func (d *Delta) Clone() *Delta {
	c := *d
	c.fx, c.scratch = protocol.Effects{}, scratch{}
	c.delivered, c.fronts = slices.Clone(d.delivered), slices.Clone(d.fronts)
	c.binding = slices.Clone(d.binding)
	c.base.Have = slices.Clone(d.base.Have)
	c.streams = slices.Clone(d.streams)
	for i := range c.streams {
		c.streams[i].log = d.streams[i].log.clone()
		c.streams[i].ahead = slices.Clone(d.streams[i].ahead)
		c.streams[i].pull.tried = slices.Clone(d.streams[i].pull.tried)
	}
	c.rows = make([]*row, len(d.rows))
	for i, r := range d.rows {
		c.rows[i] = r.clone()
	}
	c.mine = d.twin(&c, d.mine, int(d.cfg.Self))
	c.links = slices.Clone(d.links)
	for i := range c.links {
		c.links[i].detach()
		c.links[i].row = d.twin(&c, d.links[i].row, i)
		c.links[i].before = d.links[i].before.clone()
	}
	return &c
}

// twin gives the row in the clone c that stands for r, which may be the one
// that is listed for a place, or one of its own.
func (d *Delta) twin(c *Delta, r *row, place int) *row {
	if r == d.rows[place] {
		return c.rows[place]
	}
	return r.clone()
}

func (r *row) clone() *row {
	if r == nil {
		return nil
	}
	c := *r
	c.hears, c.marks = slices.Clone(r.hears), r.marks.Clone()
	c.stamps, c.rose = slices.Clone(r.stamps), slices.Clone(r.rose)
	return &c
}

// detach gives a copy of a link memory of its own.
func (l *link) detach() {
	l.received = slices.Clone(l.received)
	l.flights = l.flights.clone()
	for number := l.flights.first; number < l.flights.end; number++ {
		f := l.flights.at(number)
		f.spans = slices.Clone(f.spans)
	}
	l.lost = slices.Clone(l.lost)
	l.sent, l.lease, l.leased = slices.Clone(l.sent), slices.Clone(l.lease), slices.Clone(l.leased)
	l.pushedAt, l.fullAt, l.relayed = slices.Clone(l.pushedAt), slices.Clone(l.fullAt), slices.Clone(l.relayed)
	l.pulls, l.past = slices.Clone(l.pulls), slices.Clone(l.past)
}

// clone copies what is in the queue, and nothing of what once was.
func (q *queue[T]) clone() queue[T] {
	c := queue[T]{first: q.first, end: q.end}
	if q.len() > 0 {
		c.ring = make([]T, len(q.ring))
	}
	for number := q.first; number < q.end; number++ {
		*c.at(number) = *q.at(number)
	}
	return c
}
