package wire

import (
	"encoding/binary"
	"iter"

	"chatterbox/protocol"
)

// PayloadView shows the payloads of a batch without copying them. Whoever
// keeps a payload copies it: the memory is the batch's.
type PayloadView struct {
	count  int
	size   int    // bytes of each payload, if column is nil
	bytes  []byte // the payloads side by side
	column []byte // varint lengths; nil if all have one size
}

// Payloads gives the view of a batch that a Builder made or DecodeBatch
// accepted; other bytes may make it panic.
func Payloads(b *protocol.Batch) PayloadView {
	s := shapeOf(b.Bytes[:BatchHeaderBytes])
	end := BatchHeaderBytes + s.payload
	view := PayloadView{count: int(s.count), bytes: b.Bytes[BatchHeaderBytes:end:end]}
	if s.layout == layoutMixed {
		view.column = b.Bytes[end:s.total()]
	} else {
		view.size = int(s.size)
	}
	return view
}

// Len gives the number of payloads.
func (v PayloadView) Len() int { return v.count }

// Fixed gives the size of each payload and all of them side by side, the
// fast way through a batch; ok is false if the sizes differ.
func (v PayloadView) Fixed() (size int, bytes []byte, ok bool) {
	if v.column != nil {
		return 0, nil, false
	}
	return v.size, v.bytes, true
}

// All gives the payloads in order.
func (v PayloadView) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		bytes, column := v.bytes, v.column
		for range v.count {
			length := v.size
			if v.column != nil {
				u, n := binary.Uvarint(column)
				length, column = int(u), column[n:]
			}
			if !yield(bytes[:length:length]) {
				return
			}
			bytes = bytes[length:]
		}
	}
}

// At gives the payload at place i from 0. Where sizes differ it walks the
// lengths up to i; use All for more than one.
func (v PayloadView) At(i int) []byte {
	if i < 0 || i >= v.count {
		panic("wire: payload out of range")
	}
	if v.column == nil {
		return v.bytes[i*v.size : (i+1)*v.size : (i+1)*v.size]
	}
	for payload := range v.All() {
		if i == 0 {
			return payload
		}
		i--
	}
	panic("wire: batch has fewer payloads than entries")
}
