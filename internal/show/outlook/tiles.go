package outlook

import (
	"slices"

	"chatterbox"
	"chatterbox/internal/core/member"
	"chatterbox/internal/show/film"
)

// Batch is what matters of a batch: neighbours in the order, of one origin.
type Batch struct {
	First   chatterbox.Position // 0: it has not settled
	ID      chatterbox.ID       // of its first entry
	Entries int
	Lamport uint64
}

// Seen is what a member holds around its frontier.
type Seen struct {
	Settled   []Batch // since the last look, not all of them if they are many
	Tentative []Batch // the first ones
	Skipped   bool    // of what settled some is missing
}

// tile is a batch that was told.
type tile struct {
	number  int
	origin  member.ID
	last    uint64 // sequence number of its last entry
	lamport uint64
	end     chatterbox.Position // of its last entry; 0: it has not settled here
	born    int64
	held    member.Set // who holds it, as far as known
	settled member.Set // where it has settled, as far as known
}

// place names a batch.
type place struct {
	origin string
	life   uint64
	last   uint64
}

// tiles are the latest batches that were told.
type tiles struct {
	all    int // so far
	recent []*tile
	known  map[place]*tile
	places map[*tile]place
	ids    map[string]member.ID
	few    int // members
}

// tilesKept is how many batches are followed until all members hold them.
const tilesKept = 512

func (t *tiles) init(members int) {
	t.few = members
	t.known, t.places = map[place]*tile{}, map[*tile]place{}
}

// tell puts into the step what became of batches.
func (t *tiles) tell(step *film.Step, at int64, self member.ID, s *chatterbox.Status, seen *Seen) {
	if t.ids == nil {
		t.ids = map[string]member.ID{}
		for i := range s.Members {
			t.ids[s.Members[i].Name] = member.ID(i)
		}
	}
	for i := range seen.Settled {
		b := &seen.Settled[i]
		known := t.find(step, at, self, b)
		if known == nil || known.end > 0 {
			continue
		}
		known.end = b.First + chatterbox.Position(b.Entries) - 1
		known.settled.Add(self)
		step.Settled = append(step.Settled, int64(known.number), int64(self), at)
		step.Places = append(step.Places, int64(known.number), int64(b.First)-1)
	}
	for i := range seen.Tentative {
		t.find(step, at, self, &seen.Tentative[i])
	}
	if seen.Skipped {
		t.skip(step, at, self, s, seen)
	}
	t.others(step, at, self, s)
	t.forget()
}

// skip lets those settle that must have, though it was not seen: all before
// what is tentative now.
func (t *tiles) skip(step *film.Step, at int64, self member.ID, s *chatterbox.Status, seen *Seen) {
	first := ^uint64(0)
	if len(seen.Tentative) > 0 {
		first = seen.Tentative[0].Lamport
	}
	for _, known := range t.recent {
		if known.end == 0 && known.lamport < first {
			known.end = s.Settled
			known.settled.Add(self)
			step.Settled = append(step.Settled, int64(known.number), int64(self), at)
		}
	}
}

// find returns the tile of a batch, which is told if it is new.
func (t *tiles) find(step *film.Step, at int64, self member.ID, b *Batch) *tile {
	origin, ok := t.ids[b.ID.Origin]
	if !ok {
		return nil // a member that is not in the list of this page
	}
	where := place{b.ID.Origin, b.ID.Life, b.ID.Seq + uint64(b.Entries) - 1}
	if known := t.known[where]; known != nil {
		return known
	}
	fresh := &tile{number: t.all, origin: origin, last: where.last, lamport: b.Lamport, born: at}
	t.all++
	fresh.held.Add(self)
	t.known[where], t.places[fresh] = fresh, where
	t.recent = append(t.recent, fresh)
	step.Batches = append(step.Batches, int64(origin), int64(b.ID.Seq), int64(b.Entries), int64(b.Lamport), at)
	step.Held = append(step.Held, int64(fresh.number), int64(self), at)
	return fresh
}

// others says which members are known to hold what, and where it has settled.
func (t *tiles) others(step *film.Step, at int64, self member.ID, s *chatterbox.Status) {
	for i := range s.Members {
		m, id := &s.Members[i], member.ID(i)
		if id == self || m.Holds == nil {
			continue
		}
		for _, known := range t.recent {
			if !known.held.Has(id) && m.Holds[known.origin].Seq >= known.last {
				known.held.Add(id)
				step.Held = append(step.Held, int64(known.number), int64(id), at)
			}
			if known.end > 0 && !known.settled.Has(id) && known.held.Has(id) && m.Settled >= known.end {
				known.settled.Add(id)
				step.Settled = append(step.Settled, int64(known.number), int64(id), at)
			}
		}
	}
}

// forget drops what has settled everywhere, and the oldest of too many.
func (t *tiles) forget() {
	drop := func(old *tile) { delete(t.known, t.places[old]); delete(t.places, old) }
	t.recent = slices.DeleteFunc(t.recent, func(old *tile) bool {
		if old.settled.Len() < t.few {
			return false
		}
		drop(old)
		return true
	})
	for len(t.recent) > tilesKept {
		drop(t.recent[0])
		t.recent = t.recent[1:]
	}
}

// oldest returns when the oldest entry that has not settled was first seen; -1
// if there is none.
func (t *tiles) oldest(at int64, s *chatterbox.Status) int64 {
	if s.Tentative == 0 {
		return -1
	}
	oldest := at
	for _, known := range t.recent {
		if known.end == 0 {
			oldest = min(oldest, known.born)
		}
	}
	return oldest
}
