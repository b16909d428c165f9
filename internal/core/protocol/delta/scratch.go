package delta

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// scratch is memory that is used anew in each step. Between two steps nothing
// in it counts.
type scratch struct {
	messages []*protocol.Message
	used     int // of messages
	tellings []telling
	told     int // of tellings
	order    order
	cursors  []uint64 // of a walk
}

// telling is a row as differences: what changed of it since a change counter.
type telling struct {
	of           *row
	since, until uint64
	row          protocol.Row
}

// surplusMax is how many marks more than it needs, besides as many again, a
// peer in a large cluster may be told, so that one row serves many peers. They
// are facts: being told them again does no harm.
const surplusMax = 16

// serves reports whether a telling has what changed since another time, and not
// much more.
func (t *telling) serves(since uint64) bool {
	if t.since == since || t.of.marks.Len() < detailFrom {
		return t.since == since
	}
	return t.since < since && len(t.row.Marks) <= 2*t.of.changedSince(since)+surplusMax
}

// begin makes all memory free for the next step.
func (s *scratch) begin() { s.used, s.told = 0, 0 }

// message returns an empty message that lives until the next step.
func (s *scratch) message() *protocol.Message {
	if s.used == len(s.messages) {
		s.messages = append(s.messages, new(protocol.Message))
	}
	m := s.messages[s.used]
	s.used++
	*m = protocol.Message{
		Ack: protocol.Ack{Ranges: m.Ack.Ranges[:0]}, Views: m.Views[:0], Rows: m.Rows[:0], Pulls: m.Pulls[:0], Batches: m.Batches[:0],
	}
	return m
}

// row returns what changed of a row since a change counter. Messages share it:
// nobody writes to it before the next step.
func (s *scratch) row(r *row, of member.ID, since uint64) protocol.Row {
	for i := range s.tellings[:s.told] {
		if t := &s.tellings[i]; t.of == r && t.until == r.newest && t.serves(since) {
			return t.row
		}
	}
	if s.told == len(s.tellings) {
		s.tellings = append(s.tellings, telling{})
	}
	t := &s.tellings[s.told]
	s.told++
	t.of, t.since, t.until = r, since, r.newest
	t.row = protocol.Row{Member: of, Identity: r.identity, View: r.view, Wedged: r.spoken != nil, Hears: t.row.Hears[:0], Marks: t.row.Marks[:0]}
	if r.meta > since {
		t.row.Version, t.row.Binding = r.version, r.binding
		t.row.Hears = append(t.row.Hears, r.hears...)
	}
	for stream := range r.marks.Len() {
		if r.stamp(stream) > since {
			t.row.Marks = append(t.row.Marks, protocol.StreamMark{Stream: member.ID(stream), Mark: r.marks.At(stream)})
		}
	}
	return t.row
}
