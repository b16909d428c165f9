package workload

import (
	"encoding/binary"
	"math"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/proof/draw"
)

// TestNumbersStayTheSame holds the numbers to what they were in the first
// release: the same seed means the same run for ever. The values come from a
// second implementation.
func TestNumbersStayTheSame(t *testing.T) {
	for _, c := range []struct {
		seed   uint64
		member int
		want   [3]uint64
	}{
		{0, 0, [3]uint64{2057214637101245, 7284358703644979, 59069005434932}},
		{0, 1, [3]uint64{6984143526949192, 4898541004560017, 17275075975867}},
		{42, 0, [3]uint64{4537828809247179, 3455997717102844, 1027425184896676}},
		{math.MaxUint64, 4095, [3]uint64{609015375394989, 5869634052117573, 1526950573798821}},
	} {
		numbers := NewNumbers(c.seed, c.member)
		got := [3]uint64{numbers.Next(), numbers.Next(), numbers.Next()}
		if got != c.want {
			t.Errorf("seed %d, member %d: %v, should be %v", c.seed, c.member, got, c.want)
		}
	}
}

func TestFillWritesTheNextNumbers(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		filling, single := NewNumbers(7, 3), NewNumbers(7, 3)
		for _, length := range rapid.SliceOfN(rapid.IntRange(0, 100), 1, 5).Draw(t, "lengths") {
			dst := make([]byte, length)
			filled := filling.Fill(dst)
			if filled != length/EntryBytes*EntryBytes {
				t.Fatalf("filled %d of %d bytes", filled, length)
			}
			for i := 0; i < filled; i += EntryBytes {
				if got, want := binary.LittleEndian.Uint64(dst[i:]), single.Next(); got != want {
					t.Fatalf("number is %d, should be %d", got, want)
				}
			}
		}
	})
}

// drawn is how many numbers the statistical tests look at. They are the same
// in every run, so the bounds, of five standard deviations, cannot flicker.
const drawn = 1 << 20

func TestNumbersAreUniform(t *testing.T) {
	const buckets = 256
	numbers := NewNumbers(1, 0)
	var ones [numberBits]float64
	var inBucket [buckets]float64
	for range drawn {
		k := numbers.Next() - 1
		if k >= NumberMax {
			t.Fatalf("number %d is out of range", k+1)
		}
		inBucket[k>>(numberBits-8)]++
		for bit := range ones {
			ones[bit] += float64(k >> bit & 1)
		}
	}
	for bit, count := range ones {
		if math.Abs(count-drawn/2) > 5*math.Sqrt(drawn)/2 {
			t.Errorf("bit %d is set in %v of %d numbers", bit, count, drawn)
		}
	}
	chi := 0.0
	for _, count := range inBucket {
		chi += (count - drawn/buckets) * (count - drawn/buckets) / (drawn / buckets)
	}
	if math.Abs(chi-(buckets-1)) > 5*math.Sqrt(2*(buckets-1)) {
		t.Errorf("chi squared is %v, expected is about %d", chi, buckets-1)
	}
}

// TestMembersAndSeedsDrawApart compares the streams of neighbours, each number
// also with the one after it: what they have in common is chance.
func TestMembersAndSeedsDrawApart(t *testing.T) {
	for name, other := range map[string]*Numbers{
		"next member": NewNumbers(1, 1),
		"next seed":   NewNumbers(2, 0),
		"itself":      NewNumbers(1, 0),
	} {
		numbers := NewNumbers(1, 0)
		other.Next() // the stream itself one further on: its own memory
		product := 0.0
		for range drawn {
			a, b := float64(numbers.Next())/NumberMax, float64(other.Next())/NumberMax
			product += (a - 0.5) * (b - 0.5)
		}
		if correlation := product / drawn * 12; math.Abs(correlation) > 5/math.Sqrt(drawn) {
			t.Errorf("%s: correlation %v", name, correlation)
		}
	}
}
