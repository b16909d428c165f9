package workload

import (
	"math"
	"math/bits"
	"strconv"
)

// Float returns W/2^53 as text: the shortest decimal that reads back as the
// float64 nearest to it, ties to even, never in exponent notation.
func (a Score) Float() string {
	return strconv.FormatFloat(a.float(), 'f', -1, 64)
}

// float rounds to 53 bits. The conversion of 64 bits rounds half to even; what
// is cut off below them only matters by being zero or not, so it sticks to the
// lowest bit, which is far below the last that stays.
func (a Score) float() float64 {
	shift := bits.Len64(a.w.hi)
	if shift == 0 {
		return math.Ldexp(float64(a.w.lo), -numberBits)
	}
	top := a.w.hi<<(64-shift) | a.w.lo>>shift
	if a.w.lo<<(64-shift) != 0 {
		top |= 1
	}
	return math.Ldexp(float64(top), shift-numberBits)
}

// Exact returns W/2^53 as text, with all of its digits.
func (a Score) Exact() string {
	whole := wide{a.w.hi >> numberBits, a.w.hi<<(64-numberBits) | a.w.lo>>numberBits}
	text := whole.appendDecimal(nil)
	rest := a.w.lo & (NumberMax - 1)
	if rest == 0 {
		return string(text)
	}
	text = append(text, '.')
	for ; rest != 0; rest &= NumberMax - 1 {
		rest *= 10
		text = append(text, byte('0'+rest>>numberBits))
	}
	return string(text)
}

// ten19 is the largest power of ten in 64 bits.
const ten19 = 1e19

// appendDecimal appends the decimal digits of a number below 2^75, the whole
// part of any score.
func (w wide) appendDecimal(dst []byte) []byte {
	high, low := bits.Div64(w.hi, w.lo, ten19)
	if high == 0 {
		return strconv.AppendUint(dst, low, 10)
	}
	dst = strconv.AppendUint(dst, high, 10)
	digits := strconv.AppendUint(nil, low, 10)
	for range 19 - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
