package chatterbox_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chatterbox"
	"chatterbox/internal/world/journal"
)

// filled is a member alone with so many entries of 8 bytes in memory.
func filled(b *testing.B, entries int) *chatterbox.Node {
	b.Helper()
	n, err := chatterbox.Open(b.Context(), chatterbox.Config{
		Name: "a", Members: loopback(b, "a"), Volatile: true,
		MaxMemory: 1 << 30,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = n.Close(context.Background()) })
	fillEntries(b, n, entries)
	_, err = n.Position(b.Context(), n.Status().Accepted)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// entriesRead is how many entries of memory the benchmarks read in one go.
const entriesRead = 1 << 20

// BenchmarkEntries reads from memory, an entry at a time.
func BenchmarkEntries(b *testing.B) {
	n := filled(b, entriesRead)
	b.SetBytes(8 * entriesRead)
	b.ReportAllocs()
	for b.Loop() {
		for e, err := range n.Entries(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			if e.Position == entriesRead {
				break
			}
		}
	}
	b.ReportMetric(float64(b.N)*entriesRead/b.Elapsed().Seconds()/1e6, "Mentries/s")
}

// batchesRead is how many entries BenchmarkBatches reads in one go: more than any
// cache has.
const batchesRead = 16 << 20

// BenchmarkBatches reads from memory, a batch at a time, and touches all of it;
// of-copy is its rate beside that of copying the same bytes, in turns.
func BenchmarkBatches(b *testing.B) {
	n, sum := filled(b, batchesRead), byte(0)
	from, to := make([]byte, 8*batchesRead), make([]byte, 8*batchesRead)
	copy(to, from)
	var reading, copying time.Duration
	b.SetBytes(8 * batchesRead)
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		for batch, err := range n.Batches(b.Context(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			data, _ := batch.Fixed()
			for i := 0; i < len(data); i += 64 {
				sum += data[i]
			}
			if batch.Last() == batchesRead {
				break
			}
		}
		reading += time.Since(began)
		began = time.Now()
		sum += byte(copy(to, from))
		copying += time.Since(began)
	}
	_ = sum
	b.ReportMetric(copying.Seconds()/reading.Seconds(), "of-copy")
}

// BenchmarkFolder writes entries of eight bytes into a folder, beside writing and
// syncing as many bytes to a file of the same disk, 1 MiB at a time, in turns.
func BenchmarkFolder(b *testing.B) {
	const (
		entries = 8 << 20
		piece   = 1 << 20
	)
	dir := b.TempDir()
	n, err := chatterbox.Open(b.Context(), chatterbox.Config{
		Name: "a", Members: loopback(b, "a"), Dir: filepath.Join(dir, "a"),
		Retain: chatterbox.Retain{Bytes: 1 << 20},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = n.Close(context.Background()) })
	files, err := journal.Folder(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	var folder, raw time.Duration
	b.SetBytes(8 * entries)
	data := make([]byte, piece)
	for b.Loop() {
		began := time.Now()
		fillEntries(b, n, entries)
		folder += time.Since(began)
		began = time.Now()
		writeRaw(b, files, data, 8*entries/piece)
		raw += time.Since(began)
	}
	b.ReportMetric(8*entries*float64(b.N)/folder.Seconds()/1e6, "folder-MB/s")
	b.ReportMetric(raw.Seconds()/folder.Seconds(), "of-raw")
}

// fillEntries writes so many entries of eight bytes, and waits until they are
// accepted.
func fillEntries(tb testing.TB, n *chatterbox.Node, left int) {
	tb.Helper()
	if _, err := n.Fill(tb.Context(), 8, func(dst []byte) int {
		count := min(left, len(dst)/8)
		left -= count
		return count
	}); err != nil {
		tb.Fatal(err)
	}
}

// writeRaw writes and syncs pieces to a new file.
func writeRaw(b *testing.B, files journal.FS, data []byte, pieces int) {
	b.Helper()
	file, err := files.Create("raw")
	for i := 0; i < pieces && err == nil; i++ {
		if _, err = file.WriteAt(data, int64(i*len(data))); err == nil {
			err = file.Sync()
		}
	}
	if err == nil {
		err = errors.Join(file.Close(), files.Remove("raw"))
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBroadcast is one goroutine that waits for each of its entries, in
// memory.
func BenchmarkBroadcast(b *testing.B) {
	n, payload := filled(b, 1), make([]byte, 8)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Broadcast(b.Context(), payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAccepted has one goroutine wait for each of its entries of 100 bytes to
// be durable at a member of three, each with a folder, and in turns writes and
// syncs as many bytes to a file of the same disk: p50 of each, and how many times
// the second the first is.
func BenchmarkAccepted(b *testing.B) {
	dir, payload := b.TempDir(), make([]byte, 100)
	nodes := three(b, dir, chatterbox.Config{})
	files, err := journal.Folder(filepath.Join(dir, "raw"))
	if err != nil {
		b.Fatal(err)
	}
	file, err := files.Create("raw")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	var accepted, raw []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := nodes[0].Broadcast(b.Context(), payload); err != nil {
			b.Fatal(err)
		}
		accepted = append(accepted, time.Since(began))
		began = time.Now()
		if _, err := file.WriteAt(payload, int64(len(raw)*len(payload))); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		raw = append(raw, time.Since(began))
	}
	slices.Sort(accepted)
	slices.Sort(raw)
	p50, ofRaw := accepted[len(accepted)/2], raw[len(raw)/2]
	b.ReportMetric(float64(p50.Microseconds()), "us-accepted")
	b.ReportMetric(float64(ofRaw.Microseconds()), "us-raw")
	b.ReportMetric(float64(p50)/float64(ofRaw), "accepted/raw")
}
