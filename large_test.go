package chatterbox_test

import (
	"context"
	"flag"
	"math"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"chatterbox"
)

var (
	historyGB = flag.Float64("history", 0, "GB of history that a reader reads from its beginning; 0 skips it")
	stillFor  = flag.Duration("still", 0, "how long a reader stands still while a cluster writes at full speed; 0 skips it")
)

// heap returns the bytes of memory that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// heapLimit bounds what the runtime keeps before it collects, so that what is in
// use is what is needed.
func heapLimit(t *testing.T, bytes int64) {
	before := debug.SetMemoryLimit(bytes)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
}

const (
	largeMemory  = 64 << 20
	largePayload = 1 << 10
)

// TestReaderOfALargeHistoryTakesConstantMemory from the first position on.
func TestReaderOfALargeHistoryTakesConstantMemory(t *testing.T) {
	if *historyGB == 0 {
		t.Skip("needs -history GB, and as much disk")
	}
	heapLimit(t, 2*largeMemory)
	n, err := chatterbox.Open(t.Context(), chatterbox.Config{
		Name: "a", Members: loopback(t, "a"), Dir: filepath.Join(t.TempDir(), "a"), MaxMemory: largeMemory,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close(context.Background()) //nolint:errcheck // it is read only by then
	left := int(*historyGB * 1e9 / largePayload)
	began := time.Now()
	last, err := n.Fill(t.Context(), largePayload, func(dst []byte) int {
		count := min(left, len(dst)/largePayload)
		left -= count
		return count
	})
	if err != nil {
		t.Fatal(err)
	}
	end, err := n.Position(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %.1f GB in %.1f s", *historyGB, time.Since(began).Seconds())
	began = time.Now()
	next, bytes, most, looked := chatterbox.Position(1), int64(0), int64(0), int64(0)
	for b, err := range n.Batches(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if b.First != next {
			t.Fatalf("position %d comes after %d", b.First, next-1)
		}
		data, _ := b.Fixed()
		next, bytes = b.Last()+1, bytes+int64(len(data))
		if bytes >= looked {
			looked, most = bytes+100e6, max(most, heap())
		}
		if b.Last() == end {
			break
		}
	}
	t.Logf("read %.1f GB in %.1f s with %d MB of memory at most", float64(bytes)/1e9, time.Since(began).Seconds(), most/1e6)
	if most > 2*largeMemory {
		t.Errorf("%d bytes of memory", most)
	}
}

// three returns three members over the sockets of this machine, each with a folder
// within dir, once they have met.
func three(tb testing.TB, dir string, cfg chatterbox.Config) (nodes []*chatterbox.Node) {
	tb.Helper()
	cfg.Members = loopback(tb, "a", "b", "c")
	for _, m := range cfg.Members {
		cfg.Name, cfg.Dir = m.Name, filepath.Join(dir, m.Name)
		n, err := chatterbox.Open(tb.Context(), cfg)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			_ = n.Close(ended) // the others may be gone, and need nothing
		})
		nodes = append(nodes, n)
	}
	if err := nodes[0].Ready(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return nodes
}

// TestReaderThatStandsStillCostsNothing: a cluster writes at full speed, in turns
// without a reader and with one that has taken one batch and stands still.
func TestReaderThatStandsStillCostsNothing(t *testing.T) {
	if *stillFor == 0 {
		t.Skip("needs -still TIME")
	}
	heapLimit(t, 3*2*largeMemory)
	nodes := three(t, t.TempDir(), chatterbox.Config{MaxMemory: largeMemory, Retain: chatterbox.Retain{Bytes: 256 << 20}})
	var rates, memory [2]float64 // without the reader, with it
	fullSpeed(t, nodes, false)   // until old files go as fast as new ones come
	for _, with := range []int{0, 1, 1, 0} {
		rate, most := fullSpeed(t, nodes, with == 1)
		rates[with], memory[with] = rates[with]+rate/2, max(memory[with], most)
	}
	t.Logf("%.0f MB/s and %.0f MB without it, %.0f MB/s and %.0f MB with it", rates[0], memory[0], rates[1], memory[1])
	t.Logf("with / without: %.2f", rates[1]/rates[0])
	if memory[1] > memory[0]+largeMemory/1e6 {
		t.Errorf("it costs memory: %.0f instead of %.0f MB", memory[1], memory[0])
	}
	if math.IsNaN(rates[1]) || rates[1] < rates[0]/2 {
		t.Errorf("it slows the others: %.0f instead of %.0f MB/s", rates[1], rates[0])
	}
}

// fullSpeed has the first member write as fast as it can, and returns the MB/s
// that settle and the most MB of memory of all members together.
func fullSpeed(t *testing.T, nodes []*chatterbox.Node, withReader bool) (rate, memory float64) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), *stillFor/2)
	defer stop()
	if withReader {
		go func() {
			for _, err := range nodes[1].Batches(ctx, nodes[1].Status().Settled) {
				if <-ctx.Done(); err != nil {
					return
				}
			}
		}()
	}
	before, began := nodes[1].Status().Settled, time.Now()
	for ctx.Err() == nil {
		for range 16 {
			left := 64
			_, _ = nodes[0].Fill(ctx, largePayload, func(dst []byte) int {
				count := min(left, len(dst)/largePayload)
				left -= count
				return count
			})
		}
		memory = max(memory, float64(heap())/1e6)
	}
	settled := nodes[1].Status().Settled - before
	return float64(settled) * largePayload / 1e6 / time.Since(began).Seconds(), memory
}
