// Package state copies values, and writes their state down as numbers, by what
// they are made of: for searches that try more than one future.
//
// [Words] is a state: everything that decides how something goes on, in a
// fixed order, each list after its length, so that two with equal words behave
// alike from there on. What searches through states compares them by their
// words; nothing reads them back. A [Mirror] makes them of any type by
// reflection, and copies; so nobody keeps a list of fields.
package state

import (
	"encoding/binary"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Words is a state, or the beginning of one.
type Words []uint64

// Integer is what a state's numbers are.
type Integer interface {
	~int | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Put appends a number.
func Put[T Integer](w *Words, number T) { *w = append(*w, uint64(number)) }

// PutAll appends a list of numbers.
func PutAll[S ~[]T, T Integer](w *Words, numbers S) {
	Put(w, len(numbers))
	for _, number := range numbers {
		Put(w, number)
	}
}

// Flags appends up to 64 truths as one number.
func (w *Words) Flags(flags ...bool) {
	number := uint64(0)
	for i, flag := range flags {
		if flag {
			number |= 1 << i
		}
	}
	*w = append(*w, number)
}

// Set appends a set of members. Sets with the same members give the same
// words, however long they once were.
func (w *Words) Set(set member.Set) {
	for len(set) > 0 && set[len(set)-1] == 0 {
		set = set[:len(set)-1]
	}
	PutAll(w, set)
}

// Vector appends the marks of a vector.
func (w *Words) Vector(vector clock.Vector) {
	Put(w, len(vector))
	for _, mark := range vector {
		*w = append(*w, mark.Have, uint64(mark.Promise))
	}
}

// Batch appends a batch with its content.
func (w *Words) Batch(b *protocol.Batch) {
	*w = append(*w, uint64(b.Origin), uint64(b.Identity), b.Seq, uint64(b.Time), uint64(b.Count))
	w.Bytes(b.Bytes)
}

// Batches appends a list of batches.
func (w *Words) Batches(batches []protocol.Batch) {
	Put(w, len(batches))
	for i := range batches {
		w.Batch(&batches[i])
	}
}

// Snapshot appends a snapshot.
func (w *Words) Snapshot(s *protocol.Snapshot) {
	Put(w, s.Time)
	PutAll(w, s.Have)
	w.Bytes(s.State)
}

// Bytes appends bytes, eight in a number.
func (w *Words) Bytes(bytes []byte) {
	Put(w, len(bytes))
	for len(bytes) >= 8 {
		*w = append(*w, binary.LittleEndian.Uint64(bytes))
		bytes = bytes[8:]
	}
	if len(bytes) > 0 {
		var last [8]byte
		copy(last[:], bytes)
		*w = append(*w, binary.LittleEndian.Uint64(last[:]))
	}
}

// Hash returns a number that differs for different words, but for one pair in
// 2^64. It is the same in every run and on every machine.
func (w Words) Hash() uint64 {
	hash := uint64(len(w)) + 0x9e3779b97f4a7c15
	for _, word := range w {
		hash = Mix(hash, word)
	}
	return hash
}

// Mix makes a hash of a hash and one more number (the finalizer of Steele and
// others' SplitMix, 2014, over both).
func Mix(hash, word uint64) uint64 {
	hash = (hash ^ word) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>29) * 0x94d049bb133111eb
	return hash ^ hash>>32
}
