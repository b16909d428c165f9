package wire

import (
	"encoding/binary"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// The parts that a message may have, bits of its first field. A part that is
// empty takes no bytes.
const (
	hasNumber = 1 << iota
	hasAck
	hasStable
	hasBinding
	unused // says what hasTag says now
	hasRows
	hasPulls
	hasSnapshot
	hasTag
	hasViews
	hasChoice
	hasWish
	allParts = (1<<iota - 1) &^ unused
)

// Bits of a row.
const (
	rowOwnIdentity = 1 << iota // its identity is that of the message
	rowBound                   // the hash of a complete binding follows
	rowOld                     // its data is old, and it stops
	rowView                    // the number of the member's view follows
	rowWedged                  // it is wedged: what it says it holds does not count for settling
	rowUnused
	rowClock // its clock follows
	rowFlags = (1<<iota - 1) &^ rowUnused
)

// AppendMessage appends the head of a message's frame: all but the bytes of
// its batches, which must follow one after the other and are counted in the
// frame's length. It panics if the frame would be longer than FrameBytesMax.
// It does not allocate if dst has the room.
func AppendMessage(dst []byte, m *protocol.Message) []byte {
	dst, start := beginFrame(dst, KindMessage)
	parts := partsOf(m)
	dst = binary.LittleEndian.AppendUint16(dst, parts)
	dst = binary.AppendUvarint(dst, uint64(m.From))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Identity))
	dst = binary.AppendUvarint(dst, m.Session)
	dst = appendParts(dst, m, parts)
	following := 0
	for i := range m.Batches {
		following += len(m.Batches[i].Bytes)
	}
	return endFrame(dst, start, following)
}

func partsOf(m *protocol.Message) uint16 {
	return flag[uint16](m.Number != 0, hasNumber) |
		flag[uint16](m.Ack.Session != 0 || len(m.Ack.Ranges) > 0, hasAck) |
		flag[uint16](m.Stable != 0, hasStable) |
		flag[uint16](len(m.Binding) > 0, hasBinding) |
		flag[uint16](len(m.Rows) > 0, hasRows) |
		flag[uint16](len(m.Pulls) > 0, hasPulls) |
		flag[uint16](m.Snapshot != nil, hasSnapshot) |
		flag[uint16](m.View != protocol.Tag{}, hasTag) |
		flag[uint16](len(m.Views) > 0, hasViews) |
		flag[uint16](m.Choice != nil, hasChoice) |
		flag[uint16](m.Wish != nil, hasWish)
}

func flag[T byte | uint16](set bool, bit T) T {
	if set {
		return bit
	}
	return 0
}

func appendParts(dst []byte, m *protocol.Message, parts uint16) []byte {
	if parts&hasNumber != 0 {
		dst = binary.AppendUvarint(dst, m.Number)
	}
	if parts&hasAck != 0 {
		dst = appendAck(dst, &m.Ack)
	}
	if parts&hasStable != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Stable))
	}
	if parts&hasBinding != 0 {
		dst = appendBinding(dst, m.Binding)
	}
	if parts&hasRows != 0 {
		dst = appendRows(dst, m)
	}
	if parts&hasPulls != 0 {
		dst = appendPulls(dst, m.Pulls)
	}
	if parts&hasSnapshot != 0 {
		dst = appendSnapshot(dst, m.Snapshot)
	}
	if parts&(hasTag|hasViews|hasChoice|hasWish) != 0 {
		dst = appendChanges(dst, m, parts)
	}
	return dst
}

// appendChanges writes what a message says of who belongs to the cluster.
func appendChanges(dst []byte, m *protocol.Message, parts uint16) []byte {
	if parts&hasTag != 0 {
		dst = binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, m.View.Number), m.View.Lineage)
	}
	if parts&hasViews != 0 {
		dst = appendViews(dst, m.Views)
	}
	if parts&hasChoice != 0 {
		dst = appendChoice(dst, m.Choice)
	}
	if parts&hasWish != 0 {
		dst = appendChange(dst, m.Wish)
	}
	return dst
}

