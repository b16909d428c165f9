package driver

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
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
func (s *scripted) Next() time.Duration                  { return 0 }
func (s *scripted) Tentative() iter.Seq[*protocol.Batch] { return func(func(*protocol.Batch) bool) {} }
func (s *scripted) Status() protocol.Status              { return protocol.Status{Self: 1} }

// world writes down what the driver does, in order.
type world struct {
	log        []string
	fail       error
	unreadable error // what Load returns
	full       bool
	whole      *testing.T // nothing may come without its bytes; nil: nobody looks
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) Order(batches []protocol.Batch) {
	for i := range batches {
		w.note("order %s", place(&batches[i]))
	}
}

func (w *world) Load(b *protocol.Batch) error {
	w.note("load %s", place(b))
	if w.unreadable != nil {
		return w.unreadable
	}
	b.Bytes, b.Parked = make([]byte, b.Parked), 0
	return nil
}

func (w *world) IsFull() bool { return w.full }

func (w *world) Restore(s *protocol.Snapshot) { w.note("order begins at %s", s.Time) }

func (w *world) Keep(e protocol.Effects) {
	for i := range e.Append {
		w.note("keep %s", place(&e.Append[i]))
	}
	if e.Bound != 0 {
		w.note("keep bound %s", e.Bound)
	}
	if e.Vote != nil {
		w.note("keep vote of %d", e.Vote.Number)
	}
	if e.View != nil {
		w.note("keep view %d", e.View.Number)
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

func (w *world) Send(e protocol.Envelope) {
	w.look(e.Message.Batches)
	w.note("send %d", e.To)
}

// look judges that batches have their bytes.
func (w *world) look(batches []protocol.Batch) {
	for i := range batches {
		if b := &batches[i]; w.whole != nil && (b.Parked > 0 || len(b.Bytes) == 0) {
			w.whole.Errorf("%s comes without its bytes", place(b))
		}
	}
}

func (w *world) Deliver(batches []protocol.Batch) {
	w.look(batches)
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
	d := New(Config{Reducer: &scripted{effects: effects}, Journal: w, Sender: w, App: w})
	for _, kind := range kinds {
		if err := d.Step(protocol.Event{Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAllThatGatheredIsSyncedOnceThenSentThenDelivered(t *testing.T) {
	var w world
	run(t, &w, []protocol.Effects{
		{Append: batches(makeBatch(0, 1)), Bound: 50},
		{Append: batches(makeBatch(1, 1)), Deliver: batches(makeBatch(0, 1)), Base: &protocol.Snapshot{Time: 7}},
		{Send: []protocol.Envelope{{To: 0, Message: &protocol.Message{}}, {To: 2, Message: &protocol.Message{}}}, Deliver: batches(makeBatch(1, 1))},
		{},
	}, protocol.Receive, protocol.Submit, protocol.Flush, protocol.Flush)
	want := []string{
		"keep 0/1", "keep bound 50", "keep 1/1",
		"sync", "send 0", "send 2", "order 0/1", "order 1/1", "deliver 0/1", "deliver 1/1", "keep base 7",
		"sync",
	}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestWhoSpeaksLeavesTheDeliveryToTheNextTurn(t *testing.T) {
	var w world
	d := New(Config{Sender: &w, App: &w, Reducer: &scripted{effects: []protocol.Effects{
		{Deliver: batches(makeBatch(0, 1))},
		{Send: []protocol.Envelope{{To: 2, Message: &protocol.Message{}}}, Deliver: batches(makeBatch(1, 1))},
		{Deliver: batches(makeBatch(0, 2))},
		{},
	}}})
	if err := d.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
		t.Fatal(err)
	}
	if next, err := d.Speak(0); err != nil || !next.Again {
		t.Fatalf("a turn is needed, got %+v, %v", next, err)
	}
	w.note("spoken")
	if _, err := d.End(0); err != nil {
		t.Fatal(err)
	}
	if next, err := d.Speak(0); err != nil || next.Again {
		t.Fatalf("nothing waits, got %+v, %v", next, err)
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
	want := []string{
		"keep reset 9", "sync", "order 0/1", "deliver 0/1", "order begins at 9", "reset 9",
		"order 0/5", "deliver 0/5", "sync", "order 0/6", "deliver 0/6",
	}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestFailedJournalStopsTheMember(t *testing.T) {
	w := world{fail: errors.New("disk on fire")}
	d := New(Config{Journal: &w, Sender: &w, App: &w, Reducer: &scripted{effects: []protocol.Effects{
		{Append: batches(makeBatch(1, 1)), Deliver: batches(makeBatch(0, 1))},
		{Send: []protocol.Envelope{{To: 0, Message: &protocol.Message{}}}, Deliver: batches(makeBatch(1, 1))},
	}}})
	if err := d.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
		t.Fatal(err)
	}
	first := d.Flush(time.Second)
	second := d.Step(protocol.Event{Kind: protocol.Tick})
	if !errors.Is(first, w.fail) || !errors.Is(second, w.fail) || !errors.Is(d.Err(), w.fail) {
		t.Errorf("errors: %v, then %v", first, second)
	}
	if diff := cmp.Diff([]string{"keep 1/1", "sync"}, w.log); diff != "" {
		t.Error(diff)
	}
}

// While the disk is full nothing is stepped, and what was decided waits; it takes
// effect, in order, once there is room.
func TestFullDiskHoldsBackWhatWasDecided(t *testing.T) {
	w := world{fail: fmt.Errorf("journal: %w", protocol.ErrNoRoom)}
	reducer := &scripted{effects: []protocol.Effects{
		{Append: batches(makeBatch(1, 1)), Deliver: batches(makeBatch(0, 1))},
		{Send: []protocol.Envelope{{To: 0, Message: &protocol.Message{}}}, Deliver: batches(makeBatch(1, 1))},
		{Append: batches(makeBatch(1, 2))},
	}}
	d := New(Config{Journal: &w, Sender: &w, App: &w, Reducer: reducer})
	if err := d.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"flush": func() error { return d.Flush(0) }, "resume": d.Resume,
		"step": func() error { return d.Step(protocol.Event{Kind: protocol.Tick}) },
	} {
		if err := d.Flush(0); !errors.Is(err, protocol.ErrNoRoom) {
			t.Fatal(err)
		}
		if err := call(); !errors.Is(err, protocol.ErrNoRoom) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, accepted := d.Own(); accepted > 0 || d.Err() != nil {
		t.Errorf("%d entries accepted, %v", accepted, d.Err())
	}
	w.fail, w.log = nil, nil
	if err := d.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := d.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
		t.Fatal(err)
	}
	want := []string{"sync", "send 0", "order 0/1", "order 1/1", "deliver 0/1", "deliver 1/1", "keep 1/2"}
	if diff := cmp.Diff(want, w.log); diff != "" {
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
	d := New(Config{Reducer: &scripted{effects: []protocol.Effects{{Deliver: batches(b)}, {Release: batches(b)}, {}}}, Sender: app, App: app})
	for _, kind := range []protocol.Kind{protocol.Receive, protocol.Tick, protocol.Flush} {
		if err := d.Step(protocol.Event{Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	if pool.Get() != app.buffer {
		t.Error("the buffer did not go back to its pool after the delivery")
	}
}

func TestObserverSeesEachEventBeforeItIsCarriedOut(t *testing.T) {
	var w world
	d := New(Config{Reducer: &scripted{effects: []protocol.Effects{{Send: []protocol.Envelope{{To: 0, Message: &protocol.Message{}}}}}}, Sender: &w, App: &w, Observer: &w})
	if err := d.Flush(0); err != nil {
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

func (silent) Keep(protocol.Effects)      {}
func (silent) Sync() error                { return nil }
func (silent) Order([]protocol.Batch)     {}
func (silent) Load(*protocol.Batch) error { return nil }
func (silent) IsFull() bool               { return false }
func (silent) Restore(*protocol.Snapshot) {}
func (silent) Send(protocol.Envelope)     {}
func (silent) Deliver([]protocol.Batch)   {}
func (silent) Reset(*protocol.Snapshot)   {}

func TestStepsAllocateNothing(t *testing.T) {
	one := batches(makeBatch(1, 1))
	reducer := &steady{effects: protocol.Effects{Append: one, Deliver: one, Release: one}}
	d := New(Config{Reducer: reducer, Journal: silent{}, Sender: silent{}, App: silent{}})
	allocations := testing.AllocsPerRun(100, func() {
		for range 10 {
			if d.Step(protocol.Event{Kind: protocol.Receive}) != nil {
				t.Fatal("failed")
			}
		}
		if d.Flush(0) != nil {
			t.Fatal("failed")
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for ten steps and a flush", allocations)
	}
}

// parked is a batch whose bytes only the journal has.
func parked(origin member.ID, seq uint64) protocol.Batch {
	return protocol.Batch{Origin: origin, Seq: seq, Count: 1, Parked: 100}
}

func TestParkedBatchesAreLoadedAfterTheSyncAndBeforeAnybodySeesThem(t *testing.T) {
	w := world{whole: t}
	message := &protocol.Message{Batches: batches(parked(0, 1), makeBatch(1, 1))}
	run(t, &w, []protocol.Effects{{
		Append: batches(makeBatch(2, 1)), Send: []protocol.Envelope{{To: 2, Message: message}},
		Deliver: batches(parked(0, 1), makeBatch(1, 1)), More: true,
	}}, protocol.Flush)
	want := []string{"keep 2/1", "sync", "load 0/1", "send 2", "load 0/1", "order 0/1", "order 1/1", "deliver 0/1", "deliver 1/1"}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeLoadedStopsTheMember(t *testing.T) {
	message := &protocol.Message{Batches: batches(parked(0, 1))}
	for what, effects := range map[string][]protocol.Effects{
		"sending":    {{}, {Send: []protocol.Envelope{{To: 2, Message: message}}, Deliver: batches(makeBatch(1, 1))}},
		"delivering": {{}, {Deliver: batches(makeBatch(1, 1), parked(0, 1), makeBatch(1, 2))}},
		"resetting":  {{Deliver: batches(parked(0, 1))}, {Reset: &protocol.Snapshot{Time: 9}}},
	} {
		w := world{unreadable: errors.New("bad sector")}
		d := New(Config{Journal: &w, Sender: &w, App: &w, Reducer: &scripted{effects: effects}})
		if err := d.Step(protocol.Event{Kind: protocol.Submit}); err != nil {
			t.Fatal(err)
		}
		first := d.Flush(0)
		if second := d.Flush(0); !errors.Is(first, w.unreadable) || !errors.Is(second, w.unreadable) {
			t.Errorf("%s: %v, then %v", what, first, second)
		}
		for _, line := range w.log {
			if strings.HasPrefix(line, "send") || strings.HasPrefix(line, "deliver") || strings.HasPrefix(line, "reset") {
				t.Errorf("%s: %s", what, line)
			}
		}
	}
}

func TestMoreToDeliverAsksForATurn(t *testing.T) {
	var w world
	d := New(Config{Journal: &w, Sender: &w, App: &w, Reducer: &scripted{effects: []protocol.Effects{{More: true}, {}}}})
	if next, err := d.End(0); err != nil || !next.Again {
		t.Errorf("%+v, %v", next, err)
	}
	if next, err := d.End(0); err != nil || next.Again {
		t.Errorf("%+v, %v", next, err)
	}
}

// TestAViewCountsOnceItIsDurable asks for a change, which is refused and then
// taken up; what is decided is told after the sync and before anything is sent.
func TestAViewCountsOnceItIsDurable(t *testing.T) {
	var w world
	view := &member.View{Number: 2}
	d := New(Config{Journal: &w, Sender: &w, App: &w, Installed: func(v *member.View) { w.note("view %d", v.Number) }, Reducer: &scripted{effects: []protocol.Effects{
		{Refused: errors.New("no")},
		{Vote: &protocol.VoteRecord{Number: 1}},
		{View: view},
		{Send: []protocol.Envelope{{To: 2, Message: &protocol.Message{}}}, Deliver: batches(makeBatch(1, 1))},
		{},
	}}})
	for i, want := range []bool{true, false} {
		if refused, err := d.Change(0, member.Change{Kind: member.Renew}); (refused != nil) != want || err != nil {
			t.Errorf("change %d: refused %v, error %v", i, refused, err)
		}
	}
	if err := d.Step(protocol.Event{Kind: protocol.Receive}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Flush(0); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"keep vote of 1", "keep view 2", "sync", "view 2", "send 2", "order 1/1", "deliver 1/1", "sync"}
	if diff := cmp.Diff(want, w.log); diff != "" {
		t.Error(diff)
	}
}

// TestAcceptedIsToldOnceDurable: whoever waits for own entries hears of it after
// the sync and before anything is sent, and not at all if the sync fails.
func TestAcceptedIsToldOnceDurable(t *testing.T) {
	own := protocol.Effects{Append: batches(makeBatch(1, 1)), Send: []protocol.Envelope{{To: 2, Message: &protocol.Message{}}}}
	for fail, want := range map[error][]string{
		nil:                        {"keep 1/1", "sync", "accepted 1 of 1", "send 2"},
		errors.New("no such disk"): {"keep 1/1", "sync"},
	} {
		w := &world{fail: fail}
		d := New(Config{Reducer: &scripted{effects: []protocol.Effects{own}}, Journal: w, Sender: w, App: w, Accepted: func(appended, accepted uint64) {
			w.note("accepted %d of %d", accepted, appended)
		}})
		if err := d.Step(protocol.Event{Kind: protocol.Submit}); !errors.Is(err, fail) {
			t.Error(err)
		}
		if diff := cmp.Diff(want, w.log); diff != "" {
			t.Error(diff)
		}
	}
}
