package scene

import (
	"slices"
	"sort"
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// Key is the place of a batch in the total order: by time, then by stream,
// then by sequence number.
type Key struct {
	Time   clock.Time
	Stream member.ID
	Seq    uint64
}

// Less reports whether k comes before other.
func (k Key) Less(other Key) bool {
	switch {
	case k.Time != other.Time:
		return k.Time < other.Time
	case k.Stream != other.Stream:
		return k.Stream < other.Stream
	default:
		return k.Seq < other.Seq
	}
}

// Batch is a batch that somebody holds. It never changes.
type Batch struct {
	Key
	Number   int // counts the batches of a run as they become known, from 0
	Identity member.Identity
	Count    uint64        // entries
	Born     time.Duration // when it became known
}

// Last returns the sequence number of its last entry.
func (b *Batch) Last() uint64 { return b.Seq + b.Count - 1 }

// stream is what is known of what one member wrote. Places count from the
// first batch or promise of the run; those before the bases are forgotten.
type stream struct {
	identity member.Identity   // of the life of its data that writes at present
	known    uint64            // entries of that life that anybody holds
	ended    member.Identity   // whose stream ended with a view
	end      uint64            // after so many entries
	former   uint64            // entries of lives before that count
	opened   uint64            // the number of the view in which it went on after it had ended
	before   []member.Identity // under which its life wrote until then

	batches     []*Batch
	batchBase   int
	promises    []promise
	promiseBase int
}

// batchesKept is how many batches of a stream are remembered for members that
// do not hold them, at most.
const batchesKept = 1 << 16

// arrival is a batch that a member holds since then.
type arrival struct {
	batch *Batch
	at    time.Duration
}

// hold takes in that the member holds a batch.
func (s *Scene) hold(m *Member, e *trace.Event) {
	t, last := &s.streams[e.Stream], e.Seq+e.Count-1
	m.Heard = s.Now
	if slices.Contains(t.before, e.Identity) {
		if last <= t.known {
			m.Have[e.Stream] = max(last, m.Have[e.Stream])
		}
		return
	}
	if e.Identity != t.identity {
		if t.identity != 0 && last <= t.known && e.Member != e.Stream {
			return // of a life that is over
		}
		if t.ended != 0 && t.ended == t.identity {
			t.former += min(t.known, t.end)
		}
		t.identity, t.known = e.Identity, 0
		m.Have[e.Stream] = e.Seq - 1 // what it held of the other life counts no more
	}
	if last > t.known {
		t.known = last
		s.Written[e.Stream] = max(s.Written[e.Stream], t.counts(last))
		b := &Batch{
			Key: Key{e.Time, e.Stream, e.Seq}, Number: s.Batches, Identity: e.Identity, Count: e.Count, Born: s.Now,
		}
		s.Batches++
		t.batches = append(t.batches, b)
		if s.Witness != nil {
			s.Witness.Born(b)
		}
		s.judge(t, b)
	}
	m.Have[e.Stream] = max(last, m.Have[e.Stream])
	s.reach(m, e.Member, e.Stream, last)
	s.forget(t, e.Stream)
}

// counts returns how many entries of a stream can ever settle, of which the
// life that writes it at present has so many.
func (t *stream) counts(entries uint64) uint64 {
	if t.ended != 0 && t.ended == t.identity {
		entries = min(entries, t.end)
	}
	return t.former + entries
}

// reach lets the member hold all batches of a stream up to a sequence number.
// In a trace that was thinned it says so of the last of them only.
func (s *Scene) reach(m *Member, id, from member.ID, last uint64) {
	t := &s.streams[from]
	for m.next[from] = max(m.next[from], t.batchBase); m.next[from] < t.batchBase+len(t.batches); m.next[from]++ {
		b := t.batches[m.next[from]-t.batchBase]
		if b.Identity != t.identity {
			continue // of a life whose data is lost
		}
		if b.Last() > last {
			return
		}
		if s.Witness != nil {
			s.Witness.Held(b, id)
		}
		if !m.SettledKey.Less(b.Key) { // in an earlier life, or a thinned trace told it first
			if s.Witness != nil {
				s.Witness.Settled(b, id)
			}
			continue
		}
		at := sort.Search(len(m.tentative), func(i int) bool { return b.Less(m.tentative[i].Key) })
		m.tentative = slices.Insert(m.tentative, at, b)
		m.arrivals = append(m.arrivals, arrival{b, s.Now})
	}
}

// forget drops the batches that all members hold, and the oldest of too many.
func (s *Scene) forget(t *stream, id member.ID) {
	const much = 256 // worth the walk over all members
	if len(t.batches) < much || len(t.batches)%much != 0 {
		return
	}
	end := t.batchBase + len(t.batches)
	least := end
	for i := range s.Members {
		least = min(least, s.Members[i].next[id])
	}
	least = max(least, end-batchesKept)
	if least > t.batchBase {
		t.batches = slices.Clone(t.batches[least-t.batchBase:])
		t.batchBase = least
	}
}

// deliver takes in that a batch has its final place at the member.
func (s *Scene) deliver(m *Member, e *trace.Event) {
	m.Heard = s.Now
	m.Settled = e.Position + e.Count
	s.Frontier = max(s.Frontier, m.Settled)
	s.settle(m, e.Member, Key{e.Time, e.Stream, e.Seq})
}

// settle lets all tentative batches up to a place in the order be final.
func (s *Scene) settle(m *Member, id member.ID, key Key) {
	if key.Less(m.SettledKey) {
		return
	}
	m.SettledKey = key
	n := 0
	for n < len(m.tentative) && !key.Less(m.tentative[n].Key) {
		if s.Witness != nil {
			s.Witness.Settled(m.tentative[n], id)
		}
		n++
	}
	m.tentative = m.tentative[n:]
	for n = 0; n < len(m.arrivals) && !key.Less(m.arrivals[n].batch.Key); n++ {
	}
	m.arrivals = m.arrivals[n:]
}

// recover takes in what a member holds without the batches.
func (s *Scene) recover(m *Member, e *trace.Event) {
	m.Have[e.Stream] = max(m.Have[e.Stream], e.Have)
	s.Written[e.Stream] = max(s.Written[e.Stream], e.Have)
	if e.Have > 0 && e.Have <= s.streams[e.Stream].known {
		s.reach(m, e.Member, e.Stream, e.Have)
	}
	s.know(m, e.Stream, e.Promise)
}

// reset takes in that the application begins anew behind a snapshot.
func (s *Scene) reset(m *Member, e *trace.Event) {
	m.Settled = e.Position
	s.Frontier = max(s.Frontier, m.Settled)
	last := member.ID(len(s.Members) - 1)
	s.settle(m, e.Member, Key{Time: e.Time, Stream: last, Seq: ^uint64(0)})
}

// Tentative returns the batches that the member holds and that are not settled
// there, in their present order; valid until the next event.
func (s *Scene) Tentative(id member.ID) []*Batch { return s.Members[id].tentative }

// Lag returns how long the oldest tentative batch of a member has waited
// there, 0 if there is none.
func (s *Scene) Lag(id member.ID) time.Duration {
	m := &s.Members[id]
	// Batches may settle in another order than they came in.
	for _, a := range m.arrivals {
		if m.SettledKey.Less(a.batch.Key) {
			return s.Now - a.at
		}
	}
	return 0
}
