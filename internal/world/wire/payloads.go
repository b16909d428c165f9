package wire

import (
	"encoding/binary"
	"iter"

	"chatterbox/internal/core/protocol"
)

// PayloadView shows the payloads of a batch without copying them. Whoever
// keeps a payload copies it: the memory is the batch's.
type PayloadView struct {
	count  int
	size   int    // bytes of each payload, if column is nil
	bytes  []byte // the payloads side by side
	column []byte // varint lengths; nil if all have one size
	keyed  bool   // each payload has its key before it
}

// Payloads returns the view of a batch that a Builder made or DecodeBatch
// accepted; other bytes may make it panic.
func Payloads(b *protocol.Batch) PayloadView {
	s := shapeOf(b.Bytes[:BatchHeaderBytes])
	end := BatchHeaderBytes + s.payload
	view := PayloadView{count: int(s.count), bytes: b.Bytes[BatchHeaderBytes:end:end]}
	if s.layout != layoutFixed {
		view.column, view.keyed = b.Bytes[end:s.total()], s.layout == layoutKeyed
	} else {
		view.size = int(s.size)
	}
	return view
}

// IsKeyed reports whether the payloads of a batch have keys.
func IsKeyed(b *protocol.Batch) bool { return b.Bytes[offsetLayout] == layoutKeyed }

// Key returns the key of the payload at place i from 0, "" if it has none. Use
// Keyed for more than one.
func (v PayloadView) Key(i int) string {
	if !v.keyed {
		return ""
	}
	for key := range v.Keyed() {
		if i == 0 {
			return string(key)
		}
		i--
	}
	panic("wire: batch has fewer payloads than entries")
}

// Len returns the number of payloads.
func (v PayloadView) Len() int { return v.count }

// Fixed returns the size of each payload and all of them side by side, the
// fast way through a batch; ok is false if the sizes differ.
func (v PayloadView) Fixed() (size int, bytes []byte, ok bool) {
	if v.column != nil {
		return 0, nil, false
	}
	return v.size, v.bytes, true
}

// All returns the payloads in order.
func (v PayloadView) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, payload := range v.Keyed() {
			if !yield(payload) {
				return
			}
		}
	}
}

// Keyed returns the payloads in order, each with its key, which is nil if it has
// none.
func (v PayloadView) Keyed() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, payload []byte) bool) {
		bytes, column := v.bytes, v.column
		for range v.count {
			length := v.size
			if v.column != nil {
				u, n := binary.Uvarint(column)
				length, column = int(u), column[n:]
			}
			if !yield(v.split(bytes[:length:length])) {
				return
			}
			bytes = bytes[length:]
		}
	}
}

// split parts an entry's key from its payload.
func (v PayloadView) split(entry []byte) (key, payload []byte) {
	if !v.keyed {
		return nil, entry
	}
	length, n := binary.Uvarint(entry)
	end := n + int(length)
	return entry[n:end:end], entry[end:]
}

// At returns the payload at place i from 0. Where sizes differ it walks the
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
