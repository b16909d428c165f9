package trace

import (
	"encoding/binary"
	"math/bits"
)

// Hash is a sink that makes one number of all events and their order: equal
// runs give equal numbers. The zero value is ready to use.
type Hash struct {
	sum    uint64
	events uint64
}

// Sum returns the number of all events so far.
func (h *Hash) Sum() uint64 { return mix(h.sum, h.events) }

// Events counts the events so far.
func (h *Hash) Events() uint64 { return h.events }

// Tell adds an event. Fields that its kind does not have must be zero.
func (h *Hash) Tell(e *Event) {
	sum := mix(h.sum^uint64(e.At), uint64(e.Kind)<<16|uint64(e.Member))
	sum = mix(sum^uint64(e.Peer)<<32^uint64(e.Stream), uint64(e.Identity))
	sum = mix(sum^e.Life^e.Session, e.Number)
	sum = mix(sum^e.Seq, e.Count)
	sum = mix(sum^uint64(e.Time), e.Have)
	sum = mix(sum^uint64(e.Promise), e.Position)
	sum = mix(sum^e.Bytes, e.Hash)
	if e.Kind == Final || e.Kind == Reset {
		for _, word := range e.State {
			sum = mix(sum, word)
		}
	}
	if e.Note != "" {
		sum = mix(sum, HashBytes([]byte(e.Note)))
	}
	if e.Complete {
		sum = mix(sum, 1)
	}
	h.sum = sum
	h.events++
}

// HashBytes returns a number of the bytes, the same in every run and on every
// machine. It tells accidents apart, not malice.
func HashBytes(data []byte) uint64 {
	sum := uint64(len(data))
	for ; len(data) >= 8; data = data[8:] {
		sum = mix(sum, binary.LittleEndian.Uint64(data))
	}
	var rest [8]byte
	copy(rest[:], data)
	return mix(sum, binary.LittleEndian.Uint64(rest[:]))
}

// mix folds the 128-bit product of two numbers that are made odd-looking by
// the constants of wyhash (Wang Yi, 2019); every bit of both moves the result.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return high ^ low
}
