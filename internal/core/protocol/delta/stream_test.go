package delta

import (
	"testing"

	"pgregory.net/rapid"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// drawStream returns a log of contiguous batches of a few entries each, beginning
// behind base entries that are trimmed.
func drawStream(t *rapid.T) (*stream, []protocol.Batch) {
	s := &stream{base: rapid.Uint64Range(0, 5).Draw(t, "base")}
	first := rapid.Uint64Range(0, 20).Draw(t, "first")
	s.log.first, s.log.end = first, first
	s.log.recent.restart(first)
	var batches []protocol.Batch
	next := s.base + 1
	for _, count := range rapid.SliceOfN(rapid.Uint32Range(1, 4), 0, 20).Draw(t, "counts") {
		b := protocol.Batch{Seq: next, Count: count, Bytes: make([]byte, count)}
		*s.log.push() = b
		batches = append(batches, b)
		next = b.Last() + 1
	}
	for range rapid.IntRange(0, len(batches)).Draw(t, "parked") {
		s.log.park(false)
	}
	return s, batches
}

func TestFindGivesTheBatchThatFollows(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		s, batches := drawStream(t)
		have := rapid.Uint64Range(0, 90).Draw(t, "have")
		want := s.log.end
		for i := len(batches) - 1; i >= 0 && batches[i].Seq > have; i-- {
			want--
		}
		if got := s.find(have); got != want {
			t.Fatalf("what follows %d entries is number %d, want %d of %v", have, got, want, batches)
		}
	})
}

// TestBatchesBeyondAGapComeOutInOrder: whatever is put aside in whichever
// order, it comes out rising and once, and the buffer keeps its limit.
func TestBatchesBeyondAGapComeOutInOrder(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		_, batches := drawStream(t)
		bytesMax := rapid.IntRange(0, 40).Draw(t, "bytesMax")
		s, kept := &stream{}, map[uint64]bool{}
		for range rapid.IntRange(0, 40).Draw(t, "arrivals") {
			if len(batches) == 0 {
				break
			}
			b := rapid.SampledFrom(batches).Draw(t, "batch")
			isKept, known := s.stash(&b, bytesMax)
			if known != (kept[b.Seq] || isKept) || kept[b.Seq] && isKept {
				t.Fatalf("batch %d is kept: %t, known: %t, and was there: %t", b.Seq, isKept, known, kept[b.Seq])
			}
			if isKept {
				kept[b.Seq] = true
			}
			if s.aheadSize > bytesMax {
				t.Fatalf("%d bytes wait, %d may", s.aheadSize, bytesMax)
			}
		}
		last := uint64(0)
		for b, ok := s.unstash(1000); ok; b, ok = s.unstash(1000) {
			if b.Seq <= last || !kept[b.Seq] {
				t.Fatalf("batch %d came out after %d, kept: %t", b.Seq, last, kept[b.Seq])
			}
			last = b.Seq
			delete(kept, b.Seq)
		}
		if len(kept) > 0 || s.aheadSize != 0 {
			t.Fatalf("left behind: %v, %d bytes", kept, s.aheadSize)
		}
	})
}

// TestGapHoldsBack: what does not follow what is held stays in the buffer.
func TestGapHoldsBack(t *testing.T) {
	s := &stream{}
	for _, seq := range []uint64{5, 3} {
		s.stash(&protocol.Batch{Seq: seq, Count: 1, Bytes: []byte("x")}, 10)
	}
	if b, ok := s.unstash(1); ok {
		t.Errorf("batch %d came out with 1 entry held", b.Seq)
	}
	if b, ok := s.unstash(2); !ok || b.Seq != 3 {
		t.Errorf("batch %d came out with 2 entries held: %t", b.Seq, ok)
	}
	if b, ok := s.unstash(3); ok {
		t.Errorf("batch %d came out with 3 entries held", b.Seq)
	}
}
