package explore

import (
	"fmt"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// String returns the batch as origin/seq@time, with the life that wrote it.
func (f fact) String() string {
	return fmt.Sprintf("%s/%d@%s of %d", member.Letter(f.origin), f.seq, f.time, uint64(f.identity))
}

// judge looks at all members at once, who know less together than it does
// alone. It gives the first broken promise, nil if there is none.
func (w *world) judge(nodes []*node) *Fault {
	c := checker{nodes: nodes, acquainted: w.config.Acquainted}
	for _, n := range nodes {
		c.content(n)
		c.trimmed(n)
		for j := range n.view.held {
			c.promise(n, j)
		}
		for k, other := range nodes {
			if other != n {
				c.agreement(n, other)
				c.belief(n, k)
			}
		}
	}
	c.apart()
	c.views()
	return c.found
}

type checker struct {
	nodes []*node
	// acquainted says that all agreed on the first lives before the search
	// began, so that these are the ones that count.
	acquainted bool
	found      *Fault
}

// meant returns the lives of a member that another one may mean by its name.
// Who does not know yet who counts may mean any of them, itself for one.
func (c *checker) meant(by, whom *node) []past {
	if c.acquainted && by.view.agreed {
		return whom.lives[:1]
	}
	return whom.lives
}

// held returns the most that a life that may be meant ever held and promised.
func (c *checker) held(by, whom *node, stream int) clock.Mark {
	var most clock.Mark
	for _, life := range c.meant(by, whom) {
		most = most.Merge(life.marks[stream])
	}
	return most
}

func (c *checker) fault(check, format string, args ...any) {
	if c.found == nil {
		c.found = &Fault{Check: check, Text: fmt.Sprintf(format, args...)}
	}
}

// agreement: what any two members were told, in this life or before, is one a
// prefix of the other.
func (c *checker) agreement(n, other *node) {
	for _, mine := range []*app{&n.app, &n.before} {
		for _, theirs := range []*app{&other.app, &other.before, &n.app} {
			if at, differs := mine.differs(theirs); differs {
				c.fault("agreement", "%s and %s were told different orders: %v and %v differ by entry %d",
					member.Letter(n.self), member.Letter(other.self), mine.delivered, theirs.delivered, at)
				return
			}
		}
	}
}

// content: whatever is held was written by its origin, exactly so.
func (c *checker) content(n *node) {
	for i := range n.view.facts {
		f := &n.view.facts[i]
		if int(f.origin) >= len(c.nodes) || !c.nodes[f.origin].wrote(f) {
			c.fault("one-content", "%s holds %s, which its origin did not write so", member.Letter(n.self), f)
		}
	}
}

func (n *node) wrote(f *fact) bool {
	for i := range n.written {
		if n.written[i] == *f {
			return true
		}
	}
	return false
}

// promise: every batch of a stream with a promised time is among the entries
// that the promise presumes.
func (c *checker) promise(n *node, stream int) {
	if n.isGone(stream) {
		return // nothing beyond its end counts
	}
	mark, origin := n.view.held[stream], c.nodes[stream]
	if v := n.view.is; v != nil && v.Number > 1 {
		if outside := origin.beyondIn(v, mark.Have, uint64(mark.Promise)); outside != nil {
			c.fault("true-promises", "%s promises time %s of stream %s with %d entries, but there is %s",
				member.Letter(n.self), mark.Promise, member.Letter(origin.self), mark.Have, outside)
		}
		return
	}
	var outside *fact
	for _, life := range c.meant(n, origin) {
		missed := origin.beyond(life.identity, mark.Have, uint64(mark.Promise))
		if missed == nil {
			return
		}
		outside = missed
	}
	c.fault("true-promises", "%s promises time %s of stream %s with %d entries, but there is %s",
		member.Letter(n.self), mark.Promise, member.Letter(origin.self), mark.Have, outside)
}

// beyond returns a batch of one life that is not among the first have entries
// and has the time or an earlier one.
func (n *node) beyond(life member.Identity, have, time uint64) *fact {
	for i := range n.written {
		if f := &n.written[i]; f.identity == life && f.last() > have && uint64(f.time) <= time {
			return f
		}
	}
	return nil
}

// beyondIn returns the same of all that the member wrote and that is in its stream in a
// view.
func (n *node) beyondIn(v *member.View, have, time uint64) *fact {
	for i := range n.written {
		f := &n.written[i]
		if from, to := v.Span(n.self, f.identity); f.seq > from && f.last() <= to && f.last() > have && uint64(f.time) <= time {
			return f
		}
	}
	return nil
}

// belief: what a member takes another to hold and promise is no more than some
// life of it did.
func (c *checker) belief(n *node, k int) {
	if k >= len(n.view.known) {
		return // it knows of no such place
	}
	for j, mark := range n.view.known[k] {
		if truth := c.held(n, c.nodes[k], j); mark.Have > truth.Have || mark.Promise > truth.Promise {
			c.fault("below-truth", "%s takes %s to hold %d entries of stream %s and to promise %s, which holds %d and promises %s",
				member.Letter(n.self), member.Letter(member.ID(k)), mark.Have, member.Letter(member.ID(j)), mark.Promise, truth.Have, truth.Promise)
		}
	}
}

// trimmed: what a member forgets, or counts as committed, every member held.
func (c *checker) trimmed(n *node) {
	for _, list := range [][]uint64{n.view.trimmed, n.view.committed} {
		for j, have := range list {
			for k, other := range c.nodes {
				if held := c.held(n, other, j).Have; held < have && !n.isGone(k) {
					c.fault("trimmed-is-held", "%s needs nobody any more for %d entries of stream %s, of which %s holds only %d",
						member.Letter(n.self), have, member.Letter(member.ID(j)), member.Letter(member.ID(k)), held)
				}
			}
		}
	}
}

// isGone reports whether a place's member was let go, by the view of the node.
func (n *node) isGone(place int) bool {
	return n.view.is != nil && (place >= len(n.view.is.Places) || n.view.is.Places[place].Role == member.Gone)
}

// views: one number is one view, and none ends a stream before what anybody was
// told of it.
func (c *checker) views() {
	for _, n := range c.nodes {
		for _, other := range c.nodes {
			v, w := n.view.is, other.view.is
			if v != nil && w != nil && v.Number == w.Number && v.Lineage != w.Lineage {
				c.fault("one-view", "%s and %s go by two views %d", member.Letter(n.self), member.Letter(other.self), v.Number)
			}
			for _, told := range [][]fact{other.app.delivered, other.before.delivered} {
				for i := range told {
					f := &told[i]
					if v == nil || v.WriterOf(f.origin, f.identity) == 0 || !n.isGone(int(f.origin)) {
						continue // it may be of a later view
					}
					if f.last() > v.Places[f.origin].Base {
						c.fault("nothing-taken-back", "%s goes by view %d, which ends %s after %d entries; %s was told %s",
							member.Letter(n.self), v.Number, member.Letter(f.origin), v.Places[f.origin].Base, member.Letter(other.self), f)
					}
				}
			}
		}
	}
}

// newest returns the newest view of any of the nodes; nil if none has one.
func newest(nodes []*node) (newest *member.View) {
	for _, n := range nodes {
		if v := n.view.is; v != nil && (newest == nil || v.Number > newest.Number) {
			newest = v
		}
	}
	return newest
}

// apart: what is committed differs by at most one batch of each origin.
func (c *checker) apart() {
	for j := range c.nodes {
		low, high := ^uint64(0), uint64(0)
		for _, n := range c.nodes {
			if n.view.committed != nil && n.view.agreed && !n.view.reader {
				low, high = min(low, n.view.committed[j]), max(high, n.view.committed[j])
			}
		}
		if low < high && high-low > 1 {
			c.fault("one-apart", "of stream %s one member committed %d entries, another %d", member.Letter(member.ID(j)), low, high)
		}
	}
}
