package check

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// durableFirst: a crash at any moment lowers nothing that was published. What
// a message says is held is held by then, durably with a journal; and after a
// restart with the data it still is.
func durableFirst(c *checker) rule {
	before := make([][]member.Identity, len(c.past.members)) // whose entries a restarted member held; nil: judged, or no restart
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		switch e.Kind {
		case trace.Start:
			before[e.Member] = nil
			if m.identity == e.Identity {
				before[e.Member] = slices.Clone(m.writers)
			}
			return
		case trace.Recover:
			writer := e.Stream == e.Member && c.past.ownOf(e.Stream, m.identity) != nil
			if writer && before[e.Member] != nil && m.published[e.Stream].Promise < clock.Infinity && e.Time < m.published[e.Stream].Promise {
				c.violated(e, "comes back with clock bound %d after it promised %d", uint64(e.Time), uint64(m.published[e.Stream].Promise))
			}
			return
		}
		if before[e.Member] != nil {
			c.judgeRestart(e, before[e.Member])
			before[e.Member] = nil
		}
		if held := m.held[e.Stream]; e.Kind == trace.Publish && e.Have > held {
			c.violated(e, "says that it holds %d entries of stream %d, of which %d are durable", e.Have, e.Stream, held)
		}
	}
}

// judgeRestart compares what came back with what was published before. Entries
// of a life that turned out not to count need not come back: a crash can come
// between learning that and beginning anew.
func (c *checker) judgeRestart(e *trace.Event, before []member.Identity) {
	m := &c.past.members[e.Member]
	for j, held := range m.held {
		another := c.past.members[j].identities > 1 && before[j] != 0 && c.past.counted[j] != before[j]
		if said := m.published[j].Have; said > held && !another {
			c.violated(e, "came back with %d entries of stream %d after it said that it holds %d", held, member.ID(j), said)
		}
	}
}

// belowTruth: what a member believes of a peer is no more than the peer holds
// and said, and never becomes less.
func belowTruth(c *checker) rule {
	beliefs := newBeliefs(len(c.past.members))
	return func(e *trace.Event) {
		if e.Kind == trace.Start || e.Kind == trace.Install {
			beliefs.forget(e.Member)
			return
		}
		if e.Peer == e.Member {
			return
		}
		peer := &c.past.members[e.Peer]
		if peer.older {
			return // what it says is not held to what it was
		}
		if truth := peer.ever[e.Stream]; e.Have > truth {
			c.violated(e, "believes that member %d holds %d entries of stream %d, of which it holds %d", e.Peer, e.Have, e.Stream, truth)
		}
		if truth := peer.spoken[e.Stream].Promise; e.Promise > truth {
			c.violated(e, "believes that member %d promises %d for stream %d, for which it promised %d", e.Peer, uint64(e.Promise), e.Stream, uint64(truth))
		}
		if peer.identities > 1 || c.past.members[e.Stream].identities > 1 {
			return // what was believed may have been about another life
		}
		before := beliefs.note(e)
		if peer.starts > 1 {
			before.Promise = 0 // what it promised for others no journal keeps
		}
		if e.Have < before.Have || e.Promise < before.Promise {
			c.violated(e, "believed that member %d holds %d entries of stream %d with promise %d, and now %d with promise %d",
				e.Peer, before.Have, e.Stream, uint64(before.Promise), e.Have, uint64(e.Promise))
		}
	}
}

// believersMax is up to how many members beliefs are remembered: the memory
// grows with the third power.
const believersMax = 64

// beliefs remembers what each member believed of each peer and stream.
type beliefs struct {
	members int // 0: too many
	marks   []clock.Mark
}

func newBeliefs(members int) *beliefs {
	if members > believersMax {
		return &beliefs{}
	}
	return &beliefs{members, make([]clock.Mark, members*members*members)}
}

// forget forgets what a member believed, which starts anew.
func (b *beliefs) forget(id member.ID) {
	if n := b.members * b.members; n > 0 {
		clear(b.marks[int(id)*n : (int(id)+1)*n])
	}
}

