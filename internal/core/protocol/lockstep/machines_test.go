package lockstep

import (
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

func batch(origin int, seq uint64, at clock.Time) protocol.Batch {
	return protocol.Batch{Origin: member.ID(origin), Seq: seq, Count: 1, Time: at}
}

// TestStream: what is held of an origin, and what of it everyone is known to hold.
func TestStream(t *testing.T) {
	var s stream
	steps := []struct {
		name            string
		event           func()
		have, committed uint64
		promise         clock.Time
		closed          bool
	}{
		{"nothing", func() {}, 0, 0, 0, false},
		{"a batch waits in the buffer", func() { s.hold(batch(1, 1, 5)) }, 1, 0, 5, false},
		{"its successor proves it", func() { s.hold(batch(1, 2, 7)) }, 2, 1, 7, false},
		{"a promise proves nothing", func() { s.end(9) }, 2, 1, 9, false},
		{"a snapshot with less changes nothing", func() { s.restore(1, 8) }, 2, 1, 9, false},
		{"one with as much does", func() { s.restore(2, 10) }, 2, 2, 10, false},
		{"as one with more", func() { s.restore(4, 12) }, 4, 4, 12, false},
		{"another batch", func() { s.hold(batch(1, 5, 13)) }, 5, 4, 13, false},
		{"the end proves the last one", func() { s.end(clock.Infinity + 1) }, 5, 5, clock.Infinity, true},
	}
	for _, step := range steps {
		step.event()
		if s.have != step.have || s.committed() != step.committed || s.promise != step.promise || s.closed() != step.closed {
			t.Errorf("%s: holds %d, committed %d, promise %d, closed %t", step.name, s.have, s.committed(), s.promise, s.closed())
		}
	}
}

// TestBacklogIsInOrder: by time, then by origin.
func TestBacklogIsInOrder(t *testing.T) {
	var k backlog
	for _, b := range []protocol.Batch{batch(1, 1, 5), batch(0, 1, 5), batch(2, 1, 3), batch(0, 2, 9), batch(1, 2, 6)} {
		k.insert(b)
	}
	for i := range len(k) - 1 {
		if k[i].Compare(&k[i+1]) >= 0 {
			t.Errorf("%v stands before %v", k[i], k[i+1])
		}
	}
	same, other := batch(1, 2, 6), batch(1, 3, 6)
	if held := k.find(&same); held == nil || held.Seq != 2 || held.Origin != 1 {
		t.Errorf("found %v for what is held", held)
	}
	if held := k.find(&other); held != nil {
		t.Errorf("found %v for what is not held", held)
	}
}

// TestWriterCountsWhatIsNotStable, or more, and nothing once all is.
func TestWriterCountsWhatIsNotStable(t *testing.T) {
	var w writer
	steps := []struct {
		name           string
		place          int // bytes, at the time of newest
		stable, newest clock.Time
		unstable       int
	}{
		{"nothing", 0, 0, 0, 0},
		{"a batch", 10, 0, 1, 10},
		{"another one", 20, 0, 2, 30},
		{"the first one is stable", 0, 1, 2, 20},
		{"a third one comes", 5, 1, 3, 25},
		{"the second one is stable", 0, 2, 3, 5},
		{"a fourth and a fifth one come", 7, 2, 4, 12},
		{"the third one is stable", 3, 3, 5, 10},
		{"the fourth one is, but the look was at both", 0, 4, 5, 10},
		{"both are", 0, 5, 5, 0},
		{"so it stays", 0, 9, 3, 0},
	}
	for _, step := range steps {
		if step.place > 0 {
			w.count(step.place)
		}
		w.look(step.stable, step.newest)
		if w.unstable != step.unstable {
			t.Errorf("%s: %d bytes are unstable, want %d", step.name, w.unstable, step.unstable)
		}
	}
}

// TestView: what is kept of what a peer said when it starts again, or is another.
func TestView(t *testing.T) {
	known := view{identity: 7, session: 1<<32 | 3, hash: 5, version: 9, stable: 4, horizon: 6, marks: clock.Vector{{Have: 2, Promise: 8}}}
	tests := []struct {
		name     string
		identity uint64
		session  uint64
		another  bool
		mark     clock.Mark
		stable   clock.Time
	}{
		{"the same start", 7, 1<<32 | 4, false, clock.Mark{Have: 2, Promise: 8}, 4},
		{"the next one has its entries, and no promises of others", 7, 2 << 32, true, clock.Mark{Have: 2}, 0},
		{"another incarnation has nothing", 8, 1 << 32, true, clock.Mark{}, 0},
	}
	for _, test := range tests {
		v := known
		v.marks = clock.Vector{known.marks[0]}
		another := v.begin(member.Identity(test.identity), test.session, 1)
		if another != test.another || v.marks[0] != test.mark || v.stable != test.stable || v.life() != test.session>>32 {
			t.Errorf("%s: another %t, marks %v, stable %d, life %d", test.name, another, v.marks, v.stable, v.life())
		}
	}
	late := protocol.Message{Identity: 7, Session: 1<<32 | 2}
	if !known.outlived(&late) {
		t.Error("a message of an earlier session is not outlived")
	}
	if late.Identity = 8; known.outlived(&late) {
		t.Error("a message of another incarnation is outlived")
	}
}

// TestBackoff: attempts come twice as late each time, up to the longest pause.
func TestBackoff(t *testing.T) {
	var b backoff
	first := 20 * time.Millisecond
	for i, want := range []time.Duration{20, 40, 80, 100, 100} {
		if b.tried(time.Second, first, 100*time.Millisecond); b.at != time.Second+want*time.Millisecond {
			t.Errorf("attempt %d is at %v", i+2, b.at)
		}
	}
	if b.tried(0, time.Second, time.Millisecond); b.at != time.Second {
		t.Errorf("an answer is given %v", b.at)
	}
}

// TestLink: silence counts from when an answer was asked for, and a fresh link
// knows of nothing that was said.
func TestLink(t *testing.T) {
	k := link{told: 3, relayed: []uint64{1}, flight: flight{last: 4}, retry: backoff{at: 9, tries: 2}}
	k.ask(time.Second)
	if k.ask(2 * time.Second); !k.asking || k.askedAt != time.Second {
		t.Errorf("asked at %v", k.askedAt)
	}
	if k.startAnew(); k.told != 0 || k.relayed != nil || k.flight.last != 0 || k.retry != (backoff{}) {
		t.Errorf("a fresh link remembers %+v", k)
	}
}
