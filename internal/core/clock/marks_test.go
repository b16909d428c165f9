package clock_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/proof/draw"
)

// drawNumber draws numbers on both sides of what small marks can hold.
func drawNumber(t *rapid.T, label string) uint64 {
	return rapid.OneOf(
		rapid.Uint64Range(0, 8), rapid.Uint64Range(0, 8), rapid.Uint64Range(1<<16-3, 1<<16+3), rapid.Uint64Range(1<<32-3, 1<<32+3), rapid.Uint64Range(0, uint64(clock.Infinity)), rapid.Just(uint64(clock.Infinity)),
	).Draw(t, label)
}

// TestMarksAreAVector: whatever is set in whichever order, rising or falling,
// small or large, marks give back what a vector gives back, and so does a copy.
func TestMarksAreAVector(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		streams := rapid.SampledFrom([]int{1, 3, 64, 65, 100}).Draw(t, "streams")
		marks, vector := clock.NewMarks(streams), make(clock.Vector, streams)
		for range rapid.IntRange(0, 50).Draw(t, "changes") {
			stream := rapid.IntRange(0, streams-1).Draw(t, "stream")
			mark := clock.Mark{Have: drawNumber(t, "have"), Promise: clock.Time(drawNumber(t, "promise"))}
			if rapid.Bool().Draw(t, "merge") {
				joined, changed := marks.Merge(stream, mark)
				if want := vector[stream].Merge(mark); joined != want || changed != (want != vector[stream]) {
					t.Fatalf("merged to %v, %v, want %v", joined, changed, want)
				}
				vector[stream] = joined
			} else {
				marks.Set(stream, mark)
				vector[stream] = mark
			}
			if rapid.Bool().Draw(t, "ask") {
				mustEqual(t, &marks, vector)
			}
		}
		mustEqual(t, &marks, vector)
	})
}

func mustEqual(t *rapid.T, marks *clock.Marks, vector clock.Vector) {
	if marks.Len() != len(vector) || marks.Horizon() != vector.Horizon() {
		t.Fatalf("%d marks with horizon %v, want %d with %v", marks.Len(), marks.Horizon(), len(vector), vector.Horizon())
	}
	for stream, mark := range marks.Vector() {
		if mark != vector[stream] || marks.At(stream) != mark {
			t.Fatalf("stream %d: %v and %v, want %v", stream, mark, marks.At(stream), vector[stream])
		}
	}
}

// TestHorizonFollowsRisingMarks is how rows change: every promise rises, one
// after the other, and the horizon is asked for after each.
func TestHorizonFollowsRisingMarks(t *testing.T) {
	const streams = 100
	marks, vector := clock.NewMarks(streams), make(clock.Vector, streams)
	for i := range 10 * streams {
		stream := i * 37 % streams
		vector[stream].Promise = clock.Time(i + 1)
		marks.Set(stream, vector[stream])
		if got, want := marks.Horizon(), vector.Horizon(); got != want {
			t.Fatalf("after %d changes the horizon is %v, want %v", i+1, got, want)
		}
	}
}

// BenchmarkMarks measures a change of one mark and a look at the horizon.
func BenchmarkMarks(b *testing.B) {
	for _, streams := range []int{3, 100, 1000} {
		b.Run(fmt.Sprint(streams), func(b *testing.B) {
			marks := clock.NewMarks(streams)
			for i := range b.N {
				marks.Set(i%streams, clock.Mark{Promise: clock.Time(i % (1 << 31))})
				if marks.Horizon() == clock.Infinity {
					b.Fatal("no horizon")
				}
			}
		})
	}
}
