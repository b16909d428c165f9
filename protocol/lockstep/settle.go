package lockstep

import (
	"cmp"
	"slices"

	"chatterbox/clock"
	"chatterbox/member"
	"chatterbox/protocol"
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
		if s := &l.streams[id]; s.buffer.Count > 0 && s.buffer.Time <= l.stable {
			l.commit(s)
		}
	}
	l.deliver()
	l.rebase()
}

// stabilize learns up to which time every member holds everything. A batch up
// to there is proven to be held by all, as much as by its successor; without
// this, the last batch of an idle origin would hold up everybody's delivery.
func (l *Lockstep) stabilize() {
	if !l.agreed {
		return
	}
	stable := l.horizon()
	for id := range l.peers {
		if member.ID(id) != l.config.Self {
			stable = min(stable, l.peers[id].bound.horizon)
		}
	}
	if stable > l.stable && !l.reader {
		l.stable = stable
	}
	l.unstable.pay(l.stable)
}

// deliver hands out, in order, what is committed and settled. It stops at the
// first batch that is not: an order with holes is none.
func (l *Lockstep) deliver() {
	if !l.agreed {
		return
	}
	horizon := l.horizon()
	for l.held.len() > 0 {
		b := *l.held.first()
		s := &l.streams[b.Origin]
		if b.Time > horizon || b.Last() > s.committed {
			return
		}
		l.held.pop()
		s.delivered = b.Last()
		if l.config.Fold != nil {
			l.config.Fold(&l.state, &b)
		}
		l.sinceBase += b.Size()
		l.effects.Deliver = append(l.effects.Deliver, b)
		l.release(b)
	}
}

// rebase lets the journal forget what is delivered, for that is held by all.
func (l *Lockstep) rebase() {
	if l.config.Durable && l.config.Fold != nil && l.sinceBase >= min(baseBytesMax, l.config.MemoryBytesMax/8) {
		l.sinceBase = 0
		l.effects.Base = l.snapshot()
	}
}

// snapshot stands for everything that is delivered. Its time is one up to
// which nothing else exists.
func (l *Lockstep) snapshot() *protocol.Snapshot {
	s := &protocol.Snapshot{Time: min(l.horizon(), l.clock.Now()), State: l.state}
	if l.held.len() > 0 {
		s.Time = min(s.Time, l.held.first().Time-1)
	}
	for id := range l.streams {
		s.Have = append(s.Have, l.streams[id].delivered)
	}
	return s
}

// covers says whether a snapshot has all that is delivered here, and more.
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

// restore begins at a snapshot, as a life without data must.
func (l *Lockstep) restore(s *protocol.Snapshot) {
	for id := range l.streams {
		l.streams[id].restore(s.Have[id], s.Time)
	}
	dropped := l.held.drop(func(b *protocol.Batch) bool { return b.Last() <= s.Have[b.Origin] })
	l.effects.Release = append(l.effects.Release, dropped...)
	l.state = s.State
	l.mergeClock(s.Time)
	l.version++
}

func (s *stream) restore(have uint64, promise clock.Time) {
	s.delivered = have
	s.committed = max(s.committed, have)
	s.promise = max(s.promise, promise)
	if s.have <= have {
		s.have = have
		s.buffer = protocol.Batch{}
	}
}

// queue has the batches that are held and not delivered, in the total order.
type queue struct {
	batches    []protocol.Batch // from head on
	head       int
	bytes      int
	byTimeOnly bool // a mutant's order: equal times as they came
}

func (q *queue) len() int               { return len(q.batches) - q.head }
func (q *queue) first() *protocol.Batch { return &q.batches[q.head] }
func (q *queue) all() []protocol.Batch  { return q.batches[q.head:] }

// insert puts a batch into its place, which is nearly always near the end.
func (q *queue) insert(b protocol.Batch) {
	q.bytes += b.Size()
	q.batches = append(q.batches, b)
	for i := len(q.batches) - 1; i > q.head && q.before(&b, &q.batches[i-1]); i-- {
		q.batches[i], q.batches[i-1] = q.batches[i-1], b
	}
}

func (q *queue) before(a, b *protocol.Batch) bool {
	if q.byTimeOnly {
		return cmp.Compare(a.Time, b.Time) < 0
	}
	return a.Compare(b) < 0
}

func (q *queue) pop() {
	q.bytes -= q.first().Size()
	*q.first() = protocol.Batch{}
	if q.head++; q.head > len(q.batches)/2 {
		q.batches = slices.Delete(q.batches, 0, q.head)
		q.head = 0
	}
}

// drop takes out the batches that unwanted names, and gives them back.
func (q *queue) drop(unwanted func(*protocol.Batch) bool) []protocol.Batch {
	var dropped []protocol.Batch
	kept := q.all()[:0]
	for _, b := range q.all() {
		if unwanted(&b) {
			q.bytes -= b.Size()
			dropped = append(dropped, b)
		} else {
			kept = append(kept, b)
		}
	}
	clear(q.batches[q.head+len(kept):])
	q.batches = q.batches[:q.head+len(kept)]
	return dropped
}
