package check

import (
	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// agreement: the settled sequences of any two members are one a prefix of the
// other. Each delivery is compared with what anybody has delivered there.
func agreement(c *checker) rule {
	return func(e *trace.Event) {
		m := &c.past.members[e.Member]
		if m.older && (!m.out || e.Kind == trace.Install) {
			return
		}
		if e.Kind == trace.Install {
			c.judgeBrought(e, m)
			return
		}
		order := m.branch.order
		i, found := m.branch.find(e.Position)
		switch {
		case i > 0 && order[i-1].position+order[i-1].count > e.Position:
			c.violated(e, "delivers %d/%d after %d entries, where no batch begins; the one before begins after %d", e.Stream, e.Seq, e.Position, order[i-1].position)
			return
		case i < len(order) && !found && e.Position+e.Count > order[i].position:
			c.violated(e, "delivers %d/%d after %d entries, %d of them, and the next batch begins after %d", e.Stream, e.Seq, e.Position, e.Count, order[i].position)
			return
		case !found:
			return
		}
		want := &order[i]
		if want.stream != e.Stream || want.seq != e.Seq || want.count != e.Count || want.time != e.Time || want.hash != e.Hash || want.identity != e.Identity {
			c.violated(e, "after %d entries delivers %d/%d (%d entries) at time %d with content %x, another member %d/%d (%d entries) at time %d with content %x",
				e.Position, e.Stream, e.Seq, e.Count, uint64(e.Time), e.Hash,
				want.stream, want.seq, want.count, uint64(want.time), want.hash)
		}
	}
}

// judgeBrought compares what a member delivered with the order of the history that it
// goes over to.
func (c *checker) judgeBrought(e *trace.Event, m *witness) {
	if m.coming == m.branch {
		return
	}
	for _, p := range m.shown() {
		i, found := m.coming.find(p.position)
		if !found {
			continue
		}
		want := &m.coming.order[i]
		if p.stream != want.stream || p.seq != want.seq || p.count != want.count || p.time != want.time || p.hash != want.hash || p.identity != want.identity {
			c.violated(e, "goes over to a history in which %d/%d is after %d entries, where it delivered %d/%d", want.stream, want.seq, p.position, p.stream, p.seq)
			return
		}
	}
}

// key is a place in the total order.
type key struct {
	time   clock.Time
	origin member.ID
	seq    uint64
}

func (k key) before(other key) bool {
	switch {
	case k.time != other.time:
		return k.time < other.time
	case k.origin != other.origin:
		return k.origin < other.origin
	}
	return k.seq < other.seq
}

// appendOnly: a member's deliveries follow each other without a gap, with
// rising keys.
func appendOnly(c *checker) rule {
	last := make([]key, len(c.past.members))
	return func(e *trace.Event) {
		switch e.Kind {
		case trace.Start, trace.Crash:
			last[e.Member] = key{}
			return
		case trace.Reset:
			if e.Position < c.past.members[e.Member].position {
				c.violated(e, "goes back from %d entries to %d", c.past.members[e.Member].position, e.Position)
			}
			last[e.Member] = key{time: e.Time, origin: member.CountMax}
			return
		}
		next := key{e.Time, e.Stream, e.Seq}
		if !last[e.Member].before(next) {
			c.violated(e, "delivers %d/%d at time %d although %d/%d at time %d was delivered before", e.Stream, e.Seq, uint64(e.Time),
				last[e.Member].origin, last[e.Member].seq, uint64(last[e.Member].time))
		}
		if at := c.past.members[e.Member].position; e.Position != at {
			c.violated(e, "delivers at position %d after %d entries", e.Position, at)
		}
		last[e.Member] = next
	}
}

// nothingLate: what a member said to be complete stays as it is. A batch that
// is appended lies after the horizon of the published row and after all that
// was delivered.
func nothingLate(c *checker) rule {
	delivered := make([]key, len(c.past.members))
	return func(e *trace.Event) {
		switch e.Kind {
		case trace.Start:
			delivered[e.Member] = key{}
		case trace.Deliver:
			delivered[e.Member] = key{e.Time, e.Stream, e.Seq}
		case trace.Append:
			c.judgeLate(e, delivered[e.Member])
		}
	}
}

func (c *checker) judgeLate(e *trace.Event, delivered key) {
	m := &c.past.members[e.Member]
	if e.Seq <= m.published[e.Stream].Have {
		return // known before the restart: appended once more
	}
	if promise := m.published[e.Stream].Promise; e.Time <= promise {
		c.violated(e, "appends %d/%d at time %d after it promised %d for that stream", e.Stream, e.Seq, uint64(e.Time), uint64(promise))
	}
	if !delivered.before(key{e.Time, e.Stream, e.Seq}) {
		c.violated(e, "appends %d/%d at time %d after it delivered %d/%d at time %d", e.Stream, e.Seq, uint64(e.Time),
			delivered.origin, delivered.seq, uint64(delivered.time))
	}
}
