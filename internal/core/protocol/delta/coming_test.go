package delta_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/proof/draw"
)

// changes reports whether members come and go.
func (w *weather) changes() bool { return w.evicts > 0 || w.comes() }

// comes reports whether members come back, or join.
func (w *weather) comes() bool { return w.returns > 0 || w.joins > 0 }

// loses reports whether members that come back may have lost their data.
func (w *weather) loses() bool { return w.comes() && (!w.durable || w.amnesia > 0) }

// goOn takes up what a step decided for the time after it: places that are new, and
// own batches that are to be written again.
func (s *storm) goOn(i int, v *member.View, orphans []protocol.Batch) {
	n := s.nodes[i]
	if v != nil {
		before := n.places
		n.places = max(before, len(v.Places))
		for k := before; k < n.places && s.reliable; k++ {
			s.connect(i, k)
		}
	}
	for k := range orphans {
		b := orphans[k]
		s.load(n, orphans[k:k+1])
		b.Bytes, b.Prepared, b.Parked = orphans[k].Bytes, orphans[k].Prepared, 0
		n.lend(&b)
		s.again++
		s.step(i, protocol.Event{Kind: protocol.Submit, Batch: b})
	}
}

// tenant returns who has a place, as far as the member knows.
func (n *stormNode) tenant(place int) member.Identity {
	if n.view == nil {
		return member.Identity(place + 1)
	}
	return n.view.Places[place].Identity
}

// isSeated reports whether the member has a place: the founders have.
func (n *stormNode) isSeated(founders int) bool { return int(n.id) < founders || n.view != nil }

// comeBack tells a member to come back.
func (s *storm) comeBack(i int) {
	if n := s.nodes[i]; n.reducer != nil {
		s.step(i, protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Rejoin, Identity: n.identity}})
	}
}

// asksEvery is how often a newcomer asks for a place.
const asksEvery = 100 * time.Millisecond

// admit has the next newcomer ask some member for a place, or begin once it has one:
// one after the other, so that each has the place behind the one before.
func (s *storm) admit() {
	if s.joins == 0 || s.now%asksEvery != 0 {
		return
	}
	next := slices.IndexFunc(s.nodes, func(n *stormNode) bool { return !n.isSeated(s.members) })
	if next < 0 {
		return
	}
	c, k := s.nodes[next], s.rng.IntN(next)
	n := s.nodes[k]
	switch {
	case n.reducer == nil || n.view == nil && n.reducer.Status().View == nil:
	case n.places > next:
		c.journal.View = n.view
		s.start(next)
	default:
		name := member.Letter(c.id)
		s.step(k, protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Admit, Identity: c.identity, Name: name, Address: name + ":1"}})
	}
}

// crashOrComeBack crashes a member that runs, if what it may lose with that is no more
// than one disk of many, and starts one that does not.
func (s *storm) crashOrComeBack(i int) {
	n := s.nodes[i]
	switch {
	case !n.isSeated(s.members):
	case n.reducer != nil:
		n.loses = s.loses() && i < s.members && (!s.durable || s.rng.Float64() < s.amnesia)
		if n.loses && !s.canSpare(n) {
			n.loses = false
			if !s.durable {
				return
			}
		}
		if n.loses || s.durable {
			s.crash(i)
		}
	default:
		if n.loses {
			n.lose()
			n.loses = false
		}
		s.start(i)
	}
}

// canSpare reports whether a member's data may be lost: all the others of the newest
// view have theirs, and are more than it takes.
func (s *storm) canSpare(one *stormNode) bool {
	v := s.judge.newest()
	if v == nil {
		for _, n := range s.nodes[:s.members] {
			if n.loses && n != one || n.identity > 100 || !s.agreedForGood(n) {
				return false
			}
		}
		return s.members > 2
	}
	for place := range v.Places {
		n := s.nodes[place]
		if v.Places[place].Role == member.Writer && n != one && (n.loses || v.Places[place].Identity != n.identity) {
			return false
		}
	}
	return v.Size() > 2
}

