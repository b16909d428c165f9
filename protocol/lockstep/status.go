package lockstep

import (
	"iter"
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
)

// Tentative gives what is held and not delivered, in order: committed,
// buffered, and the own batch in flight.
func (l *Lockstep) Tentative() iter.Seq[*protocol.Batch] {
	return func(yield func(*protocol.Batch) bool) {
		for i := range l.held.all() {
			if !yield(&l.held.all()[i]) {
				return
			}
		}
	}
}

// Status describes the member.
func (l *Lockstep) Status() protocol.Status {
	s := protocol.Status{
		Self:    l.config.Self,
		Horizon: l.horizon(), Settled: l.settled(), Stable: l.stable,
		Agreed: l.agreed, Reader: l.reader,
		Complete: l.complete(), Done: l.done(),
		LogBytes: l.held.bytes + l.waiting.Size(),
		Refused:  l.refused, CopiesIn: l.copiesIn, AppendsIn: l.appendsIn,
	}
	for id := range l.streams {
		p := &l.peers[id]
		s.Held = append(s.Held, l.mark(member.ID(id)))
		s.Known = append(s.Known, slices.Clone(p.bound.marks))
		s.Heard = append(s.Heard, member.ID(id) == l.config.Self || l.heard(p))
		s.Trimmed = append(s.Trimmed, l.streams[id].delivered)
	}
	s.Known[l.config.Self] = slices.Clone(s.Held)
	return s
}

// settled is the time up to which everything is delivered, or could be.
func (l *Lockstep) settled() clock.Time {
	if !l.agreed {
		return 0
	}
	settled := l.horizon()
	if l.held.len() > 0 {
		settled = min(settled, l.held.first().Time-1)
	}
	return settled
}

// complete says that every stream is closed, held and delivered.
func (l *Lockstep) complete() bool {
	return l.agreed && !l.reader && l.horizon() == clock.Infinity && l.held.len() == 0
}

// done says that all members are complete, and that each said that it knows.
func (l *Lockstep) done() bool {
	if !l.complete() || l.stable != clock.Infinity {
		return false
	}
	for id := range l.peers {
		if member.ID(id) != l.config.Self && l.peers[id].bound.stable != clock.Infinity {
			return false
		}
	}
	return true
}

// Committed gives of each stream how many entries are known to be held by
// every member.
func (l *Lockstep) Committed() []uint64 {
	committed := make([]uint64, len(l.streams))
	for id := range l.streams {
		committed[id] = l.streams[id].committed
	}
	return committed
}
