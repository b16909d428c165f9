package replica

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/wire"
)

// scripted is a reducer that gives the effects it was told to give, and like a
// real one uses the same memory for each step.
type scripted struct {
	effects []protocol.Effects
	last    protocol.Effects
}

func (s *scripted) Step(protocol.Event) protocol.Effects {
	spoil(s.last.Deliver)
	spoil(s.last.Release)
	s.last, s.effects = s.effects[0], s.effects[1:]
	return s.last
}

// spoil overwrites effects that are not valid any more.
func spoil(batches []protocol.Batch) {
	for i := range batches {
		batches[i] = protocol.Batch{Origin: 99, Seq: 99}
	}
}

func (s *scripted) Room() int                            { return 0 }
func (s *scripted) Busy() bool                           { return false }
func (s *scripted) Rest() time.Duration                  { return 0 }
func (s *scripted) Tentative() iter.Seq[*protocol.Batch] { return func(func(*protocol.Batch) bool) {} }
func (s *scripted) Status() protocol.Status              { return protocol.Status{Self: 1} }

// world writes down what the replica does, in order.
type world struct {
	log  []string
	fail error
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) Keep(e protocol.Effects) {
	for i := range e.Append {
		w.note("keep %s", place(&e.Append[i]))
	}
	if e.Bound != 0 {
		w.note("keep bound %s", e.Bound)
	}
	if e.Reset != nil {
		w.note("keep reset %s", e.Reset.Time)
	} else if e.Base != nil {
		w.note("keep base %s", e.Base.Time)
	}
}

func (w *world) Sync() error {
	w.note("sync")
	return w.fail
}

func (w *world) Send(e protocol.Envelope) { w.note("send %d", e.To) }

func (w *world) Deliver(batches []protocol.Batch) {
	for i := range batches {
		w.note("deliver %s", place(&batches[i]))
	}
}

func (w *world) Reset(s *protocol.Snapshot) { w.note("reset %s", s.Time) }

func (w *world) Observe(e protocol.Event, _ protocol.Effects) { w.note("observe %d", e.Kind) }

func place(b *protocol.Batch) string { return fmt.Sprintf("%d/%d", b.Origin, b.Seq) }

func makeBatch(origin member.ID, seq uint64) protocol.Batch {
	return protocol.Batch{Origin: origin, Seq: seq, Count: 1, Bytes: make([]byte, wire.BatchHeaderBytes)}
}

func batches(all ...protocol.Batch) []protocol.Batch { return all }

