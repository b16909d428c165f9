package check

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// A member with an older copy of its data, or with that of another history, is
// nobody: what it says and does is not held to what its place promised. What it
// must do is to stop. One that was let go only reads, once it has learned that, and comes
// back as any other: what it delivers then is the order of all.

// isOlder reports whether an event is of a member with older data. One that
// begins anew with nothing is somebody again.
func (h *history) isOlder(e *trace.Event) bool {
	m := &h.members[e.Member]
	if !m.older || e.Kind == trace.Crash || e.Kind == trace.Fault || e.Kind == trace.Phase {
		return false
	}
	if e.Kind == trace.Start && !m.knows(e.Identity) {
		m.older = false
	}
	return m.older
}

// loseUntold forgets what a member wrote and nobody heard of: with the newest copy of its
// data that is gone.
func (h *history) loseUntold(id member.ID) {
	told := h.members[id].published[id].Have
	for k := range h.members {
		if member.ID(k) != id {
			told = max(told, h.members[k].ever[id])
		}
	}
	s := &h.streams[id]
	s.batches = s.batches[:s.after(told)]
}

// noteOlder notes what a member with older data holds, and what it adds to its
// stream where that ends: nobody knows of more entries then.
func (h *history) noteOlder(e *trace.Event) {
	m := &h.members[e.Member]
	switch e.Kind {
	case trace.Start:
		m.out = false
	case trace.Ends:
		m.out = m.out || e.Stream == e.Member
	case trace.Opens:
		m.out = m.out || e.Stream == e.Member && member.Identity(e.Hash) != m.identity
		h.noteOpens(m, e)
	case trace.Recover:
		m.ever[e.Stream] = max(m.ever[e.Stream], e.Have)
	case trace.Append:
		m.ever[e.Stream] = max(m.ever[e.Stream], e.Seq+e.Count-1)
		root := h.root(e.Identity)
		if s := &h.streams[e.Stream]; e.Stream == e.Member && (s.identity == 0 || s.identity == root) && e.Seq == s.length()+1 {
			s.add(e, root, m.branch)
		}
	}
}

// IsOlder reports whether a member that comes back as a life, with so many
// entries of each stream and a bound of its clock, has less than it said it has, or
// wrote.
func (j *Judge) IsOlder(id member.ID, identity member.Identity, have []uint64, bound clock.Time) bool {
	m := &j.past.members[id]
	if m.identity != identity {
		return true
	}
	for stream, said := range m.published {
		own := member.ID(stream) == id
		if said.Have > have[stream] || own && (said.Promise > bound || m.held[stream] > have[stream]) {
			return true
		}
	}
	return false
}

// knows reports whether a place had a life of that identity.
func (m *witness) knows(identity member.Identity) bool {
	for i := range m.past {
		if m.past[i].identity == identity {
			return true
		}
	}
	return m.identity == identity
}

// meetFor is how long after it met somebody who knows more a member with older
// data may go on: what both said may cross.
const meetFor = time.Second

// old is a life with older data.
type old struct {
	identity member.Identity // 0: none
	have     uint64          // own entries that it began with
	heardBy  member.Set
	metAt    time.Duration // when it first heard somebody who heard it and knows more; 0: never
	gone     bool          // it learned that the others went on without it: then it only reads, and comes back as any other
	replaced bool          // it learned that its place is another one's: then it only reads
}

// oldDataStops: a member that comes back with fewer of its own entries than a
// peer holds stops when the two meet, unless it was let go, and nobody else stops of
// its own accord.
func oldDataStops(c *checker) rule {
	lives := make([]old, len(c.past.members))
	return func(e *trace.Event) {
		m, life := &c.past.members[e.Member], &lives[e.Member]
		switch {
		case e.Kind == trace.Phase:
			c.judgeOld(e, lives)
		case e.Kind == trace.Crash:
			if e.Note == DataOld && !m.older {
				c.violated(e, "stops for old data although no older copy was brought back")
			}
			*life = old{}
		case m.older:
			c.followOld(e, life)
		case e.Kind == trace.Receive && c.past.members[e.Peer].older && lives[e.Peer].identity == e.Identity:
			lives[e.Peer].heardBy.Add(e.Member)
		}
	}
}

func (c *checker) followOld(e *trace.Event, life *old) {
	switch {
	case e.Kind == trace.Start:
		*life = old{identity: e.Identity}
	case e.Kind == trace.Ends:
		life.gone = life.gone || e.Stream == e.Member
	case e.Kind == trace.Opens:
		life.replaced = life.replaced || e.Stream == e.Member && member.Identity(e.Hash) != life.identity
	case e.Kind == trace.Recover && e.Stream == e.Member:
		life.have = max(life.have, e.Have)
	case e.Kind == trace.Append && e.Stream == e.Member && c.past.writer(e.Identity) == life.identity:
		if life.replaced && !c.past.members[e.Member].opening {
			c.violated(e, "adds %d/%d to a stream that is another one's by now", e.Stream, e.Seq)
		}
		newToAll := e.Seq == life.have+1 && e.Seq == c.past.streams[e.Stream].length()+1
		if life.heardBy.Len() == 0 || newToAll {
			life.have = max(life.have, e.Seq+e.Count-1)
		}
	case e.Kind == trace.Receive && life.metAt == 0 && life.heardBy.Has(e.Peer):
		if peer := &c.past.members[e.Peer]; peer.writers[e.Member] == life.identity && peer.held[e.Member] > life.have {
			life.metAt = e.At
		}
	}
}

// judgeOld looks in the end for lives with older data that went on.
func (c *checker) judgeOld(e *trace.Event, lives []old) {
	for k := range lives {
		if life := &lives[k]; e.Note == PhaseEnd && life.metAt > 0 && !life.gone && !life.replaced && e.At > life.metAt+meetFor {
			c.violated(e, "member %d goes on with the %d own entries of an older copy of its data, %v after it met somebody who holds more of them",
				member.ID(k), life.have, e.At-life.metAt)
		}
	}
}
