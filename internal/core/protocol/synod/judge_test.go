package synod_test

import (
	"fmt"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// judge sees all nodes at once.
type judge struct {
	views  []*member.View          // that were installed anywhere
	orders map[member.Root][]entry // of each history the longest one that anybody delivered
	said   map[member.Identity]protocol.VoteRecord
}

// fault ends a run: what is wrong goes on to be wrong in other ways.
func (j *judge) fault(check, format string, args ...any) {
	panic(verdict(check + ": " + fmt.Sprintf(format, args...)))
}

// verdict says which check a run failed, and how.
type verdict string

// decided: there is one view of each number in a history; those that were forced apart
// from each other share no survivor, and nobody leaves what goes on with it by force.
func (j *judge) decided(w *world, n *node, v *member.View) {
	j.stays(n, v)
	for _, known := range j.views {
		switch {
		case known.Same(v):
			return
		case known.Number == v.Number && slices.Equal(known.Roots, v.Roots):
			j.fault("one view", "%s installs another view %d than was installed before: %+v, %+v", n.name, v.Number, v, known)
		case known.IsForced() && v.IsForced() && !known.Shares(v) && slices.ContainsFunc(v.Members(), known.Has):
			j.fault("survivor shared", "%s goes on by force in view %d with %v, which went on with %v", n.name, v.Number, v.Members(), known.Members())
		}
	}
	j.views = append(j.views, v)
	j.addresses(v)
	for _, other := range w.nodes {
		if v.IsForced() && other.view != nil && v.Has(other.identity) {
			j.stays(other, other.view)
		}
		if other.view != nil && follows(v, other.view) && other.settled > v.Clock {
			j.fault("time", "%s settled %d in view %d, but view %d has the time %d", other.name, other.settled, other.view.Number, v.Number, v.Clock)
		}
	}
}

// addresses: each is that of one member.
func (j *judge) addresses(v *member.View) {
	known := map[string]string{}
	for i := range v.Places {
		p := &v.Places[i]
		if other, has := known[p.Address]; has && p.Role == member.Writer {
			j.fault("address", "view %d has %s and %s at %s", v.Number, other, p.Name, p.Address)
		}
		if p.Role == member.Writer {
			known[p.Address] = p.Name
		}
	}
}

// moves returns how often a member had another address in one view than in the one
// before.
func (j *judge) moves() (count int) {
	for _, v := range j.views {
		for _, next := range j.views {
			if next.Number != v.Number+1 || !next.Continues(v) {
				continue
			}
			for place := range v.Places {
				if before, after := &v.Places[place], &next.Places[place]; before.Identity == after.Identity && before.Address != after.Address {
					count++
				}
			}
		}
	}
	return count
}

// stays: who is named by a force leaves for nothing else.
func (j *judge) stays(n *node, v *member.View) {
	for _, forced := range j.views {
		if forced.IsForced() && forced.Has(n.identity) && !forced.Shares(v) {
			j.fault("left", "%s goes by view %d of %v, and was to go on by force in view %d of %v", n.name, v.Number, v.Members(), forced.Number, forced.Members())
		}
	}
}

// follows reports whether a view comes after another one, and no force lies between.
func follows(v, older *member.View) bool { return v.Continues(older) && v.ForcedAfter(older) == nil }

// installs: nothing that was delivered anywhere is taken back.
func (j *judge) installs(w *world, v *member.View) {
	for _, other := range w.nodes {
		if other.view == nil || !follows(v, other.view) {
			continue
		}
		for p := range other.streams {
			if cut := cutOf(&v.Places[p], other.view.Number); other.streams[p].delivered > cut {
				j.fault("taken back", "view %d cuts place %d at %d, but %s delivered %d", v.Number, p, cut, other.name, other.streams[p].delivered)
			}
		}
	}
}

// settled: what a member says is settled is earlier than all that may be written
// in a later view.
func (j *judge) settled(n *node) {
	for _, v := range j.views {
		if follows(v, n.view) && n.settled > v.Clock {
			j.fault("time", "%s settles %d in view %d, but view %d has the time %d", n.name, n.settled, n.view.Number, v.Number, v.Clock)
		}
	}
	delivered := uint64(0)
	for p := range n.streams {
		delivered += n.streams[p].delivered
	}
	if delivered != uint64(len(n.order)) {
		j.fault("position", "%s delivered %d entries, which its positions say are %d", n.name, len(n.order), delivered)
	}
}

// reaches: what is trimmed was delivered.
func (j *judge) reaches(n *node, trimmed int) {
	if trimmed > len(n.order) {
		j.fault("position", "%s delivered %d entries and trimmed %d", n.name, len(n.order), trimmed)
	}
}

// delivered: all orders of a history are one.
func (j *judge) delivered(n *node, from int) {
	history := n.view.Roots[len(n.view.Roots)-1]
	order := j.orders[history]
	for i := from; i < len(n.order); i++ {
		if i == len(order) {
			order = append(order, n.order[i])
		}
		if i > len(order) || order[i] != n.order[i] {
			j.fault("order", "%s delivers %+v at %d, others %d entries", n.name, n.order[i], i+1, len(order))
			return
		}
	}
	j.orders[history] = order
	for i := max(from, 1); i < len(n.order); i++ {
		before, after := n.order[i-1], n.order[i]
		if after.time < before.time || after.time == before.time && after.place < before.place {
			j.fault("order", "%s delivers %+v after %+v", n.name, after, before)
		}
	}
}

// trimmed: all members hold it; who is new to the view at least what was trimmed
// in it, for it may get a snapshot of the rest.
func (j *judge) trimmed(w *world, n *node) {
	for _, p := range n.view.Places {
		if p.Role != member.Writer {
			continue
		}
		holder := w.nodes[p.Identity-1]
		if h := holder.view; h != nil && (!h.Shares(n.view) || h.Continues(n.view) && h.ForcedAfter(n.view) != nil) {
			continue // it is of another history
		}
		for i := range n.streams {
			s := &n.streams[i]
			if p.Since == n.view.Number && s.trimmed == s.former {
				continue
			}
			if i < len(holder.streams) && holder.streams[i].have() < s.trimmed {
				j.fault("trimmed", "%s trimmed %d entries of place %d, of which %s holds %d", n.name, s.trimmed, i, holder.name, holder.streams[i].have())
			}
		}
	}
}

// told: nothing is told that is not durable, and nothing that was told before
// is taken back.
func (j *judge) told(n *node, m *message) {
	if m.facts == nil {
		return
	}
	for i := range m.facts.Votes {
		v := &m.facts.Votes[i]
		if v.Identity != n.identity {
			continue
		}
		r := n.record
		if r == nil || r.Number != m.facts.Number || r.Vote.Promised != v.Promised || r.Vote.Accepted != v.Accepted {
			j.fault("durable", "%s tells the vote %+v, durable is %+v", n.name, v, r)
			continue
		}
		if j.said == nil {
			j.said = map[member.Identity]protocol.VoteRecord{}
		}
		before := j.said[n.identity]
		if before.Number == r.Number && before.Lineage == r.Lineage && (v.Promised.Compare(before.Vote.Promised) < 0 || v.Accepted.Compare(before.Vote.Accepted) < 0) {
			j.fault("forgotten", "%s said %+v and now says %+v", n.name, before.Vote, v)
		}
		j.said[n.identity] = *r
	}
}

// remembers: a restart lowers nothing that was told.
func (j *judge) remembers(n *node) {
	before, ok := j.said[n.identity]
	if !ok || before.Number != n.view.Number || before.Lineage != n.view.Lineage {
		return
	}
	f := n.synod.Choice()
	if f == nil || !n.synod.Wedged() {
		j.fault("forgotten", "%s said %+v and knows nothing of it after a restart", n.name, before.Vote)
		return
	}
	for _, v := range f.Votes {
		if v.Identity == n.identity && (v.Promised.Compare(before.Vote.Promised) < 0 || v.Accepted.Compare(before.Vote.Accepted) < 0) {
			j.fault("forgotten", "%s said %+v and after a restart %+v", n.name, before.Vote, v)
		}
	}
}
