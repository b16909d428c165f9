package wire

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// setWordsMax is the length of a set of all members.
const setWordsMax = (member.CountMax + 63) / 64

// DecodeMessage reads the body of a message's frame into m, whatever m held
// before; its slices are used again, so that a message that is decoded into
// many times does not allocate. Batches alias body, with no Buffer set. After
// an error, which wraps ErrMalformed, m is of no use.
func DecodeMessage(body []byte, m *protocol.Message) error {
	r := reader{rest: body}
	parts := r.word("message")
	if parts&^allParts != 0 {
		r.fail("message: unknown parts %#x", parts)
	}
	m.From = r.id("message: sender")
	m.Identity = member.Identity(r.fixed("message: identity"))
	m.Session = r.varint("message: session")
	r.parts(m, parts)
	if r.err != nil {
		return r.err
	}
	return decodeBatches(r.rest, m)
}

// decodeBatches reads batches until the body ends.
func decodeBatches(rest []byte, m *protocol.Message) (err error) {
	m.Batches = m.Batches[:0]
	for len(rest) > 0 {
		m.Batches = append(m.Batches, protocol.Batch{})
		if rest, err = DecodeBatch(rest, &m.Batches[len(m.Batches)-1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) parts(m *protocol.Message, parts uint16) {
	m.Number, m.Stable, m.Snapshot = 0, 0, nil
	m.View, m.Views, m.Choice, m.Wish = protocol.Tag{}, nil, nil, nil
	m.Ack = protocol.Ack{Ranges: m.Ack.Ranges[:0]}
	m.Binding, m.Rows, m.Pulls = m.Binding[:0], m.Rows[:0], m.Pulls[:0]
	if parts&hasNumber != 0 {
		m.Number = r.varint("message: number")
	}
	if parts&hasAck != 0 {
		r.ack(&m.Ack)
	}
	if parts&hasStable != 0 {
		m.Stable = r.time("message: stable time")
	}
	if parts&hasBinding != 0 {
		r.binding(&m.Binding)
	}
	if parts&hasRows != 0 {
		r.rows(m)
	}
	if parts&hasPulls != 0 {
		r.pulls(&m.Pulls)
	}
	if parts&hasSnapshot != 0 {
		m.Snapshot = r.snapshot()
	}
	if parts&(hasTag|hasViews|hasChoice|hasWish) != 0 {
		r.changes(m, parts)
	}
}

// changes reads what a message says of who belongs to the cluster. It is rare,
// and a receiver may keep it.
func (r *reader) changes(m *protocol.Message, parts uint16) {
	if parts&hasTag != 0 {
		m.View = protocol.Tag{Number: r.varint("message: number of the view"), Lineage: r.fixed("message: lineage of the view")}
	}
	if parts&hasViews != 0 {
		m.Views = r.views()
	}
	if parts&hasChoice != 0 {
		m.Choice = r.choice()
	}
	if parts&hasWish != 0 {
		wish := r.change()
		m.Wish = &wish
	}
}

func (r *reader) ack(ack *protocol.Ack) {
	ack.Session = r.varint("ack: session")
	end := uint64(0)
	for range r.count(protocol.AckRangesMax, 2, "ack: number of ranges") {
		first := end + r.varint("ack: first number")
		last := first + r.varint("ack: last number")
		if r.err == nil && (first <= end || last < first) {
			r.fail("ack: range from %d to %d after %d", first, last, end)
		}
		ack.Ranges = append(ack.Ranges, protocol.Range{First: first, Last: last})
		end = last
	}
}

func (r *reader) binding(binding *member.Binding) {
	for range r.count(member.CountMax, 8, "binding: length") {
		*binding = append(*binding, member.Identity(r.fixed("binding: identity")))
	}
}

// rowBytesMin is the shortest row: member, bits, version, two empty columns.
const rowBytesMin = 5

func (r *reader) rows(m *protocol.Message) {
	before := markBase(m)
	for range r.count(member.CountMax, rowBytesMin, "rows: count") {
		m.Rows = extend(m.Rows)
		r.row(&m.Rows[len(m.Rows)-1], m.Identity, &before)
	}
}

// extend makes a slice longer by one, and keeps what lies there: the slices in
// it have memory that can be used again.
func extend[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}

func (r *reader) row(row *protocol.Row, own member.Identity, before *clock.Mark) {
	row.Member = r.id("row: member")
	bits := r.byte("row: bits")
	if bits&^rowFlags != 0 {
		r.fail("row: unknown bits %#x", bits)
	}
	row.Identity, row.Binding, row.Old = own, 0, bits&rowOld != 0
	row.View, row.Wedged, row.Clock = 0, bits&rowWedged != 0, 0
	if bits&rowOwnIdentity == 0 {
		row.Identity = member.Identity(r.fixed("row: identity"))
	}
	row.Version = r.varint("row: version")
	if bits&rowBound != 0 {
		row.Binding = r.fixed("row: hash of the binding")
	}
	if bits&rowView != 0 {
		row.View = r.varint("row: view")
	}
	if bits&rowClock != 0 {
		row.Clock = r.time("row: clock")
	}
	row.Hears = row.Hears[:0]
	for range r.count(setWordsMax, 1, "row: words of hears") {
		row.Hears = append(row.Hears, r.varint("row: hears"))
	}
	r.marks(row, before)
}

func (r *reader) marks(row *protocol.Row, before *clock.Mark) {
	row.Marks = row.Marks[:0]
	next := uint64(0)
	for range r.count(member.CountMax, 3, "row: number of marks") {
		stream := next + unzigzag(r.varint("mark: stream"))
		if stream >= member.CountMax {
			r.fail("mark: stream %d, allowed are up to %d", stream, member.CountMax-1)
			return
		}
		before.Have += unzigzag(r.varint("mark: have"))
		mark := clock.Mark{Have: before.Have, Promise: clock.Infinity}
		if code := r.varint("mark: promise"); code != 0 {
			before.Promise += clock.Time(unzigzag(code - 1))
			mark.Promise = before.Promise
			if before.Promise >= clock.Infinity {
				r.fail("mark: promise %d is no time", uint64(before.Promise))
			}
		}
		row.Marks = append(row.Marks, protocol.StreamMark{Stream: member.ID(stream), Mark: mark})
		next = stream + 1
	}
}

func (r *reader) pulls(pulls *[]protocol.Pull) {
	for range r.count(member.CountMax, 1, "pulls: count") {
		code := r.atMost(2*member.CountMax-1, "pull: stream")
		*pulls = append(*pulls, protocol.Pull{Stream: member.ID(code >> 1), Cancel: code&1 != 0})
	}
}

// snapshot allocates, for a receiver may keep it, and it is rare.
func (r *reader) snapshot() *protocol.Snapshot {
	snapshot := &protocol.Snapshot{Time: r.time("snapshot: time")}
	n := r.count(member.CountMax, 1, "snapshot: number of streams")
	snapshot.Have = make([]uint64, 0, n)
	for range n {
		snapshot.Have = append(snapshot.Have, r.varint("snapshot: have"))
	}
	snapshot.State = []byte(r.text(protocol.StateBytesMax, "snapshot: state"))
	return snapshot
}
