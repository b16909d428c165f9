package synod_test

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
)

// horizon returns the time up to which the node holds everything: the lowest
// promise of the streams that are open, or not held up to their cut yet.
func (n *node) horizon() clock.Time {
	lowest := clock.Infinity
	for p := range n.streams {
		place := &n.view.Places[p]
		if place.Role != member.Gone || n.streams[p].have() < place.Base {
			lowest = min(lowest, n.streams[p].promise)
		}
	}
	return lowest
}

// known returns what counts for settling of what a member holds, and its clock.
func (n *node) known(identity member.Identity) (have []uint64, time clock.Time) {
	if identity != n.identity {
		if r := n.rows[identity]; r != nil {
			return r.have, r.clock
		}
		return nil, 0
	}
	if n.synod.Wedged() && n.record != nil && n.mutant != wedgedSelfCounts {
		return n.record.Vote.Have, n.record.Vote.Clock
	}
	for p := range n.streams {
		have = append(have, n.streams[p].have())
	}
	return have, n.clock
}

// settle delivers what enough members are known to hold.
func (w *world) settle(n *node) {
	if n.synod.Halted() && n.mutant != survivorDelivers {
		return
	}
	holders := n.view.Holders()
	if n.view.Size() == 2 && w.mutant == oneOfTwo {
		holders = 1
	}
	if w.mutant == oneHolderLess {
		holders--
	}
	limit := n.horizon()
	if w.mutant != noClockQuorum {
		limit = min(limit, n.clockOf(holders))
	}
	for {
		p, time := n.next(limit)
		if p < 0 {
			break
		}
		if n.holders(p, n.streams[p].delivered+1) < holders {
			limit = time - 1
			break
		}
		s := &n.streams[p]
		s.delivered++
		n.order = append(n.order, entry{time, member.ID(p), s.delivered})
		w.judge.delivered(n, len(n.order)-1)
	}
	n.settled = max(n.settled, limit)
	w.judge.settled(n)
}

// next returns the stream of the next entry in the order, -1 if there is none
// up to a time.
func (n *node) next(limit clock.Time) (place int, first clock.Time) {
	place, first = -1, limit+1
	for p := range n.streams {
		if s := &n.streams[p]; s.delivered < s.have() && s.times[s.delivered-s.base] < first {
			place, first = p, s.times[s.delivered-s.base]
		}
	}
	return place, first
}

// clockOf returns the latest time that so many members are known to have passed.
func (n *node) clockOf(holders int) clock.Time {
	var clocks []clock.Time
	for _, p := range n.view.Places {
		if p.Role == member.Writer {
			_, time := n.known(p.Identity)
			clocks = append(clocks, time)
		}
	}
	slices.Sort(clocks)
	if holders == 0 {
		return clock.Infinity
	}
	return clocks[len(clocks)-holders]
}

// holders counts the members that are known to hold an entry.
func (n *node) holders(place int, seq uint64) int {
	count := 0
	for _, p := range n.view.Places {
		if p.Role == member.Writer {
			if have, _ := n.known(p.Identity); place < len(have) && have[place] >= seq {
				count++
			}
		}
	}
	return count
}

// trim notes what all members of the view are known to hold.
func (w *world) trim(n *node) {
	stable := min(n.horizon(), n.settled)
	for _, p := range n.view.Places {
		if p.Role != member.Writer || p.Identity == n.identity {
			continue
		}
		r := n.rows[p.Identity]
		if r == nil && n.mutant == stableOverPart {
			continue
		}
		if r == nil {
			return
		}
		stable = min(stable, r.horizon)
	}
	n.stable = max(n.stable, stable)
	for p := range n.streams {
		s := &n.streams[p]
		for s.trimmed < s.delivered && s.times[s.trimmed-s.base] <= n.stable {
			s.trimmed++
		}
	}
	w.judge.trimmed(w, n)
}

// install makes a view count.
func (w *world) install(n *node, v *member.View) {
	w.judge.decided(w, n, v)
	w.judge.installs(w, v)
	forced := v.ForcedAfter(n.view) != nil
	before := n.view.Number
	n.view, n.clock = v, max(n.clock, v.Clock)
	for len(n.streams) < len(v.Places) {
		n.streams = append(n.streams, stream{})
	}
	for p := range v.Places {
		place, s := &v.Places[p], &n.streams[p]
		cut := cutOf(place, before)
		s.former = s.trimmed
		if s.delivered > cut {
			w.judge.fault("taken back", "view %d cuts place %d at %d, but %s, which goes by it, delivered %d", v.Number, p, cut, n.name, s.delivered)
		}
		if s.have() > cut {
			s.times = s.times[:cut-s.base]
		}
		if back := place.ReturnAfter(before); back != nil {
			if s.promise = min(s.promise, back.Start); s.have() == cut {
				s.promise = back.Start
			}
			delete(n.rows, place.Identity)
		}
		for _, r := range n.rows {
			r.grow(len(v.Places))
			r.have[p] = min(r.have[p], cut)
		}
	}
	for _, r := range n.rows {
		r.horizon = 0
	}
	if forced {
		w.judge.delivered(n, 0)
	}
}

// cutOf returns where the stream of a place was cut first after a view.
func cutOf(p *member.Place, after uint64) uint64 {
	switch back := p.ReturnAfter(after); {
	case back != nil:
		return back.Cut
	case p.Role == member.Gone:
		return p.Base
	}
	return ^uint64(0)
}

// crash forgets all that is not durable; restart begins with the rest.
func (w *world) crash(n *node) {
	n.up = false
	n.rows, n.synod = map[member.Identity]*row{}, nil
}

func (w *world) restart(n *node) {
	n.up = true
	if n.view != nil {
		n.start(w.now)
		w.judge.remembers(n)
	}
}
