package lockstep

import (
	"fmt"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// onSubmit keeps an own batch until the one in flight is acknowledged by all.
func (l *Lockstep) onSubmit(b protocol.Batch) {
	switch {
	case b.Count == 0 || int(b.Count) > l.config.Batch:
		panic(fmt.Sprintf("lockstep: submitted a batch of %d entries, allowed are 1 to %d", b.Count, l.config.Batch))
	case l.waiting.Count > 0 || l.closing:
		panic(fmt.Sprintf("lockstep: submitted without room: %d entries wait, closing %t", l.waiting.Count, l.closing))
	case l.reader:
		l.release(b)
	default:
		l.waiting = b
	}
}

// Room gives the bytes that may be submitted now. One batch may wait besides
// the one in flight, so that it can go as soon as the last acknowledgement is
// in, without asking the node first. A quarter of the memory is left for what
// a restart reads back and for the batches that end a share.
func (l *Lockstep) Room() int {
	if l.waiting.Count > 0 || l.closing || l.reader || !l.contacted || l.own().closed() {
		return 0
	}
	return max(0, l.config.MemoryBytesMax/4*3/l.config.Members-l.unstable.bytes)
}

// Busy says that a batch is in flight to members that can answer.
func (l *Lockstep) Busy() bool { return l.inFlight().Count > 0 && l.reachable() }

// write moves the own stream on: the batch in flight is committed when all
// have acknowledged it, the waiting one is given its place, and after the last
// one the stream ends.
func (l *Lockstep) write() {
	if l.reader || !l.contacted {
		return
	}
	s := l.own()
	if s.buffer.Count > 0 && l.acknowledgedByAll(s.have) {
		l.commit(s)
	}
	if s.closed() {
		return
	}
	if s.buffer.Count == 0 && l.waiting.Count > 0 {
		l.place()
	}
	last := s.buffer.Count == 0 || l.breaks(mutant.FinBeforeAcknowledged)
	if l.closing && last && l.waiting.Count == 0 {
		l.commit(s)
		s.promise = clock.Infinity
		l.version++
	}
}

// place gives the waiting batch its place in the log.
func (l *Lockstep) place() {
	b := l.waiting
	l.waiting = protocol.Batch{}
	b.Origin, b.Identity = l.config.Self, l.config.Identity
	b.Seq, b.Time = l.own().have+1, l.clock.Next()
	l.hold(b)
	l.unstable.add(b.Time, b.Size())
	l.effects.Append = append(l.effects.Append, b)
}

// acknowledgedByAll says whether every other member holds the first have
// entries of the own stream. Only the life that is bound to a place can
// acknowledge for it, and only once it showed the same binding.
func (l *Lockstep) acknowledgedByAll(have uint64) bool {
	for id := range l.peers {
		if !l.acknowledged(member.ID(id), have) {
			return false
		}
	}
	return true
}

func (l *Lockstep) acknowledged(id member.ID, have uint64) bool {
	if id == l.config.Self {
		return true
	}
	p := &l.peers[id]
	if l.breaks(mutant.OldIdentityAccepted) && p.guest.marks != nil {
		return p.guest.marks[l.config.Self].Have >= have
	}
	if l.breaks(mutant.AckWithoutSeq) && l.counts(&p.bound) {
		return p.link.anyAck >= have
	}
	return l.counts(&p.bound) && p.bound.marks[l.config.Self].Have >= have
}

// counts says whether a peer showed the same complete binding as this member.
func (l *Lockstep) counts(v *view) bool { return v.marks != nil && v.hash == l.hash && l.hash != 0 }

// debt remembers the times and sizes of own batches beyond the stable time,
// oldest first: what back-pressure counts.
type debt struct {
	entries []debtEntry
	bytes   int
}

type debtEntry struct {
	time  clock.Time
	bytes int
}

func (d *debt) add(t clock.Time, bytes int) {
	d.entries = append(d.entries, debtEntry{t, bytes})
	d.bytes += bytes
}

// pay forgets what is stable.
func (d *debt) pay(stable clock.Time) {
	paid := 0
	for paid < len(d.entries) && d.entries[paid].time <= stable {
		d.bytes -= d.entries[paid].bytes
		paid++
	}
	d.entries = d.entries[:copy(d.entries, d.entries[paid:])]
}
