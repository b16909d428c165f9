package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"chatterbox/protocol"
	"chatterbox/wire"
)

// payloads gives those of a batch as text.
func payloads(b *protocol.Batch) string {
	var all []string
	for payload := range wire.Payloads(b).All() {
		all = append(all, string(payload))
	}
	return strings.Join(all, " ")
}

func newTestOutbox(batchBytes, entries int) (*outbox, *int) {
	wakes := 0
	return newOutbox(batchBytes, entries, nil, func() { wakes++ }, func() { wakes++ }), &wakes
}

func mustAdd(t *testing.T, o *outbox, payload string) {
	t.Helper()
	if err := o.add(context.Background(), []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenBatchGoesOnlyWhenItIsWanted(t *testing.T) {
	o, wakes := newTestOutbox(1024, 0)
	mustAdd(t, o, "a")
	mustAdd(t, o, "b")
	if _, ok := o.next(false); ok || *wakes != 0 {
		t.Errorf("a partly filled batch went unasked, %d wake-ups", *wakes)
	}
	if b, ok := o.next(true); !ok || payloads(&b) != "a b" {
		t.Errorf("got %q, %v", payloads(&b), ok)
	}
	if _, ok := o.next(true); ok {
		t.Error("an empty batch")
	}
	mustAdd(t, o, "c")
	mustAdd(t, o, "d")
	if *wakes != 1 {
		t.Errorf("%d wake-ups of a loop that waits for entries, want 1", *wakes)
	}
}

func TestFullBatchesQueueInOrder(t *testing.T) {
	o, wakes := newTestOutbox(wire.BatchHeaderBytes+8, 0)
	for i := range 7 {
		mustAdd(t, o, fmt.Sprintf("%04d", i))
	}
	if *wakes != 3 {
		t.Errorf("%d wake-ups for 3 full batches", *wakes)
	}
	for _, want := range []string{"0000 0001", "0002 0003", "0004 0005", "0006"} {
		if b, ok := o.next(true); !ok || payloads(&b) != want {
			t.Errorf("got %q, want %q", payloads(&b), want)
		}
	}
}

func TestBatchesHaveAtMostTheEntriesAllowed(t *testing.T) {
	o, _ := newTestOutbox(1024, 2)
	next := uint64(0)
	for range 3 {
		if err := o.fill(context.Background(), 8, numbers(&next)); err != nil {
			t.Fatal(err)
		}
	}
	mustAdd(t, o, "12345678")
	if next != 6 {
		t.Errorf("%d numbers filled in, want 6", next)
	}
	for _, want := range []uint32{2, 2, 2, 1} {
		if b, ok := o.next(true); !ok || b.Count != want {
			t.Errorf("%d entries, want %d", b.Count, want)
		}
	}
}

func TestFullOutboxLetsWaitUntilHalfIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutbox(1024, 1)
		for range readyBatchesMax + 1 {
			mustAdd(t, o, "x")
		}
		entered := make(chan error, 1)
		go func() { entered <- o.add(context.Background(), []byte("y")) }()
		for range readyBatchesMax / 2 {
			synctest.Wait()
			if len(entered) != 0 {
				t.Fatal("it did not wait")
			}
			if _, ok := o.next(false); !ok {
				t.Fatal("nothing to take")
			}
		}
		if err := <-entered; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		for range readyBatchesMax/2 - 1 { // x and y took two of the places
			mustAdd(t, o, "z")
		}
		go func() { entered <- o.add(ctx, []byte("late")) }()
		synctest.Wait()
		enough := errors.New("enough")
		cancel(enough)
		if err := <-entered; !errors.Is(err, enough) {
			t.Errorf("error: %v", err)
		}
	})
}

func TestRefusalReachesThoseWhoWaitAndSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutbox(1024, 1)
		for range readyBatchesMax + 1 {
			mustAdd(t, o, "x")
		}
		entered := make(chan error, 1)
		go func() { entered <- o.add(context.Background(), []byte("y")) }()
		synctest.Wait()
		o.refuse(ErrStreamClosed)
		if err := <-entered; !errors.Is(err, ErrStreamClosed) {
			t.Errorf("error: %v", err)
		}
		for i := range readyBatchesMax + 1 {
			if _, ok := o.next(true); !ok || o.isEmpty() != (i == readyBatchesMax) {
				t.Fatalf("batch %d: %v, empty %v", i, ok, o.isEmpty())
			}
		}
	})
}

func TestCutOutboxDropsWhatFindsNoRoom(t *testing.T) {
	o, _ := newTestOutbox(1024, 1)
	o.dropIfCut()
	for range readyBatchesMax {
		mustAdd(t, o, "x")
	}
	if o.dropIfCut(); o.isEmpty() {
		t.Fatal("dropped before it was cut")
	}
	o.cut(ErrStreamClosed)
	if err := o.add(context.Background(), []byte("y")); !errors.Is(err, ErrStreamClosed) || o.isEmpty() {
		t.Fatalf("error %v, empty %v", err, o.isEmpty())
	}
	if o.dropIfCut(); !o.isEmpty() {
		t.Fatal("something is left")
	}
}

func TestEntriesThatTheApplicationCannotSummarizeAreItsMistake(t *testing.T) {
	bad := errors.New("not a number")
	o := newOutbox(1024, 0, func(b *protocol.Batch) error {
		if payloads(b) != "good" {
			return bad
		}
		b.Summary[0] = 7
		return nil
	}, func() {}, func() {})
	mustAdd(t, o, "good")
	if b, ok := o.next(true); !ok || b.Summary[0] != 7 {
		t.Errorf("summary %v", b.Summary)
	}
	mustAdd(t, o, "bad")
	if _, ok := o.next(true); ok {
		t.Error("a batch without a summary")
	}
	if err := o.add(context.Background(), []byte("good")); !errors.Is(err, bad) {
		t.Errorf("error: %v", err)
	}
}

func TestFillAllocatesNothing(t *testing.T) {
	o, _ := newTestOutbox(16<<10, 0)
	next := uint64(0)
	fill := numbers(&next)
	ctx := context.Background()
	allocations := testing.AllocsPerRun(200, func() {
		if err := o.fill(ctx, 8, fill); err != nil {
			t.Fatal(err)
		}
		if b, ok := o.next(true); ok {
			b.Buffer.Release()
		}
	})
	if allocations > 3 { // two closures and what escapes with them, for some 2,000 entries
		t.Errorf("%v allocations a batch", allocations)
	}
}
