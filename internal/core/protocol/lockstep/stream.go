package lockstep

import (
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// stream is what this member has of one origin's batches. Sequence numbers
// count entries, and all are the last that counts.
type stream struct {
	have      uint64
	delivered uint64
	last      clock.Time // of the newest batch held
	// promise says that the stream has no batch of this time or earlier
	// beyond have; infinity says that it has ended.
	promise clock.Time
	// buffer is the newest batch as long as it is not committed; Count 0: none.
	buffer protocol.Batch
}

func (s *stream) closed() bool { return s.promise >= clock.Infinity }

// committed returns how many entries are known to be held by everyone.
func (s *stream) committed() uint64 {
	if s.buffer.Count > 0 {
		return s.buffer.Seq - 1
	}
	return s.have
}

// commit counts the buffered batch as held by everyone.
func (s *stream) commit() { s.buffer = protocol.Batch{} }

// hold puts the next batch into the buffer. That it exists proves that everyone
// holds the one before.
func (s *stream) hold(b protocol.Batch) {
	s.buffer = b
	s.have, s.last = b.Last(), b.Time
	s.promise = max(s.promise, b.Time)
}

// end takes the promise that nothing follows. An end proves that everyone holds
// the last batch.
func (s *stream) end(promise clock.Time) {
	if s.promise = min(promise, clock.Infinity); s.closed() {
		s.commit()
	}
}

// restore begins behind what a snapshot has.
func (s *stream) restore(have uint64, promise clock.Time) {
	s.delivered = have
	s.promise = max(s.promise, promise)
	if s.have <= have {
		s.have = have
		s.last = max(s.last, promise) // at the latest
		s.commit()
	}
}

// backlog is the batches that are held and not delivered, in the total order.
type backlog []protocol.Batch

// insert puts a batch into its place, which is nearly always near the end.
func (k *backlog) insert(b protocol.Batch) {
	q := append(*k, b)
	for i := len(q) - 1; i > 0 && b.Compare(&q[i-1]) < 0; i-- {
		q[i], q[i-1] = q[i-1], b
	}
	*k = q
}

// find returns the batch that a batch with the same entries would have to be
// equal to; nil if there is none.
func (k backlog) find(b *protocol.Batch) *protocol.Batch {
	for i := range k {
		if held := &k[i]; held.Origin == b.Origin && held.Last() >= b.Seq && b.Last() >= held.Seq {
			return held
		}
	}
	return nil
}

// take decides about a received batch: a new one is kept, a repeated one only
// acknowledged again, by the answer that its sender asked for.
func (l *Lockstep) take(b protocol.Batch) {
	l.tally.CopiesIn++
	switch s := l.stream(b.Origin); {
	case s == nil || !l.roster.Counts(b.Origin, b.Identity) || b.Count == 0 || b.Seq == 0:
		l.tally.Refused++
	case b.Last() <= s.have || b.Seq > s.have+1: // repeated, or beyond a gap that only an observer can have
		if held := l.held.find(&b); held != nil && !held.Equal(&b) {
			l.contradicts(&b)
		}
	case !l.timely(b.Time):
		l.tally.Refused++
	case b.Seq <= s.have || b.Time <= s.last || b.Time <= s.promise:
		l.contradicts(&b)
	default:
		l.tally.AppendsIn++
		l.hold(b)
		l.effects.Append = append(l.effects.Append, b)
		return
	}
	l.release(b)
}

// stream returns the stream of a place that came from outside: nil for the own
// one, unless its writer was an earlier incarnation, and for places that do not exist.
func (l *Lockstep) stream(origin member.ID) *stream {
	if !l.roster.Has(origin) || l.roster.Writes(origin) {
		return nil
	}
	return &l.streams[origin]
}

// timely reports whether a time from outside is one that a sane clock can show.
func (l *Lockstep) timely(t clock.Time) bool { return t > 0 && l.clock.Takes(t) }

// hold takes the next batch of a stream.
func (l *Lockstep) hold(b protocol.Batch) {
	l.streams[b.Origin].hold(b)
	l.held.insert(b)
	if l.roster.Writes(b.Origin) {
		l.writer.count(b.Size())
	}
	l.mergeClock(b.Time)
	l.row.version++
}

// mergeClock keeps the clock at or above every time seen: what is written
// after reading gets a later time, and the own promise rises when idle.
func (l *Lockstep) mergeClock(t clock.Time) {
	if t <= l.clock.Now() {
		return
	}
	l.clock.Merge(t)
	l.row.version++
}

// adopt takes what a row says of a stream. Its promise is about what lies
// beyond the entries that the row counts, so it only holds for those who have
// these entries.
func (l *Lockstep) adopt(mark protocol.StreamMark) {
	if mark.Promise > 0 && mark.Promise < clock.Infinity {
		if !l.timely(mark.Promise) {
			l.tally.Refused++
			return
		}
		l.mergeClock(mark.Promise)
	}
	s := l.stream(mark.Stream)
	if s == nil || mark.Have > s.have || mark.Promise <= s.promise {
		return
	}
	s.end(mark.Promise)
	l.row.version++
}

// mark is what this member lets others know of a stream. The own promise is
// the clock: the next own batch gets a later time.
func (l *Lockstep) mark(id member.ID) clock.Mark {
	s := &l.streams[id]
	mark := clock.Mark{Have: s.have, Promise: s.promise}
	if l.roster.Writes(id) && (l.contacted || l.config.Recovered == nil) {
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

// drop gives back the batches that are held and not wanted any more.
func (l *Lockstep) drop(unwanted func(*protocol.Batch) bool) {
	l.held = slices.DeleteFunc(l.held, func(b protocol.Batch) bool {
		gone := unwanted(&b)
		if gone {
			l.release(b)
		}
		return gone
	})
}
