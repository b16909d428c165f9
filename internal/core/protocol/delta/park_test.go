package delta

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// TestParkedBatchesAreAsTheyWere does to a log whatever comes, and compares it
// with a list of all its batches.
func TestParkedBatchesAreAsTheyWere(t *testing.T) {
	draw.Check(t, func(t *rapid.T) {
		var g log
		var want []protocol.Batch // from g.first on
		parked, seq, time := 0, rapid.Uint64Range(0, 1<<40).Draw(t, "seq"), clock.Time(0)
		keeps := rapid.Bool().Draw(t, "keeps")
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				time += clock.Time(rapid.Uint64Range(1, 1<<20).Draw(t, "later"))
				b := protocol.Batch{
					Origin: 2, Identity: 9, Seq: seq + 1, Count: rapid.Uint32Range(1, 1000).Draw(t, "count"), Time: time,
					Bytes: make([]byte, rapid.IntRange(1, 1<<12).Draw(t, "size")), Prepared: seq,
				}
				seq = b.Last()
				*g.push() = b
				want = append(want, b)
			},
			"park": func(t *rapid.T) {
				if parked == len(want) {
					t.Skip("all is parked")
				}
				g.park(keeps)
				b := &want[parked]
				b.Parked, b.Bytes = uint32(len(b.Bytes)), nil
				if !keeps {
					b.Prepared = nil
				}
				parked++
			},
			"pop": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip("nothing is there")
				}
				g.pop()
				want, parked = want[1:], max(0, parked-1)
			},
			"": func(t *rapid.T) {
				if g.len() != len(want) {
					t.Fatalf("%d batches, want %d", g.len(), len(want))
				}
				for i := range want {
					if got := *g.at(g.first + uint64(i)); !reflect.DeepEqual(want[i], got) {
						t.Fatal(cmp.Diff(want[i], got))
					}
				}
				if parked == 0 && g.parked.memory != 0 {
					t.Fatalf("nothing is parked, in %d bytes", g.parked.memory)
				}
			},
		})
	})
}

// parking is a member alone with its journal in mind, and little memory.
func parking(memory int) *Delta {
	return New(Config{Self: 0, Members: 2, Identity: 1, Durable: true, MemoryBytesMax: memory})
}

// submit puts in a batch of so many bytes.
func submit(d *Delta, size int) protocol.Effects {
	return d.Step(protocol.Event{Kind: protocol.Submit, Batch: protocol.Batch{Count: 1, Bytes: make([]byte, size), Buffer: protocol.NewPool(1, 0).Get()}})
}

func TestBatchesBeyondTheMemoryAreParked(t *testing.T) {
	const memory = 64 << 10
	d, rng, total := parking(memory), rand.New(rand.NewPCG(1, 2)), 0
	released := map[uint64]bool{}
	for total < 20*memory {
		size := 41 + rng.IntN(2000)
		total += size
		for _, b := range submit(d, size).Release {
			released[b.Seq] = true
		}
		if s := d.Status(); s.LogBytes > memory || s.LogBytes+s.Parked < total {
			t.Fatalf("of %d bytes %d are in memory, which has %d, and %d parked", total, s.LogBytes, memory, s.Parked)
		}
	}
	g := &d.streams[0].log
	for number := g.first; number < g.end; number++ {
		if b := g.at(number); (b.Parked > 0) != released[b.Seq] {
			t.Fatalf("batch %d: parked %v, released %v", b.Seq, b.Parked > 0, released[b.Seq])
		}
	}
}

// TestAParkedBatchTakesAFewBytes bounds what a backlog of the smallest batches
// costs.
func TestAParkedBatchTakesAFewBytes(t *testing.T) {
	var s outlines
	const count = 100_000
	for i := range uint64(count) {
		s.push(&protocol.Batch{Seq: i + 1, Count: 1, Time: clock.Time(3 * i), Bytes: make([]byte, 48)}, false)
	}
	if each := float64(s.memory) / count; each > 10 {
		t.Errorf("%.1f bytes of memory each", each)
	} else {
		t.Logf("%.1f bytes of memory each", each)
	}
}

