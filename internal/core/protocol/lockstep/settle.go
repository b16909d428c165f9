package lockstep

import (
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// baseBytesMax is how much is delivered between two bases of the journal at
// most: a restart has that much in memory until it settles again.
const baseBytesMax = 256 << 10

// settle commits what is known to be held by everyone, and delivers what
// nothing can precede any more.
func (l *Lockstep) settle() {
	l.agree()
	l.stabilize()
	for id := range l.streams {
		if s := &l.streams[id]; s.buffer.Time <= l.stable {
			s.commit()
		}
	}
	l.deliver()
	l.rebase()
}

// stabilize learns up to which time every member holds everything. A batch up
// to there is proven to be held by all, as much as by its successor; without
// this, the last batch of an idle origin would hold up everybody's delivery.
func (l *Lockstep) stabilize() {
	if !l.roster.Agreed() {
		return
	}
	stable := l.horizon()
	for id := range l.peers {
		if member.ID(id) != l.config.Self {
			stable = min(stable, l.peers[id].bound.horizon)
		}
	}
	if stable > l.stable && !l.roster.Observes() {
		l.stable = stable
	}
	l.writer.look(l.stable, l.own().last)
}

// deliver hands out, in order, what is committed and settled. It stops at the
// first batch that is not: an order with holes is none.
func (l *Lockstep) deliver() {
	if !l.roster.Agreed() {
		return
	}
	horizon, count := l.horizon(), 0
	for ; count < len(l.held); count++ {
		b := &l.held[count]
		s := &l.streams[b.Origin]
		if b.Time > horizon || b.Last() > s.committed() {
			break
		}
		s.delivered = b.Last()
		l.sinceBase += b.Size()
	}
	l.effects.Deliver = append(l.effects.Deliver, l.held[:count]...)
	l.effects.Trim = append(l.effects.Trim, l.held[:count]...) // all hold what is committed
	l.held = slices.Delete(l.held, 0, count)
}

// rebase lets the journal forget what is delivered, for that is held by all.
func (l *Lockstep) rebase() {
	if l.config.Durable && l.sinceBase >= min(baseBytesMax, l.config.MemoryBytesMax/8) {
		l.sinceBase = 0
		l.effects.Base = l.snapshot()
	}
}

// snapshot stands for everything that is delivered. Its time is one up to
// which nothing else exists.
func (l *Lockstep) snapshot() *protocol.Snapshot {
	s := &protocol.Snapshot{Time: min(l.settled(), l.clock.Now())}
	for id := range l.streams {
		s.Have = append(s.Have, l.streams[id].delivered)
	}
	return s
}

// covers reports whether a snapshot has all that is delivered here, and more.
func (l *Lockstep) covers(s *protocol.Snapshot) bool {
	more := false
	for id := range l.streams {
		if s.Have[id] < l.streams[id].delivered {
			return false
		}
		more = more || s.Have[id] > l.streams[id].delivered
	}
	return more
}

// restore begins at a snapshot, as an observer must.
func (l *Lockstep) restore(s *protocol.Snapshot) {
	for id := range l.streams {
		l.streams[id].restore(s.Have[id], s.Time)
	}
	l.drop(func(b *protocol.Batch) bool { return b.Last() <= s.Have[b.Origin] })
	l.mergeClock(s.Time)
	l.row.version++
}
