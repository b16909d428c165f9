package check

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// oneView: one number is one view, and nobody goes back to an older one.
func oneView(c *checker) rule {
	return func(e *trace.Event) {
		if e.Kind == trace.Start {
			return
		}
		if lineage, known := c.past.views[e.Number]; known && lineage != e.Hash {
			c.violated(e, "goes by view %d of lineage %x, another member by one of lineage %x", e.Number, e.Hash, lineage)
		}
		if before := c.past.members[e.Member].view; e.Number < before {
			c.violated(e, "goes by view %d after it went by view %d", e.Number, before)
		}
	}
}

// nothingTakenBack: where the stream of who was let go ends, all that anybody
// delivered of it lies before that.
func nothingTakenBack(c *checker) rule {
	last := make([]uint64, len(c.past.members))
	cuts := map[[2]int]uint64{} // by stream and how often its writer had come back
	anew := 0
	return func(e *trace.Event) {
		if anew != c.past.anew {
			anew = c.past.anew
			clear(last)
			clear(cuts)
		}
		m, end := &c.past.members[e.Member], c.past.ends[e.Stream]
		at := [2]int{int(e.Stream), m.returns[e.Stream]}
		cut, known := cuts[at]
		switch {
		case e.Kind == trace.Deliver:
			last[e.Stream] = max(last[e.Stream], e.Seq+e.Count-1)
			if end < last[e.Stream] {
				c.violated(e, "delivers %d/%d, although that stream ends after %d entries", e.Stream, e.Seq, end)
			}
		case known && e.Have != cut:
			c.violated(e, "ends stream %d after %d entries, another member after %d", e.Stream, e.Have, cut)
		case known:
		case e.Have < last[e.Stream]:
			c.violated(e, "ends stream %d after %d entries, of which %d were delivered", e.Stream, e.Have, last[e.Stream])
		default:
			cuts[at] = e.Have
		}
	}
}

// stays: nobody was away from a quorum for long, so nobody is let go.
func stays(c *checker) rule {
	return func(e *trace.Event) {
		if e.Number > 1 {
			c.violated(e, "goes by view %d of %d members, although nobody was away for so long", e.Number, e.Count)
		}
	}
}

// ballots are the highest ones of a vote for what follows a view.
type ballots struct{ view, promised, accepted uint64 }

// votesRemembered: what was said of a vote only rises.
func votesRemembered(c *checker) rule {
	said := map[member.Identity]ballots{}
	return func(e *trace.Event) {
		identity := c.past.members[e.Member].identity
		before, now := said[identity], ballots{e.Number, e.Session, e.Seq}
		if now.view == before.view && (now.promised < before.promised || now.accepted < before.accepted) || now.view < before.view {
			c.violated(e, "says that of what follows view %d it promised %d and accepted %d, after %+v", now.view, now.promised, now.accepted, before)
		}
		said[identity] = now
	}
}

// readersCountNowhere: who goes by a view in which it does not count, for it was let
// go, has just joined, or only reads, adds nothing to the order. For whom it may vote,
// which is a view in which it counts, is judged where views are chosen.
func readersCountNowhere(c *checker) rule {
	cuts := make([]uint64, len(c.past.members)) // of the own stream, by the view that a member goes by
	for i := range cuts {
		cuts[i] = endless
	}
	return func(e *trace.Event) {
		cut := &cuts[e.Member]
		switch {
		case e.Kind == trace.Start, e.Kind == trace.Install:
			*cut = endless
		case *cut == endless && e.Kind != trace.Ends:
		case e.Kind == trace.Ends && e.Stream == e.Member:
			*cut = e.Have
		case e.Kind == trace.Append && e.Stream == e.Member && e.Seq+e.Count-1 > *cut:
			c.violated(e, "appends %d/%d as its own, although it does not count, and its stream ends after %d entries", e.Stream, e.Seq, *cut)
		}
	}
}