// note takes up a belief and gives the one before.
func (b *beliefs) note(e *trace.Event) clock.Mark {
	if b.members == 0 {
		return clock.Mark{}
	}
	mark := &b.marks[(int(e.Member)*b.members+int(e.Peer))*b.members+int(e.Stream)]
	before := *mark
	*mark = clock.Mark{Have: e.Have, Promise: e.Promise}
	return before
}

// truePromises: no batch of the stream with the promised time or less lies
// outside the entries that the promise names, ever. A life whose place belongs
// to another one may promise for a stream that does not count. Where a stream goes on
// behind a cut, what was promised before is taken back to where it begins.
func truePromises(c *checker) rule {
	promised, opened := make([]clock.Time, len(c.past.members)), make([]cutOff, len(c.past.members))
	return func(e *trace.Event) {
		origin := &c.past.members[e.Stream]
		s := &c.past.streams[e.Stream]
		switch {
		case e.Kind == trace.Opens:
			if in := c.past.members[e.Member].branch; e.Number > opened[e.Stream].number || in != opened[e.Stream].branch && in.isWithin(opened[e.Stream].branch) {
				opened[e.Stream], promised[e.Stream] = cutOff{number: e.Number, branch: in}, min(promised[e.Stream], e.Promise)
			}
		case e.Kind == trace.Start:
			if origin := &c.past.members[e.Member]; origin.identity != e.Identity {
				promised[e.Member] = 0
			}
		case e.Kind == trace.Append:
			if c.past.isOwn(e) && e.Seq > c.past.ownOf(e.Stream, origin.identity).length() && e.Time <= promised[e.Stream] {
				c.violated(e, "appends its own %d/%d at time %d, for which %d was promised", e.Stream, e.Seq, uint64(e.Time), uint64(promised[e.Stream]))
			}
		case c.past.members[e.Member].gone.Has(e.Stream), opened[e.Stream].isAhead(&c.past.members[e.Member]): // nothing beyond its end counts
		case e.Stream == e.Member && c.past.ownOf(e.Stream, origin.identity) == nil:
			promised[e.Stream] = max(promised[e.Stream], e.Promise)
		case origin.identities > 1:
		default:
			promised[e.Stream] = max(promised[e.Stream], e.Promise)
			c.judgePromise(e, s)
		}
	}
}

func (c *checker) judgePromise(e *trace.Event, s *stream) {
	if i := s.after(e.Have); i < len(s.batches) && s.batches[i].time <= e.Promise {
		c.violated(e, "promises time %d for stream %d with %d entries, but %d/%d has time %d",
			uint64(e.Promise), e.Stream, e.Have, e.Stream, s.batches[i].seq, uint64(s.batches[i].time))
	}
}

// trimmedIsHeld: what a member forgets, every member held durably.
func trimmedIsHeld(c *checker) rule {
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		for k := range c.past.members {
			if held := c.past.heldBy(k, e.Stream, m.branch); held < e.Have && !m.gone.Has(member.ID(k)) && m.branch.isWithin(c.past.members[k].branch) {
				c.violated(e, "forgets %d entries of stream %d, of which member %d only held %d", e.Have, e.Stream, member.ID(k), held)
			}
		}
	}
}

// heldByEnough: what a member delivers, as many members hold as must.
func heldByEnough(c *checker) rule {
	return func(e *trace.Event) {
		holders, must := 0, c.past.header.Holders
		if size := c.past.members[e.Member].size; size > 0 {
			must = member.Holders(size)
		}
		for k := range c.past.members {
			if c.past.heldBy(k, e.Stream, c.past.members[e.Member].branch) >= e.Seq+e.Count-1 {
				holders++
			}
		}
		if holders < must {
			c.violated(e, "delivers %d/%d, which %d members hold, and %d must", e.Stream, e.Seq, holders, must)
		}
	}
}
