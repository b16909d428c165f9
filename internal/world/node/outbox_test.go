package node

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"

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

// newTestOutbox makes an outbox of a driver that once had room.
func newTestOutbox(batchBytes, entries int) (*outbox, *int) {
	wakes := 0
	o := newOutbox(batchBytes, entries, nil, func() { wakes++ }, func() { wakes++ })
	o.Next(false, math.MaxInt)
	return o, &wakes
}

// TestNothingIsTakenInBeforeThereIsRoom: until then it is not known whether this
// member may write at all.
func TestNothingIsTakenInBeforeThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(1024, 0, nil, func() {}, func() {})
		added := make(chan error, 1)
		go func() {
			_, err := o.add(context.Background(), []byte("x"))
			added <- err
		}()
		synctest.Wait()
		if _, ok := o.out.Next(true, math.MaxInt); ok || len(added) > 0 {
			t.Fatal("an entry was taken in")
		}
		o.refuse(ErrReader, false)
		if err := <-added; !errors.Is(err, ErrReader) {
			t.Errorf("error %v", err)
		}
	})
}

// readyMax is how many closed batches an outbox of the driver holds.
const readyMax = 4

func mustAdd(t *testing.T, o *outbox, payload string) {
	t.Helper()
	if _, err := o.add(context.Background(), []byte(payload)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenBatchGoesOnlyWhenItIsWanted(t *testing.T) {
	o, wakes := newTestOutbox(1024, 0)
	mustAdd(t, o, "a")
	mustAdd(t, o, "b")
	if _, ok := o.Next(false, math.MaxInt); ok || *wakes != 0 {
		t.Errorf("a partly filled batch went unasked, %d wake-ups", *wakes)
	}
	if b, ok := o.Next(true, math.MaxInt); !ok || payloads(&b) != "a b" {
		t.Errorf("got %q, %v", payloads(&b), ok)
	}
	if _, ok := o.Next(true, math.MaxInt); ok {
		t.Error("an empty batch")
	}
	mustAdd(t, o, "c")
	mustAdd(t, o, "d")
	if *wakes != 1 {
		t.Errorf("%d wake-ups of a loop that waits for entries, want 1", *wakes)
	}
}

func TestFullOutboxLetsWaitUntilHalfIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutbox(1024, 1)
		for range readyMax + 1 {
			mustAdd(t, o, "x")
		}
		entered := make(chan error, 1)
		go func() { _, err := o.add(context.Background(), []byte("y")); entered <- err }()
		for range readyMax / 2 {
			synctest.Wait()
			if len(entered) != 0 {
				t.Fatal("it did not wait")
			}
			if _, ok := o.Next(false, math.MaxInt); !ok {
				t.Fatal("nothing to take")
			}
		}
		if err := <-entered; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		for range readyMax/2 - 1 { // x and y took two of the places
			mustAdd(t, o, "z")
		}
		go func() { _, err := o.add(ctx, []byte("late")); entered <- err }()
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
		for range readyMax + 1 {
			mustAdd(t, o, "x")
		}
		entered := make(chan error, 1)
		go func() { _, err := o.add(context.Background(), []byte("y")); entered <- err }()
		synctest.Wait()
		o.refuse(ErrStreamClosed, false)
		if err := <-entered; !errors.Is(err, ErrStreamClosed) {
			t.Errorf("error: %v", err)
		}
		for i := range readyMax + 1 {
			if _, ok := o.Next(true, math.MaxInt); !ok || o.Ended() != (i == readyMax) {
				t.Fatalf("batch %d: %v, empty %v", i, ok, o.Ended())
			}
		}
	})
}

func TestFillAllocatesNothing(t *testing.T) {
	o, _ := newTestOutbox(16<<10, 0)
	next := uint64(0)
	fill := numbers(&next)
	ctx := context.Background()
	allocations := testing.AllocsPerRun(200, func() {
		if _, err := o.fill(ctx, 8, fill); err != nil {
			t.Fatal(err)
		}
		if b, ok := o.Next(true, math.MaxInt); ok {
			b.Buffer.Release()
		}
	})
	if allocations > 3 { // two closures and what escapes with them, for some 2,000 entries
		t.Errorf("%v allocations a batch", allocations)
	}
}
