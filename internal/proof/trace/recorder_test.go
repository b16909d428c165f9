package trace_test

import (
	"errors"
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/trace"
	"chatterbox/internal/world/driver"
	"chatterbox/internal/world/journal"
)

// stage is the world around a recorder.
type stage struct {
	log    trace.Log
	broken error // of the next sync
	kept   int
	sent   int
	given  int
}

func (s *stage) Keep(protocol.Effects)      { s.kept++ }
func (s *stage) Sync() error                { return s.broken }
func (s *stage) Order([]protocol.Batch)     {}
func (s *stage) Load(*protocol.Batch) error { return nil }
func (s *stage) IsFull() bool               { return false }
func (s *stage) Restore(*protocol.Snapshot) {}
func (s *stage) Send(protocol.Envelope)     { s.sent++ }
func (s *stage) Deliver(b []protocol.Batch) { s.given += len(b) }
func (s *stage) Reset(*protocol.Snapshot)   { s.given++ }

// recorder returns one that has told of the life's beginning.
func (s *stage) recorder(life journal.Life) *trace.Recorder {
	r := trace.NewRecorder(&s.log, 1, 3)
	parts := driver.Config{Journal: s, Sender: s, App: s}
	r.Begin(func() time.Duration { return time.Second }, life, &parts)
	return r
}

// kinds returns what was told, and forgets it.
func (s *stage) kinds() string {
	text := ""
	for i := range s.log.Events {
		text += s.log.Events[i].Kind.String() + " "
	}
	s.log.Events = nil
	return text
}

func batch(origin uint16, seq uint64) protocol.Batch {
	return protocol.Batch{Origin: 1, Identity: 9, Seq: seq, Time: clock.Time(seq), Count: 1, Bytes: []byte{byte(origin), byte(seq)}}
}

// TestAppendIsToldOnceItIsDurable, and not at all if it never is.
func TestAppendIsToldOnceItIsDurable(t *testing.T) {
	s := &stage{}
	r := s.recorder(journal.Life{})
	s.kinds()
	r.Keep(protocol.Effects{Append: []protocol.Batch{batch(1, 1), batch(1, 2)}})
	if told := s.kinds(); told != "" || s.kept != 1 {
		t.Errorf("told %q before the sync", told)
	}
	s.broken = errors.New("disk")
	if err := r.Sync(); !errors.Is(err, s.broken) {
		t.Errorf("error %v", err)
	}
	if told := s.kinds(); told != "" {
		t.Errorf("told %q after a sync that failed", told)
	}
	s.broken = nil
	if err := r.Sync(); err != nil || s.kinds() != "append append " {
		t.Errorf("after the sync: %v", err)
	}
}

// TestMessagesTellWhatIsNew: a mark is told once, neighbours together.
func TestMessagesTellWhatIsNew(t *testing.T) {
	s := &stage{}
	r := s.recorder(journal.Life{})
	s.kinds()
	row := protocol.Row{Member: 1, Identity: 9, Marks: []protocol.StreamMark{{Stream: 0, Mark: clock.Mark{Have: 2, Promise: 3}}}}
	other := protocol.Row{Member: 2, Identity: 8, Marks: row.Marks}
	m := &protocol.Message{From: 1, Identity: 9, Rows: []protocol.Row{row, other}, Batches: []protocol.Batch{batch(1, 1), batch(1, 2), batch(1, 4)}}
	r.Send(protocol.Envelope{To: 0, Message: m})
	pushes := s.log.Events[2:]
	if pushes[0].Count != 2 || pushes[1].Seq != 4 {
		t.Errorf("pushes %+v", pushes)
	}
	if told := s.kinds(); told != "publish send push push " || s.sent != 1 {
		t.Errorf("told %q", told)
	}
	r.Send(protocol.Envelope{To: 2, Message: m})
	if told := s.kinds(); told != "send push push " {
		t.Errorf("told %q the second time", told)
	}
}

// TestLifeIsToldFromItsJournalToItsEnd.
func TestLifeIsToldFromItsJournalToItsEnd(t *testing.T) {
	s := &stage{}
	stranger := batch(1, 3)
	stranger.Identity = 77
	recovered := &protocol.Recovered{
		Base:    protocol.Snapshot{Time: 1, Have: []uint64{0, 1, 0}},
		Batches: []protocol.Batch{batch(1, 2), stranger, batch(1, 9)},
		Bound:   12, Binding: member.Binding{5, 9, 6},
	}
	r := s.recorder(journal.Life{Identity: 9, Count: 2, Recovered: recovered})
	if told := s.kinds(); told != "start recover recover recover reset append " {
		t.Errorf("a start with data tells %q", told)
	}
	r.Observe(protocol.Event{Kind: protocol.Receive, Message: &protocol.Message{From: 2}}, protocol.Effects{})
	r.Observe(protocol.Event{Kind: protocol.Up, Peer: 2}, protocol.Effects{})
	r.Observe(protocol.Event{Kind: protocol.Tick}, protocol.Effects{})
	r.Observe(protocol.Event{Kind: protocol.Down, Peer: 2}, protocol.Effects{})
	r.Observe(protocol.Event{Kind: protocol.Close}, protocol.Effects{})
	r.Observe(protocol.Event{Kind: protocol.Close}, protocol.Effects{})
	if told := s.kinds(); told != "receive up down close " {
		t.Errorf("what reaches the member tells %q", told)
	}
	r.Deliver([]protocol.Batch{batch(1, 2)})
	if e := s.log.Events[0]; e.Position != 1 || e.Hash != trace.HashBytes(batch(1, 2).Bytes) || s.given != 1 {
		t.Errorf("delivery %+v", e)
	}
	s.kinds()
	r.Sample(&protocol.Status{Self: 1, Held: make(clock.Vector, 3), Known: []clock.Vector{{{Have: 1}, {}, {}}, nil, nil}, Trimmed: []uint64{0, 2, 0}})
	if told := s.kinds(); told != "sample trim believe believe believe believe " {
		t.Errorf("a sample tells %q", told)
	}
	r.Final(3, [6]uint64{3}, 7, true, "(3,1)")
	if e := s.log.Events[0]; e.Kind != trace.Final || e.Note != "(3,1)" || e.Hash != 7 || !e.Complete {
		t.Errorf("result %+v", e)
	}
}

// TestSnapshotOfAPeerIsHeldBeforeItIsDelivered.
func TestSnapshotOfAPeerIsHeldBeforeItIsDelivered(t *testing.T) {
	s := &stage{}
	r := s.recorder(journal.Life{})
	s.kinds()
	base := &protocol.Snapshot{Time: 4, Have: []uint64{1, 2, 3}}
	r.Keep(protocol.Effects{Reset: base, Append: []protocol.Batch{batch(1, 3)}})
	if err := r.Sync(); err != nil {
		t.Fatal(err)
	}
	r.Reset(base)
	last := s.log.Events[len(s.log.Events)-1]
	if told := s.kinds(); told != "recover recover recover append reset " || last.Position != 6 || last.Note != trace.ResetPeer {
		t.Errorf("told %q, the last at position %d: %q", told, last.Position, last.Note)
	}
	r.Keep(protocol.Effects{Base: base})
	r.Keep(protocol.Effects{Base: base})
	if told := s.kinds(); told != "trim trim trim " {
		t.Errorf("a base tells %q", told)
	}
}
