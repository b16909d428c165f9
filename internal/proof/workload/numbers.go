package workload

import (
	"encoding/binary"
	"math/bits"
)

// Numbers is the stream of numbers of one member: what it gives depends on
// seed and member alone. It is a counter that a 128-bit product scrambles
// (wyrand; Wang Yi, Modern Non-Cryptographic Hash Function and Pseudorandom
// Number Generator, 2019): since no step waits for the one before, it is four
// times as fast as math/rand/v2's PCG. docs/decisions/0004-numbers.md has figures.
type Numbers struct {
	state uint64
	// lowest is 1, the smallest number. It is a field because the compiler
	// must not know it: seeing that the upper byte of a number is always zero,
	// it would store each number in four pieces.
	lowest uint64
}

// The constants of wyrand, and that of SplitMix64 (Steele, Lea and Flood, Fast
// Splittable Pseudorandom Number Generators, 2014).
const (
	wyStep     = 0xa0761d6478bd642f
	wyMix      = 0xe7037ed1a0b428db
	goldenStep = 0x9e3779b97f4a7c15
)

// NewNumbers makes the stream of the member at a place in the list, from 0.
// One seed serves a whole run.
func NewNumbers(seed uint64, member int) *Numbers {
	return &Numbers{state: scramble(scramble(seed) + uint64(member)), lowest: 1}
}

// scramble is a step and the finalizer of SplitMix64: a bijection that leaves
// nothing of how close two numbers were.
func scramble(x uint64) uint64 {
	x += goldenStep
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// number makes a number of the counter's next state: the upper 53 bits of its
// product with itself, from 1 to NumberMax.
func number(state, lowest uint64) uint64 {
	hi, lo := bits.Mul64(state, state^wyMix)
	return (hi^lo)>>(64-numberBits) + lowest
}

// Next returns the next number.
func (r *Numbers) Next() uint64 {
	r.state += wyStep
	return number(r.state, r.lowest)
}

// Skip leaves out the next n numbers: those that an earlier life has used.
func (r *Numbers) Skip(n uint64) { r.state += n * wyStep }

// fillStep is how many bytes Fill writes in one round of its loop.
const fillStep = 4 * EntryBytes

// Fill writes the payloads of the next numbers side by side into dst, as many
// as it has room for, and gives the bytes that it wrote.
func (r *Numbers) Fill(dst []byte) int {
	filled := len(dst) / EntryBytes * EntryBytes
	dst = dst[:filled]
	state, lowest := r.state, r.lowest
	for ; len(dst) >= fillStep; dst = dst[fillStep:] {
		four := (*[fillStep]byte)(dst)
		binary.LittleEndian.PutUint64(four[0:8], number(state+wyStep, lowest))
		state += wyStep
		binary.LittleEndian.PutUint64(four[8:16], number(state+wyStep, lowest))
		state += wyStep
		binary.LittleEndian.PutUint64(four[16:24], number(state+wyStep, lowest))
		state += wyStep
		binary.LittleEndian.PutUint64(four[24:32], number(state+wyStep, lowest))
		state += wyStep
	}
	for r.state = state; len(dst) > 0; dst = dst[EntryBytes:] {
		binary.LittleEndian.PutUint64(dst, r.Next())
	}
	return filled
}
