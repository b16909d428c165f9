package journal

import (
	"maps"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Orphans calls visit for each batch that is kept of who was let go from a place
// beyond its cut, in their order, until it returns false: what will never settle,
// unless it comes back. Any goroutine may ask.
func (j *Journal) Orphans(view *member.View, origin member.ID, visit func(protocol.Batch) bool) error {
	last := view.Places[origin].Base
	for _, segment := range j.shelf.segments() {
		more, err := j.shelf.each(segment, func(b protocol.Batch) bool {
			if b.Origin != origin || b.Seq != last+1 || !view.IsOf(origin, b.Identity) {
				return true
			}
			last = b.Last()
			return visit(b)
		})
		switch {
		case err != nil && !j.shelf.keeps(segment): // it was removed meanwhile
		case err != nil || !more:
			return err
		}
	}
	return nil
}

// keeps reports whether a segment is there.
func (s *shelf) keeps(segment uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sizes[segment] > 0
}

// segments returns the numbers of the segments that are there, in order.
func (s *shelf) segments() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.sizes))
}
