package check

import (
	"slices"
	"sort"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// branch is a history: that of the founders, or one that was forced to go on from
// another one without its quorum. Members whose histories have parted are compared with
// others of their own one only.
type branch struct {
	from   *branch // nil: it is that of the founders
	number uint64  // of the view that was forced
	hash   uint64  // tells it from others that were forced after the same view
	parts  []*branch

	views  map[uint64]uint64 // lineages by number
	order  []placed          // the batches delivered at its foremost member, from 0
	near   int               // the index that was found last
	ends   []uint64          // of each stream how many entries it has, if who wrote it was let go; else as many as there can be
	endsAt []uint64          // in the view of which number
}

func newBranch(from *branch, members int) *branch {
	return &branch{from: from, views: map[uint64]uint64{}, ends: slices.Repeat([]uint64{endless}, members), endsAt: make([]uint64, members)}
}

// isWithin reports whether a history is another one, or was forced to go on from it.
func (b *branch) isWithin(other *branch) bool {
	for ; b != nil; b = b.from {
		if b == other {
			return true
		}
	}
	return false
}

// first returns the history of the founders.
func (b *branch) first() *branch {
	for b.from != nil {
		b = b.from
	}
	return b
}

// find returns the index in the order of the batch at a position, and reports whether
// anybody has delivered it. A state that came from a peer may stand for batches that
// nobody has delivered yet: who sent it is about to.
func (b *branch) find(position uint64) (index int, found bool) {
	switch n := len(b.order); {
	case b.near < n && b.order[b.near].position == position:
		return b.near, true // several rules look at one event
	case n == 0 || b.order[n-1].position < position:
		return n, false // it is the foremost
	}
	b.near = sort.Search(len(b.order), func(i int) bool { return b.order[i].position >= position })
	return b.near, b.order[b.near].position == position
}

// end notes that a stream ends in the view of a number, after so many entries.
func (b *branch) end(stream member.ID, have, number uint64) {
	if number >= b.endsAt[stream] {
		b.ends[stream], b.endsAt[stream] = have, number
	}
}

// noteForced follows the history of the view that is told next.
func (h *history) noteForced(m *witness, e *trace.Event) {
	for _, part := range m.coming.parts {
		if part.number == e.Number && part.hash == e.Hash {
			m.coming = part
			return
		}
	}
	part := newBranch(m.coming, len(h.members))
	part.number, part.hash = e.Number, e.Hash
	m.coming.parts = append(m.coming.parts, part)
	m.coming, h.newest = part, part
}

// shown returns what a member delivered in the history that it goes by, before a restart
// too: until it is told a view of another one again it goes by that of the founders.
func (m *witness) shown() []placed {
	if m.showedIn != nil && m.showedIn.isWithin(m.branch) && m.showed > m.position && m.showedIn != m.coming {
		i, _ := m.showedIn.find(m.showed)
		return m.showedIn.order[:i]
	}
	i, _ := m.branch.find(m.position)
	return m.branch.order[:i]
}

// noteBranch has a member go by the history that was told: what it delivered is in the
// order of that.
func (h *history) noteBranch(m *witness) {
	next := m.coming
	m.coming = h.founded
	if next == m.branch {
		return
	}
	for _, p := range m.shown() {
		if i, found := next.find(p.position); !found {
			next.order = slices.Insert(next.order, i, p)
		}
	}
	m.branch = next
}

// parted reports whether members that run go by different histories.
func (h *history) parted() bool {
	var one *branch
	for i := range h.members {
		if m := &h.members[i]; m.running && one != nil && m.branch != one {
			return true
		} else if m.running {
			one = m.branch
		}
	}
	return false
}

// neverMixed: what was written in one history is in no other one, unless that was forced to
// go on from it.
func neverMixed(c *checker) rule {
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		b := c.past.written(e.Stream, e.Identity, e.Seq)
		if b != nil && b.branch.first() == m.branch.first() && !m.branch.isWithin(b.branch) { // else it is of a cluster that all forgot
			c.violated(e, "takes %d/%d, which was written in another history, forced in view %d, and goes by view %d itself", e.Stream, e.Seq, b.branch.number, m.view)
		}
	}
}

// keptByForce: who goes on by force holds all that the statement of that says is kept.
func keptByForce(c *checker) rule {
	stated := make([]map[member.ID]uint64, len(c.past.members))
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		switch {
		case e.Kind == trace.Start, e.Kind == trace.Install:
			stated[e.Member] = nil
			if e.Kind == trace.Install && e.Number > 1 && m.coming.number == e.Number {
				stated[e.Member] = map[member.ID]uint64{}
			}
		case stated[e.Member] == nil:
		case e.Kind == trace.Ends:
			stated[e.Member][e.Stream] = e.Have
		default:
			c.judgeKept(e, m, stated[e.Member])
			stated[e.Member] = nil
		}
	}
}

func (c *checker) judgeKept(e *trace.Event, m *witness, stated map[member.ID]uint64) {
	if m.gone.Has(e.Member) {
		return // it was left out, and is told what it lacks
	}
	for stream, kept := range stated {
		if m.held[stream] < kept {
			c.violated(e, "goes on by force in view %d with %d entries of stream %d, of which it holds %d", m.view, kept, stream, m.held[stream])
		}
	}
}
