package check

import (
	"time"

	"chatterbox/trace"
)

// progress: where the links that work connect all members in the end,
// everything settles everywhere, and members know it.
func progress(c *court) rule {
	return func(e *trace.Event) {
		if e.Note != PhaseEnd || !c.past.header.Progress {
			return
		}
		for k := range c.past.members {
			m := &c.past.members[k]
			if m.final == nil || !m.final.Complete {
				c.violated(e, "member %d is not complete in the end: it holds %v of %d entries, delivered %d, and its horizon is %s",
					k, m.held, c.past.appended(), m.position, m.horizon())
			}
		}
	}
}

// printsInTime: at the deadline every member that runs has printed, whatever
// became of the others.
func printsInTime(c *court) rule {
	return func(e *trace.Event) {
		if e.Note != PhaseEnd {
			return
		}
		for k := range c.past.members {
			if m := &c.past.members[k]; m.running && !m.paused && m.final == nil {
				c.violated(e, "member %d runs and has not printed; it holds %v", k, m.held)
			}
		}
	}
}

// settlesInTime: while nothing fails, a batch is delivered everywhere within
// the time that the header names, during the send phase too.
func settlesInTime(c *court) rule {
	return func(e *trace.Event) {
		if e.Kind == trace.Deliver {
			c.judgeDelay(e)
			return
		}
		if e.Note == PhaseSend {
			return
		}
		for k := range c.past.members {
			if m := &c.past.members[k]; m.running {
				c.judgeWaiting(e, k, m)
			}
		}
	}
}

func (c *court) judgeDelay(e *trace.Event) {
	s := c.past.streams[e.Stream].of(e.Identity)
	if s == nil || e.Count == 0 {
		return
	}
	if b := s.find(e.Seq); b != nil && e.At > c.deadline(b.at) {
		c.violated(e, "delivers %d/%d %v after it was appended, %v are allowed", e.Stream, e.Seq, e.At-b.at, c.past.header.SettleWithinNs)
	}
}

// judgeWaiting finds a batch that should have been delivered by now, at the
// end of a phase.
func (c *court) judgeWaiting(e *trace.Event, k int, m *witness) {
	delivered := make([]uint64, len(c.past.streams))
	for i := range m.place {
		p := &c.past.order[i]
		delivered[p.stream] = p.end() - 1
	}
	for j := range c.past.streams {
		s := &c.past.streams[j]
		if i := s.after(delivered[j]); i < len(s.batches) && e.At > c.deadline(s.batches[i].at) {
			c.violated(e, "member %d has not delivered %d/%d, %v after it was appended; its horizon is %s",
				k, j, s.batches[i].seq, e.At-s.batches[i].at, m.horizon())
			return
		}
	}
}

// deadline gives when what was appended then must be settled: after a
// disturbance the time counts from there.
func (c *court) deadline(appended time.Duration) time.Duration {
	return max(appended, c.past.healedAt, startUp) + c.past.header.SettleWithinNs
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

// quietEnd: after the last settling traffic falls to keep-alives, and logs
// become empty.
func quietEnd(c *court) rule {
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
			if e.Note == PhaseEnd && c.past.header.Progress && e.At > settled+quietAfter+quietWindowLeast {
				c.judgeQuiet(e, e.At-settled-quietAfter, sent)
			}
		}
	}
}

func (c *court) judgeQuiet(e *trace.Event, window time.Duration, sent []uint64) {
	header := &c.past.header
	beats := uint64(window/max(header.KeepAliveNs, 1)) + 1
	allowed := quietFactor * beats * uint64(len(c.past.members)-1)
	for k := range c.past.members {
		if header.KeepAliveNs > 0 && sent[k] > allowed {
			c.violated(e, "member %d sent %d messages in the last %v, although everything was settled; keep-alives are %d", k, sent[k], window, allowed/quietFactor)
		}
		if left := c.past.members[k].sample.Bytes; left > 0 {
			c.violated(e, "member %d still keeps %d bytes of batches that are settled everywhere", k, left)
		}
	}
}
