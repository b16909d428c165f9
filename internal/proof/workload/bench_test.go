package workload

import (
	"testing"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// numbersBatch makes a sealed and prepared batch of numbers, of the size
// that the hot path has.
func numbersBatch(tb testing.TB) protocol.Batch {
	tb.Helper()
	builder := wire.NewBuilder(protocol.NewPool(64<<10, 1), 16<<10)
	builder.Fill(EntryBytes, NewNumbers(1, 0).Fill)
	batch := builder.Take()
	batch.Seq, batch.Time, batch.Identity = 1, 1, 1
	wire.Seal(&batch)
	batch.Prepared = Prepare(&batch)
	return batch
}

func perEntry(b *testing.B, entries int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(entries), "ns/entry")
}

func BenchmarkFill(b *testing.B) {
	numbers := NewNumbers(1, 0)
	dst := make([]byte, 16<<10)
	for b.Loop() {
		numbers.Fill(dst)
	}
	perEntry(b, len(dst)/EntryBytes)
}

func BenchmarkPrepare(b *testing.B) {
	batch := numbersBatch(b)
	for b.Loop() {
		batch.Prepared = Prepare(&batch)
	}
	perEntry(b, int(batch.Count))
}

func BenchmarkFold(b *testing.B) {
	batch := numbersBatch(b)
	var log Summary
	for b.Loop() {
		log[summaryCount] &= 1<<30 - 1 // stay where scores are exact, however long this runs
		Fold(&log, &batch)
	}
	perEntry(b, int(batch.Count))
}
