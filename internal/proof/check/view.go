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
		if lineage, known := c.past.members[e.Member].coming.views[e.Number]; known && lineage != e.Hash {
			c.violated(e, "goes by view %d of lineage %x, another member by one of lineage %x", e.Number, e.Hash, lineage)
		}
		if before := c.past.members[e.Member].view; e.Number < before {
			c.violated(e, "goes by view %d after it went by view %d", e.Number, before)
		}
	}
}

// endAt is an end of a stream: in which history, and how often its writer had come back.
type endAt struct {
	in      *branch
	stream  member.ID
	returns int
}

// nothingTakenBack: where the stream of who was let go ends, all that anybody
// delivered of it in that history lies before that.
func nothingTakenBack(c *checker) rule {
	last := map[*branch][]uint64{} // entries that were delivered
	cuts := map[endAt]uint64{}
	raise := func(in *branch, stream member.ID, entries uint64) {
		if last[in] == nil {
			last[in] = make([]uint64, len(c.past.members))
		}
		last[in][stream] = max(last[in][stream], entries)
	}
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		if e.Kind == trace.Install {
			for _, p := range m.shown() {
				raise(m.coming, p.stream, p.end()-1)
			}
			return
		}
		if raise(m.branch, e.Stream, 0); e.Kind == trace.Deliver {
			raise(m.branch, e.Stream, e.Seq+e.Count-1)
		}
		shown, end := last[m.branch][e.Stream], m.branch.ends[e.Stream]
		at := endAt{m.branch, e.Stream, m.returns[e.Stream]}
		cut, known := cuts[at]
		switch {
		case e.Kind == trace.Deliver:
			if end < shown {
				c.violated(e, "delivers %d/%d, although that stream ends after %d entries", e.Stream, e.Seq, end)
			}
		case known && e.Have != cut:
			c.violated(e, "ends stream %d after %d entries, another member after %d", e.Stream, e.Have, cut)
		case known:
		case e.Have < shown:
			c.violated(e, "ends stream %d after %d entries, of which %d were delivered", e.Stream, e.Have, shown)
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
