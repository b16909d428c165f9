package journal

import (
	"maps"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Orphans calls visit for each batch that is kept of those who were let go from a place
// beyond where they were cut, in their order, until it returns false: what will never
// settle, unless who has the place comes back. Any goroutine may ask.
func (j *Journal) Orphans(view *member.View, origin member.ID, visit func(protocol.Batch) bool) error {
	p := &view.Places[origin]
	for _, former := range p.Former {
		if more, err := j.orphansOf(view, origin, former.Identity, visit); err != nil || !more {
			return err
		}
	}
	if p.Role != member.Gone {
		return nil
	}
	_, err := j.orphansOf(view, origin, p.Identity, visit)
	return err
}

// orphansOf visits those of one who was let go, and reports whether to go on.
func (j *Journal) orphansOf(view *member.View, origin member.ID, writer member.Identity, visit func(protocol.Batch) bool) (more bool, err error) {
	last, _ := view.Cut(writer)
	for _, segment := range j.shelf.segments() {
		more, err := j.shelf.each(segment, func(b protocol.Batch) bool {
			if b.Origin != origin || b.Seq != last+1 || view.WriterOf(origin, b.Identity) != writer {
				return true
			}
			last = b.Last()
			return visit(b)
		})
		switch {
		case err != nil && !j.shelf.keeps(segment): // it was removed meanwhile
		case err != nil || !more:
			return false, err
		}
	}
	return true, nil
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
