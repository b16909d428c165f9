package driver

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// payloads returns those of a batch as text.
func payloads(b *protocol.Batch) string {
	var all []string
	for payload := range wire.Payloads(b).All() {
		all = append(all, string(payload))
	}
	return strings.Join(all, " ")
}

func newTestOutbox(batchBytes, entries int) *Outbox {
	return NewOutbox(protocol.NewPool(4<<10, 4), batchBytes, entries, nil)
}

func mustAdd(t *testing.T, o *Outbox, payload string) Put {
	t.Helper()
	put := o.Add([]byte(payload))
	if !put.Done {
		t.Fatalf("no room for %q", payload)
	}
	return put
}

func TestOpenBatchGoesOnlyWhenItIsWanted(t *testing.T) {
	o := newTestOutbox(1024, 0)
	mustAdd(t, o, "a")
	mustAdd(t, o, "b")
	if _, ok := o.Next(false, math.MaxInt); ok {
		t.Error("a partly filled batch went unasked")
	}
	if b, ok := o.Next(true, math.MaxInt); !ok || payloads(&b) != "a b" {
		t.Errorf("got %q, %v", payloads(&b), ok)
	}
	if _, ok := o.Next(true, math.MaxInt); ok {
		t.Error("an empty batch")
	}
	if put := mustAdd(t, o, "c"); !put.Wanted || put.Closed {
		t.Errorf("the entry that the driver waits for: %+v", put)
	}
	if put := mustAdd(t, o, "d"); put.Wanted {
		t.Errorf("another one: %+v", put)
	}
}

func TestFullBatchesQueueInOrder(t *testing.T) {
	o, closed := newTestOutbox(wire.BatchHeaderBytes+8, 0), 0
	for i := range 7 {
		if mustAdd(t, o, fmt.Sprintf("%04d", i)).Closed {
			closed++
		}
	}
	if closed != 3 {
		t.Errorf("%d were told to be full, not 3", closed)
	}
	for _, want := range []string{"0000 0001", "0002 0003", "0004 0005", "0006"} {
		if b, ok := o.Next(true, math.MaxInt); !ok || payloads(&b) != want {
			t.Errorf("got %q, want %q", payloads(&b), want)
		}
	}
}

func TestBatchesHaveAtMostTheEntriesAllowed(t *testing.T) {
	o, next := newTestOutbox(1024, 2), uint64(0)
	for range 3 {
		o.Fill(8, func(dst []byte) int {
			n := 0
			for ; len(dst) >= 8; dst = dst[8:] {
				binary.LittleEndian.PutUint64(dst, next)
				next++
				n += 8
			}
			return n
		})
	}
	mustAdd(t, o, "12345678")
	if next != 6 {
		t.Errorf("%d numbers filled in, want 6", next)
	}
	for _, want := range []uint32{2, 2, 2, 1} {
		if b, ok := o.Next(true, math.MaxInt); !ok || b.Count != want {
			t.Errorf("%d entries, want %d", b.Count, want)
		}
	}
}

func TestFullOutboxHasRoomAgainOnceHalfIsTaken(t *testing.T) {
	o := newTestOutbox(1024, 1)
	for range readyBatchesMax + 1 {
		mustAdd(t, o, "x")
	}
	if put := o.Add([]byte("y")); put.Done || o.HasRoom() {
		t.Fatalf("there is room: %+v", put)
	}
	for range readyBatchesMax / 2 {
		if o.HasRoom() {
			t.Fatal("room too early")
		}
		o.Next(false, math.MaxInt)
	}
	if mustAdd(t, o, "y"); o.HasRoom() {
		t.Error("more than half is taken again")
	}
}

func TestCutOutboxDropsWhatFindsNoRoom(t *testing.T) {
	o := newTestOutbox(1024, 1)
	for range readyBatchesMax {
		mustAdd(t, o, "x")
	}
	o.End(false)
	if o.Stuck(0); o.Ended() {
		t.Fatal("dropped before it was cut")
	}
	o.End(true)
	if o.Stuck(0); !o.Ended() {
		t.Fatal("something is left")
	}
}

func TestBatchWaitsUntilThereIsRoomForAllOfIt(t *testing.T) {
	o := newTestOutbox(1024, 2)
	mustAdd(t, o, "x")
	open := o.oldest()
	mustAdd(t, o, "y")
	closed := o.oldest()
	mustAdd(t, o, "z")
	for _, c := range []struct {
		bytesMax int
		want     string
	}{{closed - 1, ""}, {closed, "x y"}, {open - 1, ""}, {open, "z"}} {
		b, ok := o.Next(true, c.bytesMax)
		if ok != (c.want != "") || ok && payloads(&b) != c.want {
			t.Fatalf("room for %d bytes: %t, %q, want %q", c.bytesMax, ok, payloads(&b), c.want)
		}
		if o.eager {
			t.Error("an entry is wanted though a batch waits, or the last one has just gone")
		}
	}
	mustAdd(t, o, "x")
	o.End(true)
	if o.Stuck(open); o.Ended() {
		t.Error("what has room is dropped")
	}
	if o.Stuck(open - 1); !o.Ended() {
		t.Error("what has no room is left")
	}
}

func TestBatchesArePreparedWhenTheyAreClosed(t *testing.T) {
	o := NewOutbox(protocol.NewPool(4<<10, 1), 1024, 0, func(b *protocol.Batch) any { return "of " + payloads(b) })
	mustAdd(t, o, "x")
	mustAdd(t, o, "y")
	if b, ok := o.Next(true, math.MaxInt); !ok || b.Prepared != "of x y" {
		t.Errorf("prepared %v", b.Prepared)
	}
}

func TestClosedOutboxGivesItsMemoryBack(t *testing.T) {
	pool := protocol.NewPool(4<<10, 1)
	o := NewOutbox(pool, 1024, 1, nil)
	mustAdd(t, o, "x")
	b, _ := o.Next(true, math.MaxInt)
	b.Buffer.Release()
	mustAdd(t, o, "y")
	o.Close()
	if pool.Get() != b.Buffer {
		t.Error("the buffer did not go back to its pool")
	}
}
