package delta_test

import (
	"fmt"
	"testing"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/core/protocol/delta"
)

const (
	steadyBatchBytes   = 16 << 10
	steadyBatchEntries = 2000
	steadyRound        = 100 * time.Microsecond
)

// steady is a healthy mesh that passes on messages without a copy of payloads
// and without memory of its own, as the transport does.
type steady struct {
	nodes     []*delta.Delta
	pool      *protocol.Pool
	submit    func(i int) // has member i submit what it has to say
	now       time.Duration
	waiting   [][]protocol.Message // per receiver: what arrives with the next round
	arriving  [][]protocol.Message // the same, being handed over
	delivered []int                // entries, per member
	ticks     int
}

func newSteady(members int) *steady {
	s := &steady{
		pool: protocol.NewPool(steadyBatchBytes, 1000), delivered: make([]int, members),
		waiting: make([][]protocol.Message, members), arriving: make([][]protocol.Message, members),
	}
	s.submit = s.full
	for i := range members {
		s.nodes = append(s.nodes, delta.New(delta.Config{
			Self: member.ID(i), Members: members, Identity: member.Identity(i + 1), Life: 1,
		}))
	}
	for i := range s.nodes {
		for k := range s.nodes {
			if i != k {
				s.step(i, protocol.Event{Kind: protocol.Up, Peer: member.ID(k), Reliable: true})
			}
		}
	}
	return s
}

// full submits a batch for a member.
func (s *steady) full(i int) {
	buffer := s.pool.Get()
	s.step(i, protocol.Event{Kind: protocol.Submit, Batch: protocol.Batch{Count: steadyBatchEntries, Bytes: buffer.Bytes, Buffer: buffer}})
}

// round has every member hear what was sent in the last one, submit what it
// submits if there is room, and flush; a tick comes every 10 ms.
func (s *steady) round() {
	s.now += steadyRound
	s.waiting, s.arriving = s.arriving, s.waiting
	tick := int(s.now / (10 * time.Millisecond))
	for i := range s.nodes {
		s.waiting[i] = s.waiting[i][:0]
	}
	for i := range s.nodes {
		for k := range s.arriving[i] {
			s.step(i, protocol.Event{Kind: protocol.Receive, Message: &s.arriving[i][k]})
		}
		if tick > s.ticks {
			s.step(i, protocol.Event{Kind: protocol.Tick})
		}
		if s.nodes[i].Room() > 0 {
			s.submit(i)
		}
		s.step(i, protocol.Event{Kind: protocol.Flush})
	}
	s.ticks = tick
}

func (s *steady) step(i int, e protocol.Event) {
	e.Now = s.now
	fx := s.nodes[i].Step(e)
	for k := range fx.Send {
		s.send(&fx.Send[k])
	}
	for k := range fx.Deliver {
		s.delivered[i] += int(fx.Deliver[k].Count)
	}
	for _, given := range [][]protocol.Batch{fx.Trim, fx.Release} {
		for k := range given {
			given[k].Buffer.Release()
		}
	}
}

// send copies the message, but for the payloads, over one of an earlier round.
func (s *steady) send(envelope *protocol.Envelope) {
	queue := &s.waiting[envelope.To]
	if len(*queue) < cap(*queue) {
		*queue = (*queue)[:len(*queue)+1]
	} else {
		*queue = append(*queue, protocol.Message{})
	}
	copyInto(&(*queue)[len(*queue)-1], envelope.Message)
}

func copyInto(to, from *protocol.Message) {
	ack, binding, rows, pulls, batches := to.Ack.Ranges, to.Binding, to.Rows, to.Pulls, to.Batches
	*to = *from
	to.Ack.Ranges = append(ack[:0], from.Ack.Ranges...)
	to.Binding = append(binding[:0], from.Binding...)
	to.Pulls = append(pulls[:0], from.Pulls...)
	to.Batches = append(batches[:0], from.Batches...)
	for i := range to.Batches {
		to.Batches[i].Buffer.Retain()
	}
	to.Rows = rows[:0]
	for i := range from.Rows {
		if i < cap(to.Rows) {
			to.Rows = to.Rows[:i+1]
		} else {
			to.Rows = append(to.Rows, protocol.Row{})
		}
		row := &to.Rows[i]
		hears, marks := row.Hears, row.Marks
		*row = from.Rows[i]
		row.Hears, row.Marks = append(hears[:0], from.Rows[i].Hears...), append(marks[:0], from.Rows[i].Marks...)
	}
}

// slowest returns the entries delivered at the slowest member.
func (s *steady) slowest() int {
	least := s.delivered[0]
	for _, entries := range s.delivered {
		least = min(least, entries)
	}
	return least
}

// TestSteadyStateAllocatesNothing: once its queues have grown, a mesh that is
// as busy as it can be needs no more memory.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, members := range []int{3, 5} {
		s := newSteady(members)
		for range 3000 {
			s.round()
		}
		before := s.slowest()
		allocations := testing.AllocsPerRun(1000, s.round)
		if got, want := s.slowest()-before, 900*members*steadyBatchEntries; got < want {
			t.Errorf("%d members delivered %d entries in 1000 rounds, less than %d", members, got, want)
		}
		if allocations != 0 {
			t.Errorf("%v allocations in a round of %d members", allocations, members)
		}
	}
}

// BenchmarkStep measures rounds in which every member submits a batch of 2,000
// entries of 8 bytes, hears those of all others, settles and trims.
func BenchmarkStep(b *testing.B) {
	for _, members := range []int{3, 5} {
		b.Run(fmt.Sprintf("n=%d", members), func(b *testing.B) {
			s := newSteady(members)
			for range 3000 {
				s.round()
			}
			before := s.slowest()
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				s.round()
			}
			b.ReportMetric(float64(s.slowest()-before)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
