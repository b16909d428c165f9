package delta

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// numberSet is the obvious set of numbers: what ranges must be equal to.
type numberSet map[uint64]bool

// ranges returns the maximal runs, rising.
func (s numberSet) ranges() ranges {
	var all ranges
	for _, number := range slices.Sorted(maps.Keys(s)) {
		if n := len(all); n > 0 && all[n-1].Last+1 == number {
			all[n-1].Last = number
		} else {
			all = append(all, protocol.Range{First: number, Last: number})
		}
	}
	return all
}

// add puts a number in and forgets the lowest run when there are too many.
func (s numberSet) add(number uint64) bool {
	isNew := !s[number]
	s[number] = true
	if all := s.ranges(); len(all) > protocol.AckRangesMax {
		for n := all[0].First; n <= all[0].Last; n++ {
			delete(s, n)
		}
	}
	return isNew
}

func TestRangesAreASetThatForgetsItsLowest(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		var r ranges
		set := make(numberSet)
		// Few numbers: runs join at both ends. Many: the lowest are forgotten.
		highest := rapid.SampledFrom([]uint64{8, 40, 400}).Draw(t, "highest")
		for _, number := range rapid.SliceOfN(rapid.Uint64Range(1, highest), 0, 120).Draw(t, "numbers") {
			if added, want := r.add(number), set.add(number); added != want {
				t.Fatalf("%d is new: %t, want %t", number, added, want)
			}
			if want := set.ranges(); !slices.Equal(r, want) {
				t.Fatalf("after %d: %v, want %v", number, r, want)
			}
		}
	})
}

// TestRangesInOrderAreOne: what arrives without loss is acknowledged by one
// range, and costs no memory.
func TestRangesInOrderAreOne(t *testing.T) {
	var r ranges
	next := uint64(1)
	r.add(next)
	allocations := testing.AllocsPerRun(100, func() {
		next++
		r.add(next)
	})
	if want := (ranges{{First: 1, Last: next}}); allocations != 0 || !slices.Equal(r, want) {
		t.Errorf("%v after %d numbers, with %v allocations each", r, next, allocations)
	}
}
