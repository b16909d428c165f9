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
			_, err := o.add(context.Background(), 0, []byte("x"))
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
	if _, err := o.add(context.Background(), 0, []byte(payload)); err != nil {
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
		go func() { _, err := o.add(context.Background(), 0, []byte("y")); entered <- err }()
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
		go func() { _, err := o.add(ctx, 0, []byte("late")); entered <- err }()
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
		go func() { _, err := o.add(context.Background(), 0, []byte("y")); entered <- err }()
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
		if _, err := o.fill(ctx, 0, 8, fill); err != nil {
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

// TestNumbersOfALifeThatCountsForNothingAreNobodys: a member that began without its data
// takes entries in before it knows, and is given the place of one that had written as many:
// none of its numbers is taken for one of that one's entries, and it goes on behind them.
func TestNumbersOfALifeThatCountsForNothingAreNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := newTestOutbox(1024, 0)
		n := &Node{outbox: o, done: make(chan struct{})}
		early, err := o.add(t.Context(), 0, []byte("early"))
		if err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() { waited <- n.Accepted(t.Context(), early) }()
		synctest.Wait()
		if dropped := o.begin(); dropped != 1 {
			t.Errorf("%d were dropped", dropped)
		}
		n.own.begin()
		added := make(chan uint64, 1)
		go func() {
			late, err := o.add(t.Context(), 0, []byte("late"))
			if err != nil {
				t.Error(err)
			}
			added <- late
		}()
		synctest.Wait()
		if len(added) > 0 {
			t.Error("an entry has a number before it is known behind which one")
		}
		if first := o.goOn(1); !first {
			t.Error("the life that has just begun is not new")
		}
		n.own.advance(1, 1)
		if err := <-waited; !errors.Is(err, ErrNever) || !n.Never(early) {
			t.Errorf("an entry that was dropped: %v", err)
		}
		if err := n.Accepted(t.Context(), early); !errors.Is(err, ErrNever) {
			t.Errorf("an entry that was dropped is asked for again: %v", err)
		}
		late := <-added
		if Seq(late) != 2 || n.Never(late) {
			t.Errorf("the first entry behind one is number %d", Seq(late))
		}
		n.own.advance(2, 2)
		if err := n.Accepted(t.Context(), late); err != nil {
			t.Error(err)
		}
	})
}

// TestACallBelongsToOneLife: while payloads of one call go in, it turns out that those before
// count for nothing. Those that wait for room then are not taken in either, nor are the next
// ones: what a call returns stands for its first payloads.
func TestACallBelongsToOneLife(t *testing.T) {
	type put = func(n *Node, after uint64) (uint64, error)
	for name, put := range map[string]put{
		"Broadcast": func(n *Node, after uint64) (uint64, error) {
			return n.BroadcastAfter(context.Background(), after, []byte("x"))
		},
		"Fill": func(n *Node, after uint64) (uint64, error) {
			return n.FillAfter(context.Background(), after, 1, func(dst []byte) int { return copy(dst, "x") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := newTestOutbox(1024, 1)
				n := &Node{outbox: o, done: make(chan struct{})}
				last := uint64(0)
				for range readyMax + 1 {
					number, err := put(n, last)
					if err != nil || number <= last {
						t.Fatalf("number %d after %d: %v", number, last, err)
					}
					last = number
				}
				waited := make(chan error, 1)
				go func() {
					_, err := put(n, last)
					waited <- err
				}()
				synctest.Wait()
				o.begin()
				o.goOn(1)
				if err := <-waited; !errors.Is(err, ErrNever) {
					t.Errorf("who waited for room: %v", err)
				}
				if _, err := put(n, last); !errors.Is(err, ErrNever) {
					t.Errorf("the next one: %v", err)
				}
				if number, err := put(n, 0); err != nil || Seq(number) != 2 {
					t.Errorf("another call: number %d, %v", Seq(number), err)
				}
				if _, ok := o.Next(true, math.MaxInt); !ok {
					t.Error("the other call's entry is not there")
				}
				if b, ok := o.Next(true, math.MaxInt); ok {
					t.Errorf("%d entries of a life that counts for nothing", b.Count)
				}
			})
		})
	}
}