// run steps events of the given kinds, the effects being those of reducer.
func run(t *testing.T, w *world, effects []protocol.Effects, kinds ...protocol.Kind) {
	t.Helper()
	r := New(&scripted{effects: effects}, w, w, w, nil)
	for _, kind := range kinds {
		if err := r.Step(protocol.Event{Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAllThatGatheredIsSyncedOnceThenSentThenDelivered(t *testing.T) {
	var w world
	run(t, &w, []protocol.Effects{
		{Append: batches(makeBatch(0, 1)), Bound: 50},
		{Append: batches(makeBatch(1, 1)), Deliver: batches(makeBatch(0, 1)), Base: &protocol.Snapshot{Time: 7}},
		{Send: []protocol.Envelope{{To: 0}, {To: 2}}, Deliver: batches(makeBatch(1, 1))},
		{},
	}, protocol.Receive, protocol.Submit, protocol.Flush, protocol.Flush)
	want := []string{
		"keep 0/1", "keep bound 50", "keep 1/1",
		"sync", "send 0", "send 2", "deliver 0/1", "deliver 1/1", "keep base 7",
		"sync",
	}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestWhoSpeaksLeavesTheDeliveryToTheNextFlush(t *testing.T) {
	var w world
	r := New(&scripted{effects: []protocol.Effects{
		{Deliver: batches(makeBatch(0, 1))},
		{Send: []protocol.Envelope{{To: 2}}, Deliver: batches(makeBatch(1, 1))},
		{Deliver: batches(makeBatch(0, 2))},
		{},
	}}, nil, &w, &w, nil)
	if err := r.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
		t.Fatal(err)
	}
	if waiting, err := r.Speak(0); err != nil || !waiting {
		t.Fatalf("waiting: %t, %v", waiting, err)
	}
	w.note("spoken")
	if err := r.Flush(0); err != nil {
		t.Fatal(err)
	}
	if waiting, err := r.Speak(0); err != nil || waiting {
		t.Fatalf("nothing waits: %t, %v", waiting, err)
	}
	want := []string{"send 2", "spoken", "deliver 0/1", "deliver 1/1", "deliver 0/2"}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestResetTakesItsPlaceInTheOrder(t *testing.T) {
	var w world
	snapshot := &protocol.Snapshot{Time: 9}
	run(t, &w, []protocol.Effects{
		{Deliver: batches(makeBatch(0, 1)), Base: &protocol.Snapshot{Time: 3}},
		{Reset: snapshot, Base: snapshot, Deliver: batches(makeBatch(0, 5))},
		{Deliver: batches(makeBatch(0, 6))},
	}, protocol.Receive, protocol.Receive, protocol.Flush)
	want := []string{"keep reset 9", "sync", "deliver 0/1", "reset 9", "deliver 0/5", "sync", "deliver 0/6"}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestFailedJournalStopsTheMember(t *testing.T) {
	w := world{fail: errors.New("disk on fire")}
	r := New(&scripted{effects: []protocol.Effects{
		{Append: batches(makeBatch(1, 1)), Deliver: batches(makeBatch(0, 1))},
		{Send: []protocol.Envelope{{To: 0}}, Deliver: batches(makeBatch(1, 1))},
	}}, &w, &w, &w, nil)
	if err := r.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
		t.Fatal(err)
	}
	first := r.Flush(time.Second)
	second := r.Step(protocol.Event{Kind: protocol.Tick})
	if !errors.Is(first, w.fail) || !errors.Is(second, w.fail) || !errors.Is(r.Err(), w.fail) {
		t.Errorf("errors: %v, then %v", first, second)
	}
	if diff := cmp.Diff([]string{"keep 1/1", "sync"}, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestOwnBatchesAreSealedBeforeAnybodyReadsThem(t *testing.T) {
	own := makeBatch(1, 5)
	own.Time, own.Identity = 17, 3
	other := makeBatch(0, 5)
	other.Time = 18
	var w world
	run(t, &w, []protocol.Effects{{Append: batches(own, other)}}, protocol.Submit)
	want := makeBatch(1, 5)
	want.Time, want.Identity = 17, 3
	wire.Seal(&want)
	if diff := cmp.Diff(want.Bytes, own.Bytes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(make([]byte, wire.BatchHeaderBytes), other.Bytes); diff != "" {
		t.Errorf("somebody else's batch was changed: %s", diff)
	}
}

// releases is an application that looks whether what it is lent is still its.
type releases struct {
	world
	t      *testing.T
	buffer *protocol.Buffer
	pool   *protocol.Pool
}

func (a *releases) Deliver([]protocol.Batch) {
	if fresh := a.pool.Get(); fresh == a.buffer {
		a.t.Error("the buffer went back to its pool before the delivery")
	}
}

func TestBuffersAreReleasedAfterDelivery(t *testing.T) {
	pool := protocol.NewPool(64, 1)
	app := &releases{t: t, buffer: pool.Get(), pool: pool}
	b := makeBatch(0, 1)
	b.Buffer = app.buffer
	r := New(&scripted{effects: []protocol.Effects{{Deliver: batches(b)}, {Release: batches(b)}, {}}}, nil, app, app, nil)
	for _, kind := range []protocol.Kind{protocol.Receive, protocol.Tick, protocol.Flush} {
		if err := r.Step(protocol.Event{Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	if pool.Get() != app.buffer {
		t.Error("the buffer did not go back to its pool after the delivery")
	}
}

func TestObserverSeesEachEventBeforeItIsCarriedOut(t *testing.T) {
	var w world
	r := New(&scripted{effects: []protocol.Effects{{Send: []protocol.Envelope{{To: 0}}}}}, nil, &w, &w, &w)
	if err := r.Flush(0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{fmt.Sprint("observe ", protocol.Flush), "send 0"}, w.log); diff != "" {
		t.Error(diff)
	}
}

// steady gives the same effects at each step.
type steady struct {
	scripted
	effects protocol.Effects
}

func (s *steady) Step(protocol.Event) protocol.Effects { return s.effects }

// silent is a world that does nothing.
type silent struct{}

func (silent) Keep(protocol.Effects)    {}
func (silent) Sync() error              { return nil }
func (silent) Send(protocol.Envelope)   {}
func (silent) Deliver([]protocol.Batch) {}
func (silent) Reset(*protocol.Snapshot) {}

func TestStepsAllocateNothing(t *testing.T) {
	one := batches(makeBatch(1, 1))
	reducer := &steady{effects: protocol.Effects{Append: one, Deliver: one, Release: one}}
	r := New(reducer, silent{}, silent{}, silent{}, nil)
	allocations := testing.AllocsPerRun(100, func() {
		for range 10 {
			if r.Step(protocol.Event{Kind: protocol.Receive}) != nil {
				t.Fatal("failed")
			}
		}
		if r.Flush(0) != nil {
			t.Fatal("failed")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for ten steps and a flush", allocations)
	}
}
