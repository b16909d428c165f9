package scene

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/draw"
	"chatterbox/internal/proof/failure"
	"chatterbox/internal/proof/sim"
	"chatterbox/internal/proof/trace"
)

// play simulates a cluster and returns its run, and what came of it.
func play(t *testing.T, config sim.Config) (*Run, sim.Result) {
	t.Helper()
	header, err := sim.Prepare(config)
	if err != nil {
		t.Fatal(err)
	}
	run := NewRun(header)
	config.Sink = run
	result, err := sim.Run(config)
	if err != nil {
		t.Fatal(err)
	}
	return run, result
}

const halves = `
1s  a,b <-> c,d,e  cut
3s  a,b <-> c,d,e  heal
`

func parse(t *testing.T, text string) failure.Map {
	t.Helper()
	m, err := failure.Parse(strings.NewReader(text), "test")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCutPartsMembersWhoThenWaitForEachOther(t *testing.T) {
	shape := sim.Draw(3, 5)
	shape.Spared, shape.Rates = nil, []float64{20, 20, 20, 20, 20}
	run, _ := play(t, sim.Config{Seed: 3, Shape: &shape, SendFor: 5 * time.Second, Map: parse(t, halves)})
	before := run.At(900 * time.Millisecond)
	if got := fmt.Sprint(before.Parts()); got != "[[0 1 2 3 4]]" || before.Condition(0, 2) == LinkCut {
		t.Errorf("before the cut: parts %s, a to c %s", got, before.Condition(0, 2))
	}
	cut := run.At(2900 * time.Millisecond)
	if got := fmt.Sprint(cut.Parts()); got != "[[0 1] [2 3 4]]" {
		t.Errorf("while it is cut: parts %s", got)
	}
	for from := range cut.Members {
		for to := range cut.Members {
			across := (from < 2) != (to < 2)
			if got := cut.Condition(member.ID(from), member.ID(to)); across != (got == LinkCut) {
				t.Errorf("while it is cut: link %d -> %d is %s", from, to, got)
			}
		}
	}
	for id, want := range []string{"[2 3 4]", "[2 3 4]", "[0 1]", "[0 1]", "[0 1]"} {
		if got := fmt.Sprint(cut.Waits(member.ID(id))); !cut.Late(member.ID(id)) || got != want {
			t.Errorf("while it is cut: member %d is late: %t, waits for %s, want %s", id, cut.Late(member.ID(id)), got, want)
		}
	}
	if since, fresh := cut.News(0, 3); fresh || cut.Now-since < time.Second {
		t.Errorf("while it is cut: news of d at a since %v of %v, fresh %t", since, cut.Now, fresh)
	}
	if cut.Stable() == 0 || cut.Stable() >= cut.Entries() {
		t.Errorf("while it is cut: %d of %d entries are settled", cut.Stable(), cut.Entries())
	}
	end := run.At(run.End())
	for id := range end.Members {
		if end.Late(member.ID(id)) || len(end.Tentative(member.ID(id))) > 0 {
			t.Errorf("at the end: member %d still waits", id)
		}
	}
}

// TestSparedLinksAreNotCut lets a map cut links that the run spares: then the
// trace says so, and messages do pass.
func TestSparedLinksAreNotCut(t *testing.T) {
	shape := sim.Draw(3, 3)
	shape.Rates = []float64{20, 20, 20}
	shape.Spared = make([]bool, 9)
	shape.Spared[0*3+1], shape.Spared[1*3+2], shape.Spared[2*3+0] = true, true, true
	run, _ := play(t, sim.Config{Seed: 3, Members: 3, Shape: &shape, Map: parse(t, "1s * <-> * cut")})
	cut := run.At(2 * time.Second)
	for from := range member.ID(3) {
		spared, other := (from+1)%3, (from+2)%3
		if a, b := cut.Link(from, spared).Failure.Cut, cut.Link(from, other).Failure.Cut; a || !b {
			t.Errorf("%d -> %d, which is spared, is cut: %t; %d -> %d, which is not: %t", from, spared, a, from, other, b)
		}
	}
	if later := run.At(4 * time.Second); later.Stable() <= cut.Stable() {
		t.Errorf("%d entries are stable, later %d, although a ring of links works", cut.Stable(), later.Stable())
	}
}

// TestEndIsWhatTheRunCameTo compares the last scene of random runs, with all
// kinds of failures, with what the members themselves say of their ends.
func TestEndIsWhatTheRunCameTo(t *testing.T) {
	for seed := range uint64(draw.Of(60, 16)) {
		protocol := []string{sim.Delta, sim.Lockstep}[seed%2]
		run, result := play(t, sim.Config{Protocol: protocol, Seed: seed, Members: 3 + int(seed%4)})
		if result.Failed() {
			t.Fatalf("seed %d: %v", seed, result.Violations)
		}
		end := run.At(run.End())
		for id := range end.Members {
			m := &end.Members[id]
			if m.Final == nil {
				continue
			}
			if m.Held() != m.Final.Entries {
				t.Errorf("seed %d: member %d holds %d entries, its result has %d", seed, id, m.Held(), m.Final.Entries)
			}
			if m.Final.Complete && (m.Settled != m.Final.Entries || len(m.tentative) > 0) {
				t.Errorf("seed %d: member %d is complete with %d entries, %d settled, %d batches tentative", seed, id, m.Final.Entries, m.Settled, len(m.tentative))
			}
		}
	}
}

// TestAnyTimeIsThatOfPlayingUpToIt compares scenes that begin at a key with
// those that begin at the start.
func TestAnyTimeIsThatOfPlayingUpToIt(t *testing.T) {
	header, err := sim.Prepare(sim.Config{Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	run := NewRun(header)
	run.each = 20 // many keys, which are thinned out too
	if _, err := sim.Run(sim.Config{Seed: 11, Sink: run}); err != nil {
		t.Fatal(err)
	}
	if len(run.keys) < keysMax/2 || run.each == 20 {
		t.Fatalf("%d keys, one each %d, of %d events: the test shows nothing", len(run.keys), run.each, len(run.Events))
	}
	played := New(header)
	for i := range run.Events {
		if i%977 == 0 {
			if got, want := describe(run.After(i)), describe(played); got != want {
				t.Fatalf("after %d events:\n%s\nplayed up to it:\n%s", i, got, want)
			}
		}
		played.Tell(&run.Events[i])
	}
}

// describe writes all that can be asked of a scene.
func describe(s *Scene) string {
	var text strings.Builder
	fmt.Fprintln(&text, s.Now, s.Phase, s.Parts(), s.Stable(), s.Entries(), s.Frontier, s.Batches)
	for id := range s.Members {
		m := &s.Members[id]
		fmt.Fprintln(&text, m.Name, m.State, m.Since, m.Have, m.Settled, m.SettledKey, s.Lag(member.ID(id)), s.Waits(member.ID(id)))
		for _, b := range s.Tentative(member.ID(id)) {
			fmt.Fprint(&text, b.Key, b.Number, " ")
		}
		for to := range s.Members {
			since, fresh := s.News(member.ID(id), member.ID(to))
			fmt.Fprintln(&text, s.Condition(member.ID(id), member.ID(to)), s.Knows(member.ID(id), member.ID(to)), since, fresh)
		}
	}
	return text.String()
}

// TestOrderOfABatch follows a single batch through a trace made by hand.
func TestOrderOfABatch(t *testing.T) {
	s := New(trace.Header{Members: []string{"a", "b"}})
	w := new(diary)
	s.Witness = w
	for _, e := range []trace.Event{
		{Kind: trace.Start, Member: 0, Identity: 1, Life: 1},
		{Kind: trace.Start, Member: 1, Identity: 2, Life: 1},
		{At: 1, Kind: trace.Append, Member: 0, Stream: 0, Identity: 1, Seq: 1, Count: 3, Time: 5},
		{At: 2, Kind: trace.Append, Member: 1, Stream: 1, Identity: 2, Seq: 1, Count: 1, Time: 4},
		{At: 3, Kind: trace.Append, Member: 1, Stream: 0, Identity: 1, Seq: 1, Count: 3, Time: 5},
		{At: 4, Kind: trace.Deliver, Member: 1, Stream: 1, Identity: 2, Seq: 1, Count: 1, Time: 4, Position: 0},
		{At: 5, Kind: trace.Deliver, Member: 1, Stream: 0, Identity: 1, Seq: 1, Count: 3, Time: 5, Position: 1},
		{At: 6, Kind: trace.Crash, Member: 1, Note: "loses its data"},
		{At: 7, Kind: trace.Start, Member: 1, Identity: 3, Life: 1},
	} {
		s.Tell(&e)
	}
	want := "born 0, held 0 by 0, born 1, held 1 by 1, held 0 by 1, settled 1 by 1, settled 0 by 1, restarted 1, "
	if w.text != want {
		t.Errorf("told:\n%s\nwant:\n%s", w.text, want)
	}
	if got := s.Members[1].Held(); got != 0 || s.Members[0].Held() != 3 || s.Entries() != 4 {
		t.Errorf("b holds %d entries after it lost them, a %d, all %d", got, s.Members[0].Held(), s.Entries())
	}
}

type diary struct{ text string }

func (d *diary) note(format string, args ...any) { d.text += fmt.Sprintf(format, args...) }

func (d *diary) Born(b *Batch) { d.note("born %d, ", b.Number) }

func (d *diary) Held(b *Batch, id member.ID) { d.note("held %d by %d, ", b.Number, id) }

func (d *diary) Settled(b *Batch, id member.ID) { d.note("settled %d by %d, ", b.Number, id) }

func (d *diary) Lost(b *Batch) { d.note("lost %d, ", b.Number) }

func (d *diary) Dropped(b *Batch, id member.ID) { d.note("dropped %d by %d, ", b.Number, id) }

func (d *diary) Restarted(id member.ID) { d.note("restarted %d, ", id) }

// TestAStreamGoesOnWhenItsWriterIsBack has c write alone, be evicted and come back: what
// it wrote is counted once, and all of it settles.
func TestAStreamGoesOnWhenItsWriterIsBack(t *testing.T) {
	shape := sim.Draw(3, 4)
	shape.Spared, shape.Rates, shape.Journal, shape.Changes, shape.Streams, shape.Scarce = nil, []float64{20, 20, 60, 20}, true, true, false, false
	shape.ParkBytes, shape.DiskBytes = 0, 0
	run, result := play(t, sim.Config{Seed: 3, Members: 4, Shape: &shape, SendFor: 5 * time.Second, GraceFor: time.Minute, Map: parse(t, `
1s   c <-> *  cut
2s   a  evict c
3s   c <-> *  heal
3500ms c return
`)})
	if result.Failed() {
		t.Fatal(result.Violations)
	}
	out, end := run.At(2900*time.Millisecond), run.At(run.End())
	if !out.Out(2) || end.Out(2) {
		t.Errorf("c is out: %v, and in the end: %v", out.Out(2), end.Out(2))
	}
	written := uint64(0)
	for _, entries := range end.Written {
		written += entries
	}
	for id := range end.Members {
		if m := &end.Members[id]; m.Final == nil || m.Held() != written || m.Final.Entries != written || m.Settled != written || len(m.tentative) > 0 {
			t.Errorf("%d entries were written; member %d holds %d, %d settled: %+v", written, id, m.Held(), m.Settled, m.Final)
		}
	}
	if out.Written[2] >= end.Written[2] {
		t.Errorf("c had written %d entries, and in the end %d", out.Written[2], end.Written[2])
	}
}
