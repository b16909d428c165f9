package lockstep

import (
	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
	"chatterbox/protocol/mutant"
)

// stream is what this member has of one origin's batches. Sequence numbers
// count entries, and all are the last that counts.
type stream struct {
	have      uint64
	committed uint64
	delivered uint64
	last      clock.Time // of the newest batch held
	// promise says that the stream has no batch of this time or earlier
	// beyond have; infinity says that it has ended.
	promise clock.Time
	// buffer is the newest batch as long as it is not committed; Count 0: none.
	buffer protocol.Batch
}

func (s *stream) closed() bool { return s.promise >= clock.Infinity }

// commit counts the buffered batch as held by everyone.
func (l *Lockstep) commit(s *stream) {
	if s.buffer.Count > 0 && l.breaks(mutant.AckBeforeDurable) && s.buffer.Origin != l.config.Self {
		l.effects.Append = append(l.effects.Append, s.buffer)
	}
	s.committed = s.have
	s.buffer = protocol.Batch{}
}

// take decides about a received batch: a new one is kept, a repeated one only
// acknowledged again, by the answer that its sender asked for.
func (l *Lockstep) take(b protocol.Batch) {
	l.copiesIn++
	switch s := l.stream(b.Origin); {
	case s == nil || b.Identity != l.binding[b.Origin] || b.Count == 0 || b.Seq == 0:
		l.refused++
	case b.Last() <= s.have || b.Seq != s.have+1:
		// Repeated, or beyond a gap that only a reader can have.
	case !l.timely(b.Time) || b.Time <= s.last || b.Time <= s.promise && !l.breaks(mutant.PromiseWithoutPrefix):
		l.refused++
	default:
		l.appendsIn++
		l.hold(b)
		if l.breaks(mutant.CommitOnFirstReceipt) {
			l.commit(s)
		}
		if !l.breaks(mutant.AckBeforeDurable) {
			l.effects.Append = append(l.effects.Append, b)
		}
		return
	}
	l.release(b)
}

// stream gives the stream of a place that came from outside: nil for the own
// one, unless its writer was an earlier life, and for places that do not exist.
func (l *Lockstep) stream(origin member.ID) *stream {
	if int(origin) >= len(l.streams) || origin == l.config.Self && !l.reader {
		return nil
	}
	return &l.streams[origin]
}

// timely says whether a time from outside is one that a sane clock can show.
func (l *Lockstep) timely(t clock.Time) bool {
	return t > 0 && t < clock.Infinity && t < l.clock.Now()+clock.LeapMax
}

// hold puts the next batch of a stream into its buffer. That it exists proves
// that everyone holds the one before.
func (l *Lockstep) hold(b protocol.Batch) {
	s := &l.streams[b.Origin]
	l.commit(s)
	s.buffer = b
	s.have = b.Last()
	s.last = b.Time
	s.promise = max(s.promise, b.Time)
	l.held.insert(b)
	l.mergeClock(b.Time)
	l.version++
}

// mergeClock keeps the clock at or above every time seen: what is written
// after reading gets a later time, and the own promise rises when idle.
func (l *Lockstep) mergeClock(t clock.Time) {
	if t <= l.clock.Now() || l.breaks(mutant.ClockMergeOmitted) {
		return
	}
	l.clock.Merge(t)
	l.version++
}

// adopt takes what a row says of a stream. Its promise is about what lies
// beyond the entries that the row counts, so it only holds for those who have
// these entries. An end proves that everyone holds the last batch.
func (l *Lockstep) adopt(mark protocol.StreamMark) {
	finite := mark.Promise < clock.Infinity
	if finite && mark.Promise > 0 {
		if !l.timely(mark.Promise) {
			l.refused++
			return
		}
		l.mergeClock(mark.Promise)
	}
	s := l.stream(mark.Stream)
	prefix := s != nil && mark.Have <= s.have || l.breaks(mutant.PromiseWithoutPrefix)
	if s == nil || !prefix || mark.Promise <= s.promise {
		return
	}
	s.promise = min(mark.Promise, clock.Infinity)
	l.version++
	if s.closed() {
		l.commit(s)
	}
}

// mark is what this member lets others know of a stream. The own promise is
// the clock: the next own batch gets a later time.
func (l *Lockstep) mark(id member.ID) clock.Mark {
	s := &l.streams[id]
	mark := clock.Mark{Have: s.have, Promise: s.promise}
	if id == l.config.Self && !l.reader && !l.breaks(mutant.NoNullPromises) {
		mark.Promise = max(s.promise, l.clock.Now())
	}
	return mark
}

// horizon is the time up to which this member holds everything.
func (l *Lockstep) horizon() clock.Time {
	horizon := clock.Infinity
	for id := range l.streams {
		horizon = min(horizon, l.mark(member.ID(id)).Promise)
	}
	return horizon
}