// appendAck writes each range as its distance from the end of the one before
// and its length less one.
func appendAck(dst []byte, ack *protocol.Ack) []byte {
	dst = binary.AppendUvarint(dst, ack.Session)
	dst = binary.AppendUvarint(dst, uint64(len(ack.Ranges)))
	end := uint64(0)
	for _, r := range ack.Ranges {
		dst = binary.AppendUvarint(dst, r.First-end)
		dst = binary.AppendUvarint(dst, r.Last-r.First)
		end = r.Last
	}
	return dst
}

func appendBinding(dst []byte, binding member.Binding) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(binding)))
	for _, identity := range binding {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(identity))
	}
	return dst
}

func appendRows(dst []byte, m *protocol.Message) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m.Rows)))
	before := markBase(m)
	for i := range m.Rows {
		row := &m.Rows[i]
		bits := rowBits(row, m.Identity)
		dst = binary.AppendUvarint(dst, uint64(row.Member))
		dst = append(dst, bits)
		if bits&rowOwnIdentity == 0 {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(row.Identity))
		}
		dst = binary.AppendUvarint(dst, row.Version)
		if bits&rowBound != 0 {
			dst = binary.LittleEndian.AppendUint64(dst, row.Binding)
		}
		if bits&rowView != 0 {
			dst = binary.AppendUvarint(dst, row.View)
		}
		if bits&rowClock != 0 {
			dst = binary.AppendUvarint(dst, uint64(row.Clock))
		}
		dst = appendSet(dst, row.Hears)
		dst = appendMarks(dst, row.Marks, &before)
	}
	return dst
}

func rowBits(row *protocol.Row, own member.Identity) byte {
	return flag[byte](row.Identity == own, rowOwnIdentity) | flag[byte](row.Binding != 0, rowBound) | flag[byte](row.Old, rowOld) |
		flag[byte](row.View != 0, rowView) | flag[byte](row.Wedged, rowWedged) |
		flag[byte](row.Clock != 0, rowClock)
}

func appendSet(dst []byte, set member.Set) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(set)))
	for _, word := range set {
		dst = binary.AppendUvarint(dst, word)
	}
	return dst
}

// markBase returns what the first mark of a message is a difference against.
// Promises are near what is stable.
func markBase(m *protocol.Message) clock.Mark {
	if m.Stable < clock.Infinity {
		return clock.Mark{Promise: m.Stable}
	}
	return clock.Mark{}
}

// appendMarks writes marks as differences against the mark before, in this row
// or the one before it; the stream against the one that is next in the list.
// A promise of infinity is 0, any other is the difference plus one.
func appendMarks(dst []byte, marks []protocol.StreamMark, before *clock.Mark) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(marks)))
	next := member.ID(0)
	for _, mark := range marks {
		dst = binary.AppendUvarint(dst, zigzag(uint64(mark.Stream)-uint64(next)))
		dst = binary.AppendUvarint(dst, zigzag(mark.Have-before.Have))
		if mark.Closed() {
			dst = append(dst, 0)
		} else {
			dst = binary.AppendUvarint(dst, zigzag(uint64(mark.Promise-before.Promise))+1)
			before.Promise = mark.Promise
		}
		before.Have = mark.Have
		next = mark.Stream + 1
	}
	return dst
}

// zigzag makes small numbers of small differences of either sign, which come
// as wrapped unsigned ones.
func zigzag(difference uint64) uint64 {
	return difference<<1 ^ uint64(int64(difference)>>63)
}

func unzigzag(u uint64) uint64 { return u>>1 ^ -(u & 1) }

// appendPulls writes the stream and, as the lowest bit, whether it is a cancel.
func appendPulls(dst []byte, pulls []protocol.Pull) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(pulls)))
	for _, pull := range pulls {
		dst = binary.AppendUvarint(dst, uint64(pull.Stream)<<1|uint64(flag[byte](pull.Cancel, 1)))
	}
	return dst
}

func appendSnapshot(dst []byte, snapshot *protocol.Snapshot) []byte {
	dst = binary.AppendUvarint(dst, uint64(snapshot.Time))
	dst = binary.AppendUvarint(dst, uint64(len(snapshot.Have)))
	for _, have := range snapshot.Have {
		dst = binary.AppendUvarint(dst, have)
	}
	dst = binary.AppendUvarint(dst, uint64(len(snapshot.State)))
	return append(dst, snapshot.State...)
}