// TestNothingIsParkedWithoutAJournal: it would be lost.
func TestNothingIsParkedWithoutAJournal(t *testing.T) {
	d := New(Config{Self: 0, Members: 2, Identity: 1, MemoryBytesMax: 1 << 10})
	for range 100 {
		submit(d, 100)
	}
	if s := d.Status(); s.Parked > 0 || s.LogBytes != 100*100 {
		t.Errorf("%d bytes in memory, %d parked", s.LogBytes, s.Parked)
	}
}

// TestAnAbsentPeerHoldsUpNobodyWithAJournal: writers have room as long as what is
// left of parked batches leaves some.
func TestAnAbsentPeerHoldsUpNobodyWithAJournal(t *testing.T) {
	d := parking(64 << 10)
	d.Step(protocol.Event{Kind: protocol.Tick, Now: d.cfg.FirstContactWait})
	for range 1000 {
		d.Step(protocol.Event{Kind: protocol.Flush, Now: d.now})
		if d.Room() <= 0 {
			t.Fatalf("no room with %d bytes parked and %d in memory", d.own.parked, d.inMemory())
		}
		submit(d, 2000)
	}
	for range 20_000 {
		submit(d, 41)
	}
	d.Step(protocol.Event{Kind: protocol.Flush, Now: d.now})
	if d.Room() > 0 {
		t.Errorf("there is room, though parked batches take %d of %d bytes of memory", d.own.outlines, d.cfg.MemoryBytesMax)
	}
}

// TestParkedBatchesAreDeliveredInPortions: all else waits while they are read.
func TestParkedBatchesAreDeliveredInPortions(t *testing.T) {
	d := New(Config{Self: 0, Members: 1, Identity: 1, Durable: true, MemoryBytesMax: 64 << 10})
	const batches, size = 400, 10_000
	for range batches {
		submit(d, size)
	}
	next := uint64(1)
	for range 2 * batches * size / parkedPerFlush {
		effects := d.Step(protocol.Event{Kind: protocol.Flush})
		parked := 0
		for _, b := range effects.Deliver {
			if b.Seq != next {
				t.Fatalf("delivers %d, want %d", b.Seq, next)
			}
			next++
			parked += int(b.Parked)
		}
		if parked > parkedPerFlush {
			t.Errorf("%d parked bytes are delivered at a time", parked)
		}
		if effects.More != (next <= batches) {
			t.Errorf("more: %v, after %d of %d", effects.More, next-1, batches)
		}
	}
	if next != batches+1 {
		t.Errorf("%d of %d are delivered", next-1, batches)
	}
	if s := d.Status(); s.LogBytes != 0 || s.Parked != 0 {
		t.Errorf("in the end %d bytes in memory, %d parked", s.LogBytes, s.Parked)
	}
}

// TestAParkedBatchThatComesAgainIsNoOther: a copy that is late is not taken for
// another batch under the same number, and one of another size is.
func TestAParkedBatchThatComesAgainIsNoOther(t *testing.T) {
	binding := member.Binding{1, 2}
	d := New(Config{
		Self: 0, Members: 2, Identity: 1, Durable: true, MemoryBytesMax: 4 << 10, Datagram: true,
		Recovered: &protocol.Recovered{Base: protocol.Snapshot{Have: []uint64{0, 0}}, Binding: binding, Agreed: true},
	})
	receive := func(seq uint64, size int) {
		d.Step(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{
			From: 1, Identity: 2, Session: 1 << 32, View: d.roster.Tag(),
			Batches: []protocol.Batch{{Origin: 1, Identity: 2, Seq: seq, Count: 1, Time: clock.Time(seq), Bytes: make([]byte, size)}},
		}})
	}
	for seq := range uint64(100) {
		receive(seq+1, 200)
	}
	if d.own.parked == 0 {
		t.Fatal("nothing is parked")
	}
	for seq := range uint64(100) {
		receive(seq+1, 200)
	}
	if found := d.Status().Findings; len(found) > 0 {
		t.Errorf("copies: %v", found)
	}
	receive(3, 201)
	if found := d.Status().Findings; len(found) != 1 || found[0].Kind != protocol.TwoContents {
		t.Errorf("another batch: %v", found)
	}
}
