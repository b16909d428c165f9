package workload

import (
	"encoding/binary"
	"strings"
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/world/wire"

	"pgregory.net/rapid"
)

// batchOf makes a sealed batch of payloads.
func batchOf(payloads ...[]byte) protocol.Batch {
	builder := wire.NewBuilder(protocol.NewPool(64<<10, 1), 16<<10)
	for _, payload := range payloads {
		if !builder.Add(payload) {
			panic("the batch is full")
		}
	}
	batch := builder.Take()
	batch.Origin, batch.Identity, batch.Seq, batch.Time = 1, 99, 10, 20
	wire.Seal(&batch)
	return batch
}

func payloadOf(k uint64) []byte { return binary.LittleEndian.AppendUint64(nil, k) }

func TestWhatIsPreparedOfABatchIsItsScore(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Uint64Range(1, NumberMax), 1, 200).Draw(t, "numbers")
		var payloads [][]byte
		for _, k := range numbers {
			payloads = append(payloads, payloadOf(k))
		}
		batch := batchOf(payloads...)
		score, ok := Prepare(&batch).(*Score)
		if !ok {
			t.Fatal("no score")
		}
		judgeOf(numbers).same(t, *score)
	})
}

func TestNumberOutOfRangeIsRefusedAtEveryPlace(t *testing.T) {
	const entries = 2*blockEntries + 3
	for _, k := range []uint64{0, NumberMax + 1, 1 << 63, 1<<64 - 1} {
		for place := range entries {
			numbers := NewNumbers(1, 0)
			payloads := make([][]byte, entries)
			for i := range payloads {
				payloads[i] = payloadOf(numbers.Next())
			}
			payloads[place] = payloadOf(k)
			batch := batchOf(payloads...)
			if got := Prepare(&batch); got != nil {
				t.Fatalf("%d at %d of %d: score %v", k, place, entries, got)
			}
		}
	}
}

func TestPayloadsThatAreNoNumbersAreRefused(t *testing.T) {
	for name, batch := range map[string]protocol.Batch{
		"7 bytes":         batchOf(make([]byte, 7)),
		"16 bytes":        batchOf(make([]byte, 16)),
		"nothing":         batchOf(nil),
		"different sizes": batchOf(payloadOf(1), []byte("x")),
	} {
		if got := Prepare(&batch); got != nil {
			t.Errorf("%s: score %v", name, got)
		}
	}
}

func TestLogWithAnythingButNumbersHasNoScore(t *testing.T) {
	numbers, text := batchOf(payloadOf(1)), batchOf([]byte("text"))
	numbers.Prepared, text.Prepared = Prepare(&numbers), Prepare(&text)
	for _, log := range [][]protocol.Batch{{text}, {numbers, text}, {text, numbers}} {
		if _, err := FromSummary(foldAll(log)); err == nil || !strings.Contains(err.Error(), "another application") {
			t.Errorf("error %v", err)
		}
	}
}

// someLog draws prepared batches, as a log would have them.
func someLog(t *rapid.T) []protocol.Batch {
	log := make([]protocol.Batch, rapid.IntRange(1, 6).Draw(t, "batches"))
	for i := range log {
		b := &log[i]
		b.Origin = member.ID(rapid.IntRange(0, 4).Draw(t, "origin"))
		b.Identity = member.Identity(rapid.Uint64().Draw(t, "identity"))
		b.Seq = rapid.Uint64Range(1, 1000).Draw(t, "seq")
		b.Time = clock.Time(i + 1)
		numbers := someNumbers(100).Draw(t, "numbers")
		b.Count = uint32(len(numbers))
		score := scoreOfNumbers(t, numbers)
		b.Prepared = &score
	}
	return log
}

func foldAll(log []protocol.Batch) (all Summary) {
	for i := range log {
		Fold(&all, &log[i])
	}
	return all
}

func TestFoldOfBytesIsThatOfTheSummary(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		log := someLog(t)
		var state []byte
		for i := range log {
			state = FoldState(state, &log[i])
		}
		if got, want := SummaryOf(state), foldAll(log); got != want {
			t.Fatalf("fold of bytes is %v, should be %v", got, want)
		}
	})
	if _, err := FromSummary(SummaryOf(make([]byte, 47))); err == nil || !strings.Contains(err.Error(), "another application") {
		t.Errorf("47 bytes: %v", err)
	}
}

func TestFoldIsTheScoreOfTheWholeLog(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		log := someLog(t)
		want := Score{}
		for _, b := range log {
			want = want.join(*b.Prepared.(*Score))
		}
		if got, err := FromSummary(foldAll(log)); err != nil || got != want {
			t.Fatalf("fold is %v, %v, should be %v", got, err, want)
		}
	})
}

func TestDigestTellsOrdersApartButNotLives(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		log := someLog(t)
		digest := Digest(foldAll(log))
		i := rapid.IntRange(0, len(log)-1).Draw(t, "changed")
		changes := map[string]func(b *protocol.Batch){
			"origin": func(b *protocol.Batch) { b.Origin++ },
			"seq":    func(b *protocol.Batch) { b.Seq++ },
			"time":   func(b *protocol.Batch) { b.Time++ },
			"count":  func(b *protocol.Batch) { b.Count++ },
			"numbers": func(b *protocol.Batch) {
				other := *b.Prepared.(*Score)
				other.s.lo++
				b.Prepared = &other
			},
		}
		for name, change := range changes {
			other := append([]protocol.Batch(nil), log...)
			if change(&other[i]); Digest(foldAll(other)) == digest {
				t.Fatalf("another %s has the same digest", name)
			}
		}
		if i > 0 {
			other := append([]protocol.Batch(nil), log...)
			other[i-1], other[i] = other[i], other[i-1]
			if Digest(foldAll(other)) == digest {
				t.Fatal("another order has the same digest")
			}
		}
		for i := range log {
			log[i].Identity++
		}
		if Digest(foldAll(log)) != digest {
			t.Fatal("another life has another digest")
		}
	})
}

func TestHotPathAllocatesTheScoreOfABatchOnly(t *testing.T) {
	batch := numbersBatch(t)
	numbers, dst := NewNumbers(1, 0), make([]byte, 16<<10)
	var log Summary
	state := log.AppendTo(nil)
	allocs := testing.AllocsPerRun(100, func() {
		numbers.Fill(dst)
		batch.Prepared = Prepare(&batch)
		Fold(&log, &batch)
		state = FoldState(state, &batch)
	})
	if allocs > 1 {
		t.Fatalf("%v allocations a batch", allocs)
	}
}
