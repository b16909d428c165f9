package check

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// progress: where the links that work connect all members in the end,
// everything settles everywhere, and members know it.
func progress(c *checker) rule {
	return func(e *trace.Event) {
		if e.Note != PhaseEnd || !c.past.header.Progress || c.past.parted() {
			return
		}
		for k := range c.past.members {
			m := &c.past.members[k]
			if (m.final == nil || !m.final.Complete) && !c.past.isGone(member.ID(k)) {
				horizon, by := m.horizon()
				c.violated(e, "member %d is not complete in the end: it holds %v of %d entries, delivered %d, and its horizon is %s, set by stream %d",
					member.ID(k), m.held, c.past.appended(), m.position, horizon, by)
			}
		}
	}
}

// printsInTime: at the deadline every member that runs has printed, whatever
// became of the others.
func printsInTime(c *checker) rule {
	return func(e *trace.Event) {
		if e.Note != PhaseEnd {
			return
		}
		for k := range c.past.members {
			if m := &c.past.members[k]; m.running && !m.paused && m.final == nil {
				c.violated(e, "member %d runs and has not printed; it holds %v", member.ID(k), m.held)
			}
		}
	}
}

// isGone reports whether who had a place was let go.
func (h *history) isGone(place member.ID) bool { return h.newest.ends[place] != endless }
