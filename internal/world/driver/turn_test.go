package driver

import (
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/protocol"
)

// idle is a reducer that notes what it is given, and says of itself what it is
// told to say.
type idle struct {
	log  []string
	room int
	busy bool
	next time.Duration
}

func (i *idle) Step(e protocol.Event) protocol.Effects {
	switch e.Kind {
	case protocol.Submit:
		i.log = append(i.log, "submit "+payloads(&e.Batch))
	case protocol.Close:
		i.log = append(i.log, "close")
	case protocol.Flush:
		i.log = append(i.log, "flush")
	}
	return protocol.Effects{}
}

func (i *idle) Room() int                            { return i.room }
func (i *idle) Busy() bool                           { return i.busy }
func (i *idle) Next() time.Duration                  { return i.next }
func (i *idle) Tentative() iter.Seq[*protocol.Batch] { return func(func(*protocol.Batch) bool) {} }
func (i *idle) Status() protocol.Status              { return protocol.Status{} }

const tick = 10 * time.Millisecond

func newIdle() (*idle, *Outbox, *Driver) {
	reducer, outbox := &idle{room: 1 << 10}, NewOutbox(protocol.NewPool(4<<10, 1), 1024, 2, nil)
	return reducer, outbox, New(Config{Reducer: reducer, Sender: silent{}, App: silent{}, Source: outbox, Tick: tick})
}

func end(t *testing.T, d *Driver) Next {
	t.Helper()
	next, err := d.End(0)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func take(t *testing.T, d *Driver, e protocol.Event) {
	t.Helper()
	if err := d.Take(e); err != nil {
		t.Fatal(err)
	}
}

func (i *idle) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, i.log); diff != "" {
		t.Error(diff)
	}
	i.log = nil
}

func TestOpenBatchLeavesWhenNothingOwnIsOnItsWayOrItIsFullOrWithATick(t *testing.T) {
	reducer, outbox, d := newIdle()
	outbox.Add([]byte("a"))
	end(t, d)
	reducer.expect(t, "submit a", "flush")
	reducer.busy = true
	outbox.Add([]byte("b"))
	end(t, d)
	reducer.expect(t, "flush")
	outbox.Add([]byte("c"))
	outbox.Add([]byte("d"))
	end(t, d)
	reducer.expect(t, "submit b c", "flush")
	take(t, d, protocol.Event{Kind: protocol.Tick})
	end(t, d)
	reducer.expect(t, "submit d", "flush")
}

func TestWithoutRoomNothingLeaves(t *testing.T) {
	reducer, outbox, d := newIdle()
	reducer.room = 0
	outbox.Add([]byte("a"))
	outbox.End(false)
	end(t, d)
	reducer.expect(t, "flush")
	outbox.End(true)
	end(t, d)
	reducer.expect(t, "close", "flush")
}

func TestStreamEndsOnceAfterAllThatWasAccepted(t *testing.T) {
	reducer, outbox, d := newIdle()
	outbox.Add([]byte("a"))
	outbox.End(false)
	end(t, d)
	end(t, d)
	reducer.expect(t, "submit a", "close", "flush", "flush")
}

func TestTurnSubmitsSoManyBatchesAndAsksForAnother(t *testing.T) {
	reducer := &idle{room: 1 << 10}
	source := &endless{outbox: NewOutbox(protocol.NewPool(4<<10, 1), 1024, 1, nil)}
	d := New(Config{Reducer: reducer, Sender: silent{}, App: silent{}, Source: source})
	if next := end(t, d); !next.Again || len(reducer.log) != batchesPerTurnMax+1 {
		t.Errorf("%+v after %d steps", next, len(reducer.log))
	}
}

// endless is a source that always has a batch.
type endless struct{ outbox *Outbox }

func (e *endless) Next(_ bool, bytesMax int) (protocol.Batch, bool) {
	e.outbox.Add([]byte("x"))
	return e.outbox.Next(true, bytesMax)
}
func (e *endless) Ended() bool { return false }
func (e *endless) Stuck(int)   {}

func TestTurnIsFullAfterSoManyEvents(t *testing.T) {
	_, _, d := newIdle()
	for taken := range eventsPerTurnMax {
		if d.IsFull() {
			t.Fatalf("full after %d events", taken)
		}
		take(t, d, protocol.Event{Kind: protocol.Down})
	}
	if !d.IsFull() {
		t.Error("not full")
	}
	if end(t, d); d.IsFull() {
		t.Error("the next turn is full from its start")
	}
}

func TestTicksRestAndComeBack(t *testing.T) {
	reducer, _, d := newIdle()
	tickWith := func(next time.Duration) time.Duration {
		reducer.next = next
		take(t, d, protocol.Event{Kind: protocol.Tick})
		return end(t, d).Tick
	}
	if got := tickWith(0); got != 0 {
		t.Errorf("the pace changes to %v", got)
	}
	if got := tickWith(8 * tick); got != 8*tick {
		t.Errorf("rests for %v", got)
	}
	if got := end(t, d).Tick; got != 0 {
		t.Errorf("a turn that changes nothing has the next tick after %v", got)
	}
	if got := tickWith(time.Hour); got != restMax {
		t.Errorf("rests on for %v", got)
	}
	reducer.next = 9 * tick
	if got := end(t, d).Tick; got != 9*tick {
		t.Errorf("what happens makes the next tick due after %v", got)
	}
	if reducer.next = restMax; end(t, d).Tick != 0 {
		t.Error("a tick that is due later after all is put off, though one in vain costs less")
	}
	reducer.next, reducer.busy = 9*tick, true
	if got := end(t, d).Tick; got != tick {
		t.Errorf("a small batch may wait for %v", got)
	}
	reducer.busy = false
	if got := tickWith(0); got != 0 {
		t.Errorf("the pace changes again, to %v", got)
	}
}

func TestWhoIsWatchedOrWaitsForTheEndDoesNotRest(t *testing.T) {
	reducer, outbox, d := newIdle()
	reducer.next = time.Second
	outbox.End(false)
	take(t, d, protocol.Event{Kind: protocol.Tick})
	if got := end(t, d).Tick; got != 0 {
		t.Errorf("rests for %v after the end of its stream", got)
	}
	d = New(Config{Reducer: reducer, Sender: silent{}, App: silent{}, Tick: tick, Watched: true})
	take(t, d, protocol.Event{Kind: protocol.Tick})
	if got := end(t, d).Tick; got != 0 {
		t.Errorf("rests for %v although it is watched", got)
	}
}

func TestLargeMessagesAndBatchesAreBulkForAWhile(t *testing.T) {
	_, _, d := newIdle()
	large := protocol.Batch{Bytes: make([]byte, bulkBytes+1)}
	take(t, d, protocol.Event{Kind: protocol.Receive, Now: time.Second, Message: &protocol.Message{Batches: batches(large)}})
	if !d.IsBulk(time.Second+bulkFor-1) || d.IsBulk(time.Second+bulkFor) {
		t.Error("not bulk for bulkFor")
	}
	small := protocol.Batch{Bytes: make([]byte, bulkBytes)}
	take(t, d, protocol.Event{Kind: protocol.Receive, Now: time.Minute, Message: &protocol.Message{Batches: batches(small)}})
	if d.IsBulk(time.Minute) {
		t.Error("what is small is bulk")
	}
}
