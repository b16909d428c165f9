package lockstep

import (
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// stage is one member whose peers are played by the test: member 1 and 2 with
// identities 11 and 12, which are already bound.
type stage struct {
	*testing.T
	l *Lockstep
}

func newStage(t *testing.T) *stage {
	s := &stage{t, New(Config{Members: 3, Identity: 10, Datagram: true})}
	for id := member.ID(1); id < 3; id++ {
		s.receive(s.from(id))
	}
	if !s.l.Status().Agreed {
		t.Fatal("the members do not agree on who is who")
	}
	return s
}

func stageBinding() member.Binding { return member.Binding{10, 11, 12} }

// from makes a message of a peer with its row, to be filled in.
func (s *stage) from(id member.ID) *protocol.Message {
	identity := stageBinding()[id]
	return &protocol.Message{
		From: id, Identity: identity, Session: 1 << 32, Number: 1, Binding: stageBinding(),
		Rows: []protocol.Row{{Member: id, Identity: identity, Version: 1<<32 + 1, Binding: stageBinding().Hash()}},
	}
}

func (s *stage) batch(origin member.ID, seq uint64, t clock.Time) protocol.Batch {
	return protocol.Batch{Origin: origin, Identity: stageBinding()[origin], Seq: seq, Time: t, Count: 1, Bytes: []byte("x")}
}

func (s *stage) receive(m *protocol.Message) protocol.Effects {
	return s.l.Step(protocol.Event{Kind: protocol.Receive, Message: m})
}

// mustRefuse demands that a message appends and delivers nothing, gives its
// batches back, and is counted.
func (s *stage) mustRefuse(m *protocol.Message) {
	s.Helper()
	before := s.l.Status()
	effects := s.receive(m)
	after := s.l.Status()
	switch {
	case len(effects.Append)+len(effects.Deliver) > 0:
		s.Errorf("took %v", effects)
	case len(effects.Release) != len(m.Batches):
		s.Errorf("gave back %d of %d batches", len(effects.Release), len(m.Batches))
	case after.Refused <= before.Refused:
		s.Error("did not count the refusal")
	case after.Horizon != before.Horizon:
		s.Errorf("its horizon went from %v to %v", before.Horizon, after.Horizon)
	}
}

func TestMessagesThatCannotBeAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*protocol.Message){
		"from nobody":         func(m *protocol.Message) { m.From = 3 },
		"from oneself":        func(m *protocol.Message) { m.From = 0 },
		"without identity":    func(m *protocol.Message) { m.Identity = 0 },
		"of an older life":    func(m *protocol.Message) { m.Session = 0 },
		"batch of nobody":     func(m *protocol.Message) { m.Batches[0].Origin = 3 },
		"batch of our own":    func(m *protocol.Message) { m.Batches[0].Origin, m.Batches[0].Identity = 0, 10 },
		"batch of a stranger": func(m *protocol.Message) { m.Batches[0].Identity = 99 },
		"batch of nothing":    func(m *protocol.Message) { m.Batches[0].Count = 0 },
		"batch without seq":   func(m *protocol.Message) { m.Batches[0].Seq = 0 },
		"time 0":              func(m *protocol.Message) { m.Batches[0].Time = 0 },
		"a time of infinity":  func(m *protocol.Message) { m.Batches[0].Time = clock.Infinity },
		"a leap in time":      func(m *protocol.Message) { m.Batches[0].Time = clock.LeapFree + 1 },
		"an acknowledgement of what was never written": func(m *protocol.Message) {
			m.Batches = nil
			m.Rows[0].Marks = []protocol.StreamMark{{Stream: 0, Mark: clock.Mark{Have: 1}}}
		},
		"a mark of nobody's stream": func(m *protocol.Message) {
			m.Batches = nil
			m.Rows[0].Marks = []protocol.StreamMark{{Stream: 3}}
		},
		"a promise that leaps": func(m *protocol.Message) {
			m.Batches = nil
			m.Rows[0].Marks = []protocol.StreamMark{{Stream: 1, Mark: clock.Mark{Promise: clock.LeapFree + 1}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			m := s.from(1)
			m.Batches = []protocol.Batch{s.batch(1, 1, 1)}
			spoil(m)
			s.mustRefuse(m)
		})
	}
}

// TestWhoGoesByAnotherHistoryIsRefusedAndNamed: whatever it says is about other
// streams.
func TestWhoGoesByAnotherHistoryIsRefusedAndNamed(t *testing.T) {
	s := newStage(t)
	m := s.from(1)
	m.View = protocol.Tag{Number: 1, Lineage: 77}
	s.mustRefuse(m)
	if got := s.l.Status().Findings; len(got) != 1 || got[0] != (protocol.Finding{Kind: protocol.OtherHistory, Member: 1}) {
		t.Errorf("found %v", got)
	}
}

