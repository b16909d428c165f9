package check

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// settlesInTime: while nothing fails, a batch is delivered everywhere within
// the time that the header names, during the send phase too.
func settlesInTime(c *checker) rule {
	within, longest := c.past.header.SettleWithinNs, time.Duration(0)
	return func(e *trace.Event) {
		longest = max(longest, c.judgePace(e, within, c.past.healedAt))
		if e.Kind == trace.Phase && e.Note == PhaseEnd {
			c.costs(costSettle, float64(longest)/float64(within))
		}
	}
}

// goesOn: the same of those that are left, where some are gone for good, or for a while
// as planned.
func goesOn(c *checker) rule {
	return func(e *trace.Event) { c.judgePace(e, c.past.header.GoesOnWithinNs, c.past.endedAt) }
}

// judgePace judges how long batches take, when they are delivered, and those that
// wait at the end of a phase: from a time on, and from when the member began. It returns
// how long this one took.
func (c *checker) judgePace(e *trace.Event, within, from time.Duration) time.Duration {
	from = max(from, startUp)
	if e.Kind == trace.Deliver {
		return c.judgeDelay(e, within, max(from, c.past.members[e.Member].startedAt))
	}
	for k := range c.past.members {
		if m := &c.past.members[k]; m.running && !m.paused && e.Note != PhaseSend {
			c.judgeWaiting(e, k, m, within, max(from, m.startedAt))
		}
	}
	return 0
}

// judgeDelay returns how long the batch took, from when it could settle.
func (c *checker) judgeDelay(e *trace.Event, within, from time.Duration) time.Duration {
	b := c.batch(e)
	if b == nil {
		return 0
	}
	late := e.At - max(b.at, from) - within
	if late > 0 {
		c.violated(e, "delivers %d/%d %v after it was appended, %v are allowed", e.Stream, e.Seq, e.At-b.at, within)
	}
	return late + within
}

// batch returns the batch that is delivered; nil if there is none.
func (c *checker) batch(e *trace.Event) *batch {
	s := c.past.streams[e.Stream].of(e.Identity)
	if s == nil || e.Count == 0 {
		return nil
	}
	return s.find(e.Seq)
}

// healTime measures how long after the heal all that was written before it has
// settled everywhere. It is no promise: links may be long.
func healTime(c *checker) rule {
	healed, settled := time.Duration(-1), time.Duration(0)
	return func(e *trace.Event) {
		switch {
		case e.Kind == trace.Deliver && healed >= 0:
			if b := c.batch(e); b != nil && b.at <= healed {
				settled = e.At
			}
		case e.Kind == trace.Phase && e.Note == PhaseHeal:
			healed, settled = e.At, e.At
		case e.Kind == trace.Phase && e.Note == PhaseEnd && healed >= 0:
			c.costs(costHeal, (settled - healed).Seconds())
		}
	}
}

// judgeWaiting finds a batch that should have been delivered by now, at the
// end of a phase.
func (c *checker) judgeWaiting(e *trace.Event, k int, m *witness, within, from time.Duration) {
	delivered := make([]uint64, len(c.past.streams))
	next, _ := m.branch.find(m.position)
	for i := range next {
		p := &m.branch.order[i]
		delivered[p.stream] = p.end() - 1
	}
	for j := range c.past.streams {
		s := &c.past.streams[j]
		if i := s.after(delivered[j]); i < len(s.batches) && e.At > max(s.batches[i].at, from)+within && s.batches[i].seq <= m.branch.ends[j] {
			horizon, by := m.horizon()
			c.violated(e, "member %d has not delivered %d/%d, %v after it was appended; its horizon is %s, set by stream %d",
				member.ID(k), member.ID(j), s.batches[i].seq, e.At-s.batches[i].at, horizon, by)
			return
		}
	}
}

// startUp is how long members may take to find out who is who; nothing settles
// before.
const startUp = 500 * time.Millisecond

// Once everything is settled, members get so long to tell each other that it
// is; from then on only keep-alives may pass, of which twice the number is
// allowed, for members answer some of them.
const (
	quietAfter       = time.Second
	quietFactor      = 2
	quietWindowLeast = 500 * time.Millisecond
)

// quietEnd: after the last settling traffic falls to keep-alives.
func quietEnd(c *checker) rule {
	var settled time.Duration
	sent := make([]uint64, len(c.past.members))
	return func(e *trace.Event) {
		switch e.Kind {
		case trace.Deliver, trace.Append, trace.Start, trace.Fault, trace.Resume:
			settled = e.At
			clear(sent)
		case trace.Send:
			if e.At > settled+quietAfter {
				sent[e.Member]++
			}
		case trace.Phase:
			if c.isQuiet(e, settled) {
				c.judgeQuiet(e, e.At-settled-quietAfter, sent)
			}
		}
	}
}

// isQuiet reports whether a run ends, and long after everything had settled.
func (c *checker) isQuiet(e *trace.Event, settled time.Duration) bool {
	return e.Note == PhaseEnd && c.past.header.Progress && !c.past.parted() && e.At > settled+quietAfter+quietWindowLeast
}

// logsEmpty: after the last settling nobody keeps batches.
func logsEmpty(c *checker) rule {
	var settled time.Duration
	return func(e *trace.Event) {
		if e.Kind != trace.Phase {
			settled = e.At
			return
		}
		for k := range c.past.members {
			m := &c.past.members[k]
			if left := m.sample.Bytes; left > 0 && m.running && !m.paused && c.isQuiet(e, settled) {
				c.violated(e, "member %d still keeps %d bytes of batches that are settled everywhere", member.ID(k), left)
			}
		}
	}
}

func (c *checker) judgeQuiet(e *trace.Event, window time.Duration, sent []uint64) {
	header := &c.past.header
	beats := uint64(window/max(header.KeepAliveNs, 1)) + 1
	expected := beats * uint64(len(c.past.members)-1)
	if header.KeepAliveNs == 0 || expected == 0 {
		return
	}
	c.costs(costQuiet, float64(slices.Max(sent))/float64(expected))
	allowed := quietFactor * expected
	for k := range c.past.members {
		if sent[k] > allowed {
			c.violated(e, "member %d sent %d messages in the last %v, although everything was settled; keep-alives are %d", member.ID(k), sent[k], window, allowed/quietFactor)
		}
	}
}