// gatherAll lets time pass until all are members of one view, with nothing going wrong
// any more: who lost its data has its place again, and who is evicted comes back.
func (s *storm) gatherAll() {
	s.crashes, s.evicts, s.returns, s.moves = 0, 0, 0, 0
	for range gatherRounds {
		s.run(asksEvery, false)
		s.admit()
		v, together := s.judge.newest(), true
		for i, n := range s.nodes {
			if n.reducer == nil || n.number() < numberOf(v) || !n.bound() {
				together = false
				s.askFor(i, v)
			}
		}
		if together || s.judge.verdict != "" {
			return
		}
	}
	for _, n := range s.nodes {
		s.judge.fault("progress", "not all are members again: member %d goes by %v", n.id, n.view)
	}
}

// askFor has somebody evict who has the place of a member and does not run any more, or
// the member come back.
func (s *storm) askFor(i int, v *member.View) {
	n := s.nodes[i]
	former := member.Identity(i + 1)
	if v != nil && i < len(v.Places) {
		former = v.Places[i].Identity
	}
	switch by := s.nodes[s.rng.IntN(len(s.nodes))]; {
	case n.reducer == nil:
	case former == n.identity || v != nil && v.Places[i].Role == member.Gone:
		s.comeBack(i)
	case by.reducer != nil:
		s.step(int(by.id), protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Evict, Identity: former}})
	}
}

// numberOf returns the number of a view; nil is the first one.
func numberOf(v *member.View) uint64 {
	if v == nil {
		return 1
	}
	return v.Number
}

// gatherRounds is how often members may ask until all are together.
const gatherRounds = 300

// coming is a weather in which members go, come back, and join, and in some storms have
// other addresses.
func coming(seed uint64) weather {
	w := weather{
		members: 3 + int(seed%3), joins: int(seed / 3 % 3), evicts: 0.003, returns: 0.01, durable: seed%4 > 0, reliable: seed%5 == 0,
		loss: float64(seed%4) / 10, cuts: 0.003, crashes: 0.003,
	}
	if seed%2 == 1 {
		w.amnesia = 0.5
	}
	if seed%5 == 3 {
		w.moves = 0.003
	}
	return w
}

// TestMembersComeBackAndJoin: who was let go comes back, with what it had written alone,
// who lost its data has its place again, and others join; in the end all are members of
// one view, which hold one order.
func TestMembersComeBackAndJoin(t *testing.T) {
	comings := draw.Of(200, 24) // storms
	back, again, joined, former, moved := 0, 0, 0, 0, 0
	for seed := range uint64(comings) {
		s := newStorm(seed, coming(seed))
		if verdict := playOut(s); verdict != "" {
			t.Errorf("seed %d, %+v: %s", seed, coming(seed), verdict)
		}
		again += s.again
		moved += s.judge.moves()
		if v := s.judge.newest(); v != nil {
			for place := range v.Places {
				back += len(v.Places[place].Returns)
				former += len(v.Places[place].Former)
			}
			joined += len(v.Places) - s.members
		}
	}
	t.Logf("%d storms: %d times somebody came back, %d of them without data, %d joined, %d batches were written again, %d addresses", comings, back, former, joined, again, moved)
	if moved == 0 || back < comings || former < comings/4 || joined < comings/2 || again < comings {
		t.Error("too little happens to mean anything")
	}
}

// TestAnyComing draws who comes back and joins in what weather, where CI wants all.
func TestAnyComing(t *testing.T) {
	if !draw.Whole() {
		t.Skip("takes long: CHATTERBOX_PROOFS=all runs it, as CI does")
	}
	draw.Check(t, func(t *rapid.T) {
		w := drawnWeather(t)
		w.joins, w.evicts = rapid.IntRange(0, 2).Draw(t, "joins"), 0.003
		w.returns = rapid.SampledFrom([]float64{0.001, 0.01}).Draw(t, "returns")
		if verdict := play(rapid.Uint64().Draw(t, "seed"), w); verdict != "" {
			t.Fatal(verdict)
		}
	})
}