// TestTwoContentsOfOneNumberAreNamed: the batch that is held stays.
func TestTwoContentsOfOneNumberAreNamed(t *testing.T) {
	s := newStage(t)
	m := s.from(1)
	m.Batches = []protocol.Batch{s.batch(1, 1, 5)}
	s.receive(m)
	s.receive(m)
	if got := s.l.Status().Findings; len(got) != 0 {
		t.Fatalf("the same batch twice: found %v", got)
	}
	m.Batches = []protocol.Batch{s.batch(1, 1, 6)}
	s.receive(m)
	if got := s.l.Status().Findings; len(got) != 1 || got[0] != (protocol.Finding{Kind: protocol.TwoContents, Member: 1}) {
		t.Errorf("found %v", got)
	}
}

func TestBatchBehindAPromiseIsRefused(t *testing.T) {
	s := newStage(t)
	m := s.from(1)
	m.Rows[0].Marks = []protocol.StreamMark{{Stream: 1, Mark: clock.Mark{Promise: 5}}}
	s.receive(m)
	m = s.from(1)
	m.Batches = []protocol.Batch{s.batch(1, 1, 5)}
	s.mustRefuse(m)
	m.Batches = []protocol.Batch{s.batch(1, 1, 6)}
	if effects := s.receive(m); len(effects.Append) != 1 {
		t.Error("the batch after the promise is refused as well")
	}
}

func TestClosedStreamTakesNothing(t *testing.T) {
	s := newStage(t)
	m := s.from(1)
	m.Rows[0].Marks = []protocol.StreamMark{{Stream: 1, Mark: clock.Mark{Promise: clock.Infinity}}}
	s.receive(m)
	m = s.from(1)
	m.Batches = []protocol.Batch{s.batch(1, 1, 7)}
	s.mustRefuse(m)
}

func TestOlderSessionChangesNothing(t *testing.T) {
	s := newStage(t)
	m := s.from(1)
	m.Session = 1<<32 + 2
	s.receive(m)
	m = s.from(1)
	m.Session = 1<<32 + 1
	m.Batches = []protocol.Batch{s.batch(1, 1, 1)}
	s.mustRefuse(m)
}

func TestLaterLifeWithoutDataAcknowledgesNothing(t *testing.T) {
	s := newStage(t)
	s.l.Step(protocol.Event{Kind: protocol.Submit, Batch: protocol.Batch{Count: 1, Bytes: []byte("x")}})
	s.l.Step(protocol.Event{Kind: protocol.Flush})
	acknowledge := func(m *protocol.Message) {
		m.Rows[0].Marks = []protocol.StreamMark{{Stream: 0, Mark: clock.Mark{Have: 1}}}
		s.receive(m)
		s.l.Step(protocol.Event{Kind: protocol.Flush})
	}
	acknowledge(s.from(1))
	m := s.from(2)
	m.Identity, m.Rows[0].Identity = 99, 99
	acknowledge(m)
	if s.l.own().committed() != 0 {
		t.Error("committed on the word of a life without data")
	}
	acknowledge(s.from(2))
	if s.l.own().committed() != 1 {
		t.Error("did not commit on the word of the life that is bound")
	}
}

// TestMemoryStaysWithinItsLimit although a peer acknowledges everything and never
// lets its time be known: a member writes as long as its share lasts, no further.
func TestMemoryStaysWithinItsLimit(t *testing.T) {
	const limit = 4000
	l := New(Config{Members: 2, Identity: 10, Datagram: true, MemoryBytesMax: limit, Batch: 4})
	written := 0
	for i := range 500 {
		now := time.Duration(i) * 10 * time.Millisecond
		if l.Room() > 0 {
			l.Step(protocol.Event{Kind: protocol.Submit, Now: now, Batch: protocol.Batch{Count: 4, Bytes: make([]byte, 400)}})
		}
		l.Step(protocol.Event{Kind: protocol.Tick, Now: now})
		written += len(l.Step(protocol.Event{Kind: protocol.Flush, Now: now}).Append)
		// Peer 1 acknowledges everything and promises nothing, so that nothing settles.
		m := &protocol.Message{From: 1, Identity: 11, Session: 1 << 32, Binding: member.Binding{10, 11}}
		m.Rows = []protocol.Row{{
			Member: 1, Identity: 11, Version: 1<<32 + 1, Binding: m.Binding.Hash(),
			Marks: []protocol.StreamMark{{Stream: 0, Mark: clock.Mark{Have: l.own().have}}},
		}}
		l.Step(protocol.Event{Kind: protocol.Receive, Now: now, Message: m})
		if bytes := l.Status().LogBytes; bytes > limit {
			t.Fatalf("keeps %d bytes, allowed are %d", bytes, limit)
		}
	}
	if written < 2 || l.Room() > 0 {
		t.Errorf("wrote %d batches and has room for %d bytes", written, l.Room())
	}
}
