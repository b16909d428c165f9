package delta_test

import (
	"fmt"
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// run lets time pass; while sending, members submit and everything may fail.
// It ends early when the judge has seen enough.
func (s *storm) run(length time.Duration, sending bool) {
	for until := s.now + length; s.now < until && s.judge.verdict == ""; s.now += time.Millisecond {
		s.arrive()
		for i, n := range s.nodes {
			if n.reducer == nil {
				continue
			}
			if sending {
				s.submit(i)
			}
			if (s.now/time.Millisecond+time.Duration(i*3))%10 == 0 {
				s.take(i, protocol.Event{Kind: protocol.Tick})
				s.flush(i)
			}
		}
		if sending {
			s.fail()
		}
	}
}

func (s *storm) arrive() {
	slot := &s.air[int(s.now/time.Millisecond)%delayMax]
	packets := *slot
	*slot = nil
	for k := range packets {
		p := &packets[k]
		n := s.nodes[p.to]
		if n.reducer == nil || s.reliable && p.epoch != s.links[p.from][p.to].epoch {
			continue
		}
		for b := range p.message.Batches {
			n.lend(&p.message.Batches[b])
		}
		s.step(p.to, protocol.Event{Kind: protocol.Receive, Message: &p.message})
	}
}

// submit has a member say something now and then, if there is room.
func (s *storm) submit(i int) {
	every, size, n := s.sendEvery, s.sizeMax, s.nodes[i]
	if every == 0 {
		every = 20
	}
	if size == 0 {
		size = 100
	}
	if i >= s.members-s.idle || s.rng.IntN(every) > 0 || n.reducer.Room() <= 0 {
		return
	}
	s.sent++
	b := protocol.Batch{Count: 1 + s.rng.Uint32N(3), Bytes: make([]byte, 1+s.rng.IntN(size))}
	b.Prepared = uint64(s.sent) // tells the batch from every other
	n.lend(&b)
	s.step(i, protocol.Event{Kind: protocol.Submit, Batch: b})
}

// fail cuts and heals links, crashes and restarts members.
func (s *storm) fail() {
	if s.rng.Float64() < s.cuts {
		from, to := s.rng.IntN(len(s.nodes)), s.rng.IntN(len(s.nodes))
		if from != to {
			s.setCut(from, to, s.rng.IntN(2) == 0)
		}
	}
	if i := s.rng.IntN(len(s.nodes)); s.rng.Float64() < s.crashes {
		s.crashOrRestart(i)
	}
	if s.evicts > 0 && s.rng.Float64() < s.evicts {
		s.evict(s.rng.IntN(len(s.nodes)), s.rng.IntN(len(s.nodes)))
	}
	if s.moves > 0 && s.rng.Float64() < s.moves {
		s.move(s.rng.IntN(len(s.nodes)), s.rng.IntN(len(s.nodes)))
	}
	if s.returns > 0 && s.rng.Float64() < s.returns {
		s.comeBack(s.rng.IntN(len(s.nodes)))
	}
	s.admit()
}

// evict has a member let another one go, or itself, or nobody.
func (s *storm) evict(by, whom int) {
	if s.nodes[by].reducer == nil || s.joins > 0 && whom >= s.nodes[by].places {
		return
	}
	c := member.Change{Kind: member.Evict, Identity: s.nodes[by].tenant(whom)}
	if s.loses() && c.Identity == s.nodes[whom].identity {
		return // who has its data is needed where another one has lost its
	}
	if s.rng.IntN(8) == 0 {
		c = member.Change{Kind: member.Renew}
	}
	s.step(by, protocol.Event{Kind: protocol.Change, Change: &c})
}

// move has a member told that another one, or itself, has one of three addresses. Links
// go on as they are.
func (s *storm) move(by, whom int) {
	if s.nodes[by].reducer == nil || whom >= s.nodes[by].places {
		return
	}
	address := fmt.Sprintf("%s:%d", member.Letter(member.ID(whom)), 1+s.rng.IntN(3))
	c := member.Change{Kind: member.Move, Identity: s.nodes[by].tenant(whom), Address: address}
	s.step(by, protocol.Event{Kind: protocol.Change, Change: &c})
}

// crashOrRestart crashes a member that runs and starts one that does not. The
// first one keeps its data, for without anybody's it is another cluster; and
// the others do until it knows for good that all agreed on whose data it is.
func (s *storm) crashOrRestart(i int) {
	if s.comes() {
		s.crashOrComeBack(i)
		return
	}
	mayLose := i > 0 && s.agreedForGood(s.nodes[0])
	switch n := s.nodes[i]; {
	case n.reducer == nil:
		if mayLose && (!s.durable || s.rng.Float64() < s.amnesia) {
			n.lose()
		}
		s.start(i)
	case s.durable || mayLose:
		s.crash(i)
	}
}

func (s *storm) agreedForGood(n *stormNode) bool {
	if s.durable {
		return n.journal.Agreed
	}
	return n.reducer.Status().Agreed
}

// heal mends the network and starts who does not run.
func (s *storm) heal() {
	s.loss, s.cuts = 0, 0
	for i, n := range s.nodes {
		if n.reducer == nil && n.isSeated(s.members) {
			s.crashOrRestart(i)
		}
	}
	for i := range s.nodes {
		for k := range s.nodes {
			if i != k {
				s.setCut(i, k, false)
			}
		}
	}
}

func (s *storm) close() {
	for i, n := range s.nodes {
		if n.reducer != nil {
			s.take(i, protocol.Event{Kind: protocol.Close})
			s.flush(i)
		}
	}
}

// keep takes what a step wants to have durable into the next sync.
func (n *stormNode) keep(fx *protocol.Effects) {
	kept := protocol.Effects{Binding: slices.Clone(fx.Binding), Agreed: fx.Agreed, Bound: fx.Bound, Settled: fx.Settled, Append: slices.Clone(fx.Append), Vote: fx.Vote, View: fx.View}
	for _, snapshot := range []*protocol.Snapshot{fx.Base, fx.Reset} {
		if snapshot != nil {
			base := *snapshot
			base.Have = slices.Clone(base.Have)
			kept.Base = &base
		}
	}
	n.pending = append(n.pending, kept)
}

// load reads parked batches from the journal, or from what goes there.
func (s *storm) load(n *stormNode, batches []protocol.Batch) {
	for i := range batches {
		b := &batches[i]
		if b.Parked == 0 {
			continue
		}
		s.loaded++
		kept := n.kept(b)
		if kept == nil || !n.durable || kept.Time != b.Time || kept.Size() != b.Size() || kept.Count != b.Count {
			s.judge.fault("parked", "member %d wants %d/%d of %d bytes, which its journal does not have", n.id, b.Origin, b.Seq, b.Size())
			continue
		}
		*b = *kept
		b.Buffer = protocol.NewPool(1, 0).Get() // nobody counts it
	}
}

// kept finds a batch that was to be durable; nil if there is none.
func (n *stormNode) kept(b *protocol.Batch) *protocol.Batch {
	lists := [][]protocol.Batch{n.journal.Batches}
	for i := range n.pending {
		lists = append(lists, n.pending[i].Append)
	}
	for _, all := range lists {
		for i := range all {
			if k := &all[i]; k.Origin == b.Origin && k.Seq == b.Seq && k.Identity == b.Identity {
				return k
			}
		}
	}
	return nil
}

// sync makes durable what gathered.
func (n *stormNode) sync() {
	for i := range n.pending {
		fx, journal := &n.pending[i], &n.journal
		if fx.Binding != nil {
			journal.Binding = fx.Binding
		}
		journal.Agreed = journal.Agreed || fx.Agreed
		journal.Bound, journal.Settled = max(journal.Bound, fx.Bound), max(journal.Settled, fx.Settled)
		journal.Batches = append(journal.Batches, fx.Append...)
		if fx.Vote != nil {
			journal.Voted = fx.Vote
		}
		if fx.View != nil {
			journal.View = fx.View
			n.growBase(len(fx.View.Places))
		}
		if fx.Base != nil {
			journal.Base = *fx.Base
			if journal.View != nil {
				n.growBase(len(journal.View.Places))
			}
			journal.Batches = slices.DeleteFunc(journal.Batches, func(b protocol.Batch) bool {
				return b.Last() <= haveOf(&journal.Base, b.Origin)
			})
		}
	}
	n.pending = n.pending[:0]
}

// growBase makes room for places that a view adds in what the log begins with.
func (n *stormNode) growBase(places int) {
	base := &n.journal.Base
	if more := places - len(base.Have); more > 0 && len(base.Have) > 0 {
		base.Have = append(slices.Clip(base.Have), make([]uint64, more)...)
	}
}

// recover returns what the journal kept, with a reference to each batch.
func (n *stormNode) recover() *protocol.Recovered {
	r := n.journal
	r.Base.Have = slices.Clone(r.Base.Have)
	r.Binding = slices.Clone(r.Binding)
	r.Batches = slices.Clone(r.Batches)
	for i := range r.Batches {
		n.lend(&r.Batches[i])
	}
	return &r
}

// haveOf returns how much of a stream a snapshot stands for.
func haveOf(base *protocol.Snapshot, stream member.ID) uint64 {
	if int(stream) < len(base.Have) {
		return base.Have[stream]
	}
	return 0
}

// bound reports whether the member's present incarnation is the one that its place is
// tied to: the first one, or who is a member of its view.
func (n *stormNode) bound() bool {
	if n.view == nil {
		return n.identity < 100
	}
	return n.view.Has(n.identity)
}
