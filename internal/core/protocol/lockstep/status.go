package lockstep

import (
	"iter"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Tentative returns what is held and not delivered, in order: committed,
// buffered, and the own batch in flight.
func (l *Lockstep) Tentative() iter.Seq[*protocol.Batch] {
	return func(yield func(*protocol.Batch) bool) {
		for i := range l.held {
			if !yield(&l.held[i]) {
				return
			}
		}
	}
}

// Status describes the member.
func (l *Lockstep) Status() protocol.Status {
	s := protocol.Status{
		Self: l.config.Self, Identity: l.config.Identity,
		Horizon: l.horizon(), Settled: l.settled(), Stable: l.stable,
		Agreed: l.roster.Agreed(), Reader: l.roster.Observes(),
		LogBytes: l.writer.waiting.Size(),
		Tally:    l.tally, Findings: l.roster.Findings(l.shown, l.isObserved, l.heardOfAgreement),
	}
	for id := range l.streams {
		p := &l.peers[id]
		s.Held = append(s.Held, l.mark(member.ID(id)))
		s.Known = append(s.Known, slices.Clone(p.bound.marks))
		s.Heard = append(s.Heard, member.ID(id) == l.config.Self || l.heard(p))
		s.Trimmed = append(s.Trimmed, l.streams[id].delivered)
	}
	s.Known[l.config.Self] = slices.Clone(s.Held)
	for i := range l.held {
		s.LogBytes += l.held[i].Size()
	}
	s.Complete = !s.Reader && s.Settled == clock.Infinity
	s.Done = s.Complete && l.stable == clock.Infinity && l.allTold()
	return s
}

// allTold reports whether every peer that is there says that all is stable for ever, so that
// this member may leave. Who has left had heard that of all who were there.
func (l *Lockstep) allTold() bool {
	return l.all(func(_ member.ID, p *peer) bool {
		return p.bound.stable == clock.Infinity || !p.link.up || !l.heard(p)
	})
}

// settled is the time up to which everything is delivered, or could be.
func (l *Lockstep) settled() clock.Time {
	settled := l.horizon()
	if len(l.held) > 0 {
		settled = min(settled, l.held[0].Time-1)
	}
	if !l.roster.Agreed() {
		return 0
	}
	return settled
}

// Committed returns of each stream how many entries are known to be held by
// every member.
func (l *Lockstep) Committed() []uint64 {
	committed := make([]uint64, l.roster.Len())
	for id := range l.streams {
		committed[id] = l.streams[id].committed()
	}
	return committed
}
