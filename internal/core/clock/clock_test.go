package clock_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/proof/draw"
)

const streams = 4

// drawTime prefers small times, so that ties are frequent, and now and then
// gives the promise of a closed stream.
func drawTime(t *rapid.T, label string) clock.Time {
	return rapid.OneOf(
		rapid.Map(rapid.Uint64Range(0, 5), func(n uint64) clock.Time { return clock.Time(n) }),
		rapid.Map(rapid.Uint64(), func(n uint64) clock.Time { return clock.Time(n) % (clock.Infinity + 1) }),
		rapid.Just(clock.Infinity),
	).Draw(t, label)
}

func drawMark(t *rapid.T, label string) clock.Mark {
	return clock.Mark{Have: rapid.Uint64Range(0, 5).Draw(t, label+" have"), Promise: drawTime(t, label+" promise")}
}

func drawVector(t *rapid.T, label string) clock.Vector {
	vector := make(clock.Vector, streams)
	for i := range vector {
		vector[i] = drawMark(t, label)
	}
	return vector
}

func merged(a, b clock.Vector) clock.Vector {
	joined := slices.Clone(a)
	joined.Merge(b)
	return joined
}

// atMost reports whether every fact of a is in b as well.
func atMost(a, b clock.Vector) bool { return slices.Equal(merged(b, a), b) }

func TestMarksMergeInAnyOrderAndTwice(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b, c := drawMark(t, "a"), drawMark(t, "b"), drawMark(t, "c")
		if a.Merge(b) != b.Merge(a) {
			t.Fatal("merging is not commutative")
		}
		if a.Merge(b).Merge(c) != a.Merge(b.Merge(c)) {
			t.Fatal("merging is not associative")
		}
		if a.Merge(a) != a || a.Merge(b).Merge(b) != a.Merge(b) {
			t.Fatal("merging is not idempotent")
		}
		if joined := a.Merge(b); joined.Have < a.Have || joined.Promise < a.Promise {
			t.Fatal("merging lost a fact")
		}
		if a.Closed() && !a.Merge(b).Closed() {
			t.Fatal("a closed stream was opened again")
		}
	})
}

func TestVectorsMergeInAnyOrderAndTwice(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b, c := drawVector(t, "a"), drawVector(t, "b"), drawVector(t, "c")
		if diff := cmp.Diff(merged(a, b), merged(b, a)); diff != "" {
			t.Fatalf("merging is not commutative: %s", diff)
		}
		if diff := cmp.Diff(merged(merged(a, b), c), merged(a, merged(b, c))); diff != "" {
			t.Fatalf("merging is not associative: %s", diff)
		}
		if diff := cmp.Diff(merged(a, a), a); diff != "" {
			t.Fatalf("merging is not idempotent: %s", diff)
		}
	})
}

func TestMergeKeepsAllFactsAndTellsNews(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b := drawVector(t, "a"), drawVector(t, "b")
		joined := slices.Clone(a)
		changed := joined.Merge(b)
		if !atMost(a, joined) || !atMost(b, joined) {
			t.Fatalf("%v and %v merge to %v: a fact was lost", a, b, joined)
		}
		if changed == slices.Equal(a, joined) {
			t.Fatalf("%v and %v merge to %v, changed: %v", a, b, joined, changed)
		}
		if joined.Merge(b) {
			t.Fatal("the same facts are news twice")
		}
	})
}

// TestMergeIsTheLeast: merging adds nothing that neither of the two knew.
func TestMergeIsTheLeast(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b, extra := drawVector(t, "a"), drawVector(t, "b"), drawVector(t, "extra")
		above := merged(merged(a, b), extra)
		if !atMost(merged(a, b), above) {
			t.Fatalf("%v and %v merge to more than %v", a, b, above)
		}
	})
}

func TestHorizonNeverFallsAndIsALowerBound(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		a, b := drawVector(t, "a"), drawVector(t, "b")
		horizon := a.Horizon()
		reached := false
		for _, mark := range a {
			if mark.Promise < horizon {
				t.Fatalf("horizon %v of %v", horizon, a)
			}
			reached = reached || mark.Promise == horizon
		}
		if !reached {
			t.Fatalf("no promise of %v is its horizon %v", a, horizon)
		}
		if merged(a, b).Horizon() < horizon {
			t.Fatal("merging lowered the horizon")
		}
	})
}

// TestStableIsHeldByAll: what is stable is below everybody's horizon, only
// rises, and rows of a matrix do not run into one another.
func TestStableIsHeldByAll(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		matrix := clock.NewMatrix(streams)
		if matrix.Stable() != 0 {
			t.Fatalf("an empty matrix is stable up to %v", matrix.Stable())
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			before := matrix.Stable()
			row := rapid.IntRange(0, streams-1).Draw(t, "row")
			others := slices.Clone(matrix[(row+1)%streams])
			matrix[row].Merge(drawVector(t, "news"))
			if !slices.Equal(others, matrix[(row+1)%streams]) {
				t.Fatal("a row changed its neighbour")
			}
			if matrix.Stable() < before {
				t.Fatal("what is stable fell")
			}
			for _, vector := range matrix {
				if vector.Horizon() < matrix.Stable() {
					t.Fatalf("%v is not held by %v", matrix.Stable(), vector)
				}
			}
		}
	})
}

func TestMatrixRowsDoNotGrowIntoEachOther(t *testing.T) {
	matrix := clock.NewMatrix(2)
	_ = append(matrix[0], clock.Mark{Have: 1})
	if matrix[1][0] != (clock.Mark{}) {
		t.Error("appending to a row wrote into the next one")
	}
}

// TestLamportOnlyRises: every time given out is later than all that were given
// out or seen, and merging in any order comes to the same.
func TestLamportOnlyRises(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		var lamport clock.Lamport
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			before := lamport.Now()
			if rapid.Bool().Draw(t, "next") {
				if given := lamport.Next(); given <= before || given != lamport.Now() {
					t.Fatalf("after %d comes %d", before, given)
				}
				continue
			}
			seen := drawTime(t, "seen") % clock.LeapMax
			lamport.Merge(seen)
			if lamport.Now() != max(before, seen) {
				t.Fatalf("%d merged with %d is %d", before, seen, lamport.Now())
			}
		}
	})
}

func TestLamportMergesInAnyOrder(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		var there, back clock.Lamport
		times := rapid.SliceOf(rapid.Custom(func(t *rapid.T) clock.Time { return drawTime(t, "time") })).Draw(t, "times")
		for i := range times {
			there.Merge(times[i])
			back.Merge(times[len(times)-1-i])
		}
		if there.Now() != back.Now() {
			t.Fatalf("%v merges to %v, backwards to %v", times, there.Now(), back.Now())
		}
	})
}

func TestInfinityIsNoTimeOfTheClock(t *testing.T) {
	var lamport clock.Lamport
	lamport.Merge(3)
	lamport.Merge(clock.Infinity)
	lamport.Merge(clock.Infinity + 5)
	if lamport.Now() != 3 {
		t.Errorf("the clock stands at %v", lamport.Now())
	}
}

func TestTimesReadWell(t *testing.T) {
	for want, time := range map[string]clock.Time{"0": 0, "42": 42, "4611686018427387903": clock.Infinity - 1, "inf": clock.Infinity} {
		if time.String() != want {
			t.Errorf("%d reads %s, want %s", uint64(time), time, want)
		}
	}
}
