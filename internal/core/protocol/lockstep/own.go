package lockstep

import (
	"fmt"
	"math"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// writer is what waits to go into the own stream, and what of it went and is not
// stable yet.
type writer struct {
	waiting protocol.Batch // submitted while another one is in flight; Count 0: none
	closing bool           // nothing more will be submitted

	unstable int        // bytes of own batches that somebody may not have delivered yet
	late     int        // those of them that were placed after the last look
	until    clock.Time // of the last one before it
}

// count adds a batch that is placed.
func (w *writer) count(bytes int) { w.unstable, w.late = w.unstable+bytes, w.late+bytes }

// look finds out whether all that had been placed at the last look is stable. So more
// may seem unstable than is, but never less.
func (w *writer) look(stable, newest clock.Time) {
	if stable >= w.until {
		w.unstable, w.late, w.until = w.late, 0, newest
	}
}

// onSubmit keeps an own batch until the one in flight is acknowledged by all.
func (l *Lockstep) onSubmit(b protocol.Batch) {
	switch {
	case b.Count == 0 || int(b.Count) > l.config.Batch:
		panic(fmt.Sprintf("lockstep: submitted a batch of %d entries, allowed are 1 to %d", b.Count, l.config.Batch))
	case l.writer.waiting.Count > 0 || l.writer.closing:
		panic(fmt.Sprintf("lockstep: submitted without room: %d entries wait, closing %t", l.writer.waiting.Count, l.writer.closing))
	case l.roster.Observes():
		l.tally.Drop(b, &l.effects)
	default:
		l.writer.waiting = b
	}
}

// Room returns how many bytes the next own batch may have. One batch may wait
// besides the one in flight, so that it can go as soon as the last
// acknowledgement is in, without asking the node first. A quarter of the memory
// is left for what a restart reads back. When nothing own is kept any batch may
// go.
func (l *Lockstep) Room() int {
	switch unstable := l.writer.unstable; {
	case l.farewell.Begun() || l.writer.waiting.Count > 0 || l.writer.closing || l.roster.Observes() || !l.contacted || l.own().closed():
		return 0
	case unstable == 0:
		return math.MaxInt
	default:
		return max(0, l.config.MemoryBytesMax/4*3/l.roster.Len()-unstable)
	}
}

// Busy reports whether a batch is in flight to members that can all be expected to answer.
func (l *Lockstep) Busy() bool {
	return l.inFlight().Count > 0 && l.all(func(_ member.ID, p *peer) bool { return p.link.up && l.heard(p) })
}

// write moves the own stream on: the batch in flight is committed when all
// have acknowledged it, the waiting one is given its place, and after the last
// one the stream ends.
func (l *Lockstep) write() {
	s, w := l.own(), &l.writer
	if l.roster.Observes() || !l.contacted {
		return
	}
	if s.buffer.Count > 0 && l.acknowledgedByAll(s.have) {
		s.commit()
	}
	if s.closed() || s.buffer.Count > 0 {
		return
	}
	if w.waiting.Count > 0 {
		l.place()
	} else if w.closing {
		s.end(clock.Infinity)
		l.row.version++
	}
}

// place gives the waiting batch its place in the log.
func (l *Lockstep) place() {
	b := l.writer.waiting
	l.writer.waiting = protocol.Batch{}
	b.Origin, b.Identity = l.config.Self, l.config.Identity
	b.Seq, b.Time = l.own().have+1, l.clock.Next()
	l.hold(b)
	l.effects.Append = append(l.effects.Append, b)
}

// acknowledgedByAll reports whether every other member holds the first have
// entries of the own stream. Only the incarnation that is bound to a place can
// acknowledge for it, and only once it showed the same binding.
func (l *Lockstep) acknowledgedByAll(have uint64) bool {
	return l.all(func(_ member.ID, p *peer) bool {
		return l.counts(&p.bound) && p.bound.marks[l.config.Self].Have >= have
	})
}

// counts reports whether a peer showed the same complete binding as this member.
func (l *Lockstep) counts(v *view) bool { return v.marks != nil && l.roster.Shares(v.hash) }
