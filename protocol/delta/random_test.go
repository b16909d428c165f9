package delta_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/delta"
)

// storm drives members over a network that loses, repeats, reorders and cuts.
type storm struct {
	rng     *rand.Rand
	nodes   []*delta.Delta
	now     time.Duration
	air     []packet
	cut     [][]bool
	loss    float64
	settled [][]string
	sent    int
}

type packet struct {
	at      time.Duration
	to      int
	message protocol.Message
}

func newStorm(seed uint64, members int) *storm {
	s := &storm{rng: rand.New(rand.NewPCG(seed, 0)), settled: make([][]string, members)}
	for i := range members {
		s.nodes = append(s.nodes, delta.New(delta.Config{
			Self: member.ID(i), Members: members, Identity: member.Identity(i + 1), Datagram: true,
		}))
		s.cut = append(s.cut, make([]bool, members))
	}
	return s
}

func (s *storm) step(i int, e protocol.Event) {
	e.Now = s.now
	s.carry(i, s.nodes[i].Step(e))
	s.carry(i, s.nodes[i].Step(protocol.Event{Kind: protocol.Flush, Now: s.now}))
}

func (s *storm) carry(i int, fx protocol.Effects) {
	for _, envelope := range fx.Send {
		s.send(i, envelope)
	}
	for _, b := range fx.Deliver {
		s.settled[i] = append(s.settled[i], fmt.Sprint(b.Time, b.Origin, b.Seq))
	}
}

func (s *storm) send(from int, envelope protocol.Envelope) {
	for copies := 1 + s.rng.IntN(2)*s.rng.IntN(2); copies > 0; copies-- {
		if s.cut[from][envelope.To] || s.rng.Float64() < s.loss {
			continue
		}
		delay := time.Duration(1+s.rng.IntN(20)) * time.Millisecond
		s.air = append(s.air, packet{s.now + delay, int(envelope.To), clone(envelope.Message)})
	}
}

func clone(m *protocol.Message) protocol.Message {
	c := *m
	c.Ack.Ranges = slices.Clone(m.Ack.Ranges)
	c.Binding, c.Pulls, c.Batches = slices.Clone(m.Binding), slices.Clone(m.Pulls), slices.Clone(m.Batches)
	c.Rows = slices.Clone(m.Rows)
	for i := range c.Rows {
		c.Rows[i].Hears, c.Rows[i].Marks = slices.Clone(m.Rows[i].Hears), slices.Clone(m.Rows[i].Marks)
	}
	return c
}

func (s *storm) run(until time.Duration, sending bool) {
	for ; s.now < until; s.now += time.Millisecond {
		slices.SortStableFunc(s.air, func(a, b packet) int { return int(a.at - b.at) })
		for len(s.air) > 0 && s.air[0].at <= s.now {
			p := s.air[0]
			s.air = s.air[1:]
			s.step(p.to, protocol.Event{Kind: protocol.Receive, Message: &p.message})
		}
		for i := range s.nodes {
			if sending && s.rng.IntN(20) == 0 && s.nodes[i].Room() > 0 {
				s.sent++
				s.step(i, protocol.Event{Kind: protocol.Submit, Batch: protocol.Batch{Count: 1 + s.rng.Uint32N(3), Bytes: make([]byte, 100)}})
			}
			if (s.now/time.Millisecond+time.Duration(i*3))%10 == 0 {
				s.step(i, protocol.Event{Kind: protocol.Tick})
			}
		}
		if sending && s.rng.IntN(200) == 0 {
			s.cut[s.rng.IntN(len(s.cut))][s.rng.IntN(len(s.cut))] = s.rng.IntN(2) == 0
		}
	}
}

func (s *storm) heal() {
	s.loss = 0
	for i := range s.cut {
		clear(s.cut[i])
	}
}

func (s *storm) check(t *testing.T) {
	t.Helper()
	for i := range s.nodes {
		for j := range i {
			for at := range min(len(s.settled[i]), len(s.settled[j])) {
				if s.settled[i][at] != s.settled[j][at] {
					t.Fatalf("members %d and %d differ at %d: %s, %s", i, j, at, s.settled[i][at], s.settled[j][at])
				}
			}
		}
	}
}

func TestStormSettlesEverythingInOneOrder(t *testing.T) {
	for seed := range uint64(40) {
		members := 2 + int(seed%4)
		s := newStorm(seed, members)
		s.loss = float64(seed%5) / 10
		s.run(2*time.Second, true)
		s.check(t)
		s.heal()
		for i := range s.nodes {
			s.step(i, protocol.Event{Kind: protocol.Close})
		}
		s.run(5*time.Second, false)
		s.check(t)
		for i, node := range s.nodes {
			status := node.Status()
			if !status.Complete || len(s.settled[i]) != s.sent || !status.Done || status.LogBytes != 0 {
				t.Errorf("seed %d: member %d settled %d of %d, %+v", seed, i, len(s.settled[i]), s.sent, status)
			}
		}
	}
}

func TestCoreSettlesOverOneWayRing(t *testing.T) {
	for seed := range uint64(5) {
		members := 3 + int(seed%3)
		s := newStorm(seed, members)
		for i := range members {
			for j := range members {
				s.cut[i][j] = j != (i+1)%members
			}
		}
		for range 3000 {
			s.run(s.now+time.Millisecond, s.now < time.Second)
			for i := range members {
				for j := range members {
					s.cut[i][j] = j != (i+1)%members
				}
			}
		}
		for i := range s.nodes {
			s.step(i, protocol.Event{Kind: protocol.Close})
		}
		s.run(s.now+8*time.Second, false)
		s.check(t)
		for i, node := range s.nodes {
			if !node.Status().Complete || node.Status().Horizon < clock.Infinity {
				t.Errorf("seed %d: member %d: %+v", seed, i, node.Status())
			}
		}
	}
}
