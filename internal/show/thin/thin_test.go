package thin

import (
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/show/scene"
)

// record simulates a cluster and returns its events.
func record(t *testing.T, seed uint64) (trace.Header, []trace.Event) {
	t.Helper()
	config := sim.Config{Seed: seed, SendFor: 3 * time.Second}
	header, err := sim.Prepare(config)
	if err != nil {
		t.Fatal(err)
	}
	log := new(trace.Log)
	config.Sink = log
	if _, err := sim.Run(config); err != nil {
		t.Fatal(err)
	}
	return header, log.Events
}

// TestThinnedRunsKeepTheirCounts compares scenes of all events with scenes of
// a small part of them, whenever a window ends.
func TestThinnedRunsKeepTheirCounts(t *testing.T) {
	const window = 40 * time.Millisecond
	for seed := range uint64(12) {
		header, events := record(t, seed)
		all, few, passed := scene.New(header), scene.New(header), new(trace.Log)
		thinner := New(len(header.Members), window, 5, trace.Tee(few, passed))
		for i := range events {
			if end := events[i].At / window * window; end >= thinner.until {
				thinner.Flush(end)
				compare(t, seed, all, few)
			}
			thinner.Tell(&events[i])
			all.Tell(&events[i])
		}
		thinner.Flush(events[len(events)-1].At + window)
		compare(t, seed, all, few)
		if got := uint64(len(passed.Events)) + thinner.Left(); got != uint64(len(events)) {
			t.Errorf("seed %d: %d events passed on or left out of %d", seed, got, len(events))
		}
		if len(passed.Events)*2 > len(events) && len(events) > 4000 {
			t.Errorf("seed %d: %d of %d events passed on", seed, len(passed.Events), len(events))
		}
		for i := 1; i < len(passed.Events); i++ {
			if passed.Events[i].At < passed.Events[i-1].At {
				t.Fatalf("seed %d: time goes back from %v to %v", seed, passed.Events[i-1].At, passed.Events[i].At)
			}
		}
	}
}

// tally counts what becomes of batches.
type tally struct{ held, settled map[[2]int]bool }

func (tally) Born(*scene.Batch) {}

func (c tally) Held(b *scene.Batch, id member.ID) { c.held[[2]int{b.Number, int(id)}] = true }

func (c tally) Settled(b *scene.Batch, id member.ID) { c.settled[[2]int{b.Number, int(id)}] = true }

func (tally) Restarted(member.ID) {}

func (tally) Lost(*scene.Batch) {}

func (tally) Dropped(*scene.Batch, member.ID) {}

// TestWhatIsBehindTheFrontierIsSettled demands of each batch that a thinned
// run shows that it settles where it is held, if all does.
func TestWhatIsBehindTheFrontierIsSettled(t *testing.T) {
	for seed := range uint64(12) {
		header, events := record(t, seed)
		few, counted := scene.New(header), tally{map[[2]int]bool{}, map[[2]int]bool{}}
		few.Witness = counted
		thinner := New(len(header.Members), 40*time.Millisecond, 5, few)
		for i := range events {
			thinner.Tell(&events[i])
		}
		thinner.Flush(time.Hour)
		for at := range counted.held {
			if m := &few.Members[at[1]]; m.Held() == m.Settled && !counted.settled[at] {
				t.Errorf("seed %d: batch %d is held at member %d, where all is settled, and is not", seed, at[0], at[1])
			}
		}
	}
}

func compare(t *testing.T, seed uint64, all, few *scene.Scene) {
	t.Helper()
	for id := range all.Members {
		a, b := &all.Members[id], &few.Members[id]
		if a.State != b.State || a.Held() != b.Held() || a.Settled != b.Settled {
			t.Fatalf("seed %d at %v, member %d: %v, %d held, %d settled; thinned %v, %d, %d",
				seed, all.Now, id, a.State, a.Held(), a.Settled, b.State, b.Held(), b.Settled)
		}
		for of := range all.Members {
			if x, y := all.Knows(member.ID(id), member.ID(of)), few.Knows(member.ID(id), member.ID(of)); x != y {
				t.Fatalf("seed %d at %v: member %d knows %v of %d, thinned %v", seed, all.Now, id, x, of, y)
			}
		}
	}
}

// TestBothEndsKeepTheSameFrames thins each member by itself, as processes do.
func TestBothEndsKeepTheSameFrames(t *testing.T) {
	log := new(trace.Log)
	ends := []*Thinner{New(2, time.Millisecond, 40, log), New(2, time.Millisecond, 40, log)}
	for i := range uint64(20_000) {
		at := time.Duration(i) * 5 * time.Microsecond
		ends[0].Tell(&trace.Event{At: at, Kind: trace.Send, Member: 0, Peer: 1, Session: 1, Number: i + 1})
		ends[1].Tell(&trace.Event{At: at, Kind: trace.Receive, Member: 1, Peer: 0, Session: 1, Number: i + 1})
	}
	sent, both := map[uint64]bool{}, 0
	for _, e := range log.Events {
		if e.Kind == trace.Send {
			sent[e.Number] = true
		}
	}
	for _, e := range log.Events {
		if e.Kind == trace.Receive && sent[e.Number] {
			both++
		}
	}
	if len(sent) > 5000 || len(sent) < 200 || both*10 < len(sent)*9 {
		t.Errorf("%d messages passed on where they were sent, %d of them where they arrived", len(sent), both)
	}
}
