package workload

import (
	"encoding/binary"
	"math/bits"
)

// Numbers is the stream of numbers of one member: what it gives depends on
// seed and member alone. It is a counter that a 128-bit product scrambles
// (wyrand, Wang Yi 2019): the steps do not wait for each other, which makes it
// twice as fast as math/rand/v2's PCG; its upper 53 bits pass the usual
// batteries of tests.
type Numbers struct{ state uint64 }

// The constants of wyrand, and that of SplitMix64 (Steele, Lea and Flood,
// Fast Splittable Pseudorandom Number Generators, 2014).
const (
	wyStep   = 0xa0761d6478bd642f
	wyMix    = 0xe7037ed1a0b428db
	golden64 = 0x9e3779b97f4a7c15
)

// NewNumbers makes the stream of the member at that place in the list. One
// seed serves a whole run.
func NewNumbers(seed uint64, member int) *Numbers {
	return &Numbers{state: scramble(scramble(seed) + uint64(member)*golden64)}
}

// scramble is the finalizer of SplitMix64: it spreads close seeds far apart.
func scramble(x uint64) uint64 {
	x += golden64
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Next gives the next number, from 1 to NumberMax.
func (r *Numbers) Next() uint64 {
	r.state += wyStep
	return number(r.state)
}

func number(state uint64) uint64 {
	hi, lo := bits.Mul64(state, state^wyMix)
	return (hi^lo)>>(64-numberBits) + 1
}

// Fill writes the payloads of the next numbers side by side into dst, as many
// as it has room for, and gives the bytes that it wrote.
func (r *Numbers) Fill(dst []byte) int {
	filled := len(dst) / EntryBytes * EntryBytes
	state := r.state
	for dst = dst[:filled]; len(dst) >= EntryBytes; dst = dst[EntryBytes:] {
		state += wyStep
		binary.LittleEndian.PutUint64(dst, number(state))
	}
	r.state = state
	return filled
}
