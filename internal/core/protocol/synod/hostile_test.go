package synod_test

import (
	"testing"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/mutant"
)

// TestWhatNobodyCanHaveSaidDoesNoHarm has facts that make no sense arrive among
// sound ones. Nothing panics, every view that counts is a step from the one
// before, and what is told can be taken in by a peer.
func TestWhatNobodyCanHaveSaidDoesNoHarm(t *testing.T) {
	for seed := range uint64(300) {
		w := newWorld(seed, 1+int(seed%4), 2, mutant.None)
		for range 200 {
			n := w.nodes[w.random.IntN(len(w.nodes))]
			if n.view == nil {
				w.tell(w.nodes[0], n)
				w.begin(n, w.mail[len(w.mail)-1])
				continue
			}
			if w.random.IntN(4) == 0 {
				w.ask(n)
			}
			before := n.synod.View()
			n.synod.Join(w.nonsense(n), w.now)
			w.now += time.Duration(w.random.IntN(3000)) * time.Millisecond
			voted, decided := n.synod.Step(w.now, n)
			if voted != nil {
				n.record = voted
			}
			if decided == nil {
				continue
			}
			if err := decided.CheckStep(before); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			n.found(decided)
		}
	}
}

// nonsense returns what is known of a choice, and facts that are changed at
// random, or of another view.
func (w *world) nonsense(n *node) *protocol.Choice {
	number := func(most int) uint64 { return uint64(w.random.IntN(most)) }
	ballot := func() protocol.Ballot {
		b := protocol.Ballot{Round: number(5), Place: member.ID(number(9))}
		if w.random.IntN(20) == 0 {
			b.Round = ^uint64(0)
		}
		return b
	}
	c := &protocol.Choice{Number: n.view.Number, Lineage: n.view.Lineage}
	if w.random.IntN(10) == 0 {
		c.Lineage++
	}
	if known := n.synod.Choice(); known != nil {
		c.Bids, c.Votes = append(c.Bids, known.Bids...), append(c.Votes, known.Votes...)
	}
	for range w.random.IntN(4) {
		b := protocol.Bid{Ballot: ballot(), Change: member.Change{Kind: member.ChangeKind(number(6)), Identity: member.Identity(number(8))}}
		if w.random.IntN(2) == 0 {
			base := make([]uint64, number(6))
			for i := range base {
				base[i] = number(3)
			}
			b.View, _ = n.view.Successor(member.Change{Kind: member.Renew}, member.Grounds{Base: base, Clock: clock.Time(number(9))})
			if w.random.IntN(2) == 0 {
				b.View.Places = b.View.Places[:w.random.IntN(len(b.View.Places))]
			}
		}
		c.Bids = append(c.Bids, b)
	}
	for range w.random.IntN(4) {
		v := protocol.Vote{Identity: member.Identity(number(8)), Promised: ballot(), Accepted: ballot(), Have: make([]uint64, number(6)), Clock: clock.Time(number(9))}
		if w.random.IntN(10) == 0 {
			v.Clock = ^clock.Time(0)
		}
		c.Votes = append(c.Votes, v)
	}
	return c
}
