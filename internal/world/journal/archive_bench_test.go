package journal

import (
	"testing"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// fill writes batches of one entry of eight bytes, settles them, and lets a
// base follow, and closes the journal.
func fill(b *testing.B, files FS, cfg Config, count int) {
	b.Helper()
	j, _ := open(b, files, cfg)
	have := make([]uint64, members)
	var waiting []protocol.Batch
	for n := range count {
		origin := member.ID(n % members)
		have[origin]++
		batch := sealed(b, "payload!", protocol.Batch{Origin: origin, Identity: member.Identity(origin) + 1, Seq: have[origin], Time: clock.Time(n + 1)})
		j.Keep(protocol.Effects{Append: []protocol.Batch{batch}})
		if waiting = append(waiting, batch); len(waiting) == 2000 || n == count-1 {
			synced(b, j)
			j.Order(waiting)
			waiting = waiting[:0]
			j.Keep(protocol.Effects{Base: &protocol.Snapshot{Time: clock.Time(n + 1), Have: have}})
		}
	}
	closed(b, j)
}

func benchConfig(b *testing.B) (FS, Config) {
	b.Helper()
	files, err := Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	cfg := testConfig()
	cfg.SegmentBytesMax, cfg.Retain = 0, &Retain{}
	return files, cfg
}

// BenchmarkRestart is what a start costs with a million entries that are kept
// to be read again.
func BenchmarkRestart(b *testing.B) {
	files, cfg := benchConfig(b)
	fill(b, files, cfg, 1_000_000)
	for b.Loop() {
		j, _ := open(b, files, cfg)
		if j.Archive().End() != 1_000_000 {
			b.Fatal(j.Archive().End())
		}
		closed(b, j)
	}
}

// BenchmarkArchive is what it costs to read a batch of one entry from disk, as
// readers do that read sixteen at a time.
func BenchmarkArchive(b *testing.B) {
	const entries = 200_000
	files, cfg := benchConfig(b)
	fill(b, files, cfg, entries)
	j, _ := open(b, files, cfg)
	defer closed(b, j)
	var dst [16]protocol.Batch
	b.ReportAllocs()
	after := uint64(0)
	for b.Loop() {
		_, n, err := j.Archive().Read(after, dst[:])
		if err != nil {
			b.Fatal(err)
		}
		if after += uint64(n); after == entries {
			after = 0
		}
	}
}
