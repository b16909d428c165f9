package journal

import (
	"math"
	"slices"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/wire"
)

// state is what outlives the segments that it was written in: each segment
// begins with it.
type state struct {
	place   member.ID // whose folder it is
	bound   clock.Time
	settled clock.Time
	binding member.Binding
	agreed  bool                 // all members showed the binding
	view    *member.View         // that was installed last; nil: none was after the founders'
	vote    *protocol.VoteRecord // what was promised and accepted of the next one; nil: nothing
	base    protocol.Snapshot    // Have is nil: nothing is covered
}

// take joins in a record, and reports whether it is one of the state.
func (s *state) take(k kind, body []byte, members int) (taken bool, err error) {
	switch k {
	case kindBound:
		bound, err := decodeNumber[clock.Time](body)
		s.bound = max(s.bound, bound)
		return true, err
	case kindSettled:
		settled, err := decodeNumber[clock.Time](body)
		s.settled = max(s.settled, settled)
		return true, err
	case kindBase, kindOldBase:
		s.base, err = decodeBase(body, k, members)
		return true, err
	case kindBinding, kindAgreed:
		s.binding, err = decodeBinding(body, members)
		s.agreed = s.agreed || k == kindAgreed
		return true, err
	case kindView:
		view, err := decodeView(body)
		if err == nil {
			s.install(view)
		}
		return true, err
	case kindVote:
		vote, err := wire.DecodeVoteRecord(body)
		if err == nil {
			s.vote = vote
		}
		return true, err
	}
	return false, nil
}

// install takes up a view: what was said of the choice of this view is over.
func (s *state) install(view *member.View) {
	s.view = view
	if s.vote != nil && s.vote.Number < view.Number {
		s.vote = nil
	}
}

// tenant returns whose stream counts at a place; 0: nobody is known.
func (s *state) tenant(place member.ID) member.Identity {
	switch {
	case s.view != nil:
		if int(place) < len(s.view.Places) {
			return s.view.Places[place].Identity
		}
	case int(place) < len(s.binding):
		return s.binding[place]
	}
	return 0
}

// reach returns up to which entry what a life wrote at a place is in the stream of
// the place, see [member.View.Reach]. Before there are views all counts of who is
// bound to the place, or of anybody if nobody is.
func (s *state) reach(place member.ID, identity member.Identity) uint64 {
	if s.view != nil {
		return s.view.Reach(place, identity)
	}
	if tenant := s.tenant(place); tenant != 0 && tenant != identity {
		return 0
	}
	return math.MaxUint64
}

// needs returns up to which entry what a life wrote at a place is needed: what it
// reaches, and of what this member wrote itself all, for it may be written again.
func (s *state) needs(place member.ID, identity member.Identity) uint64 {
	reach := s.reach(place, identity)
	if place == s.place && (reach > 0 || s.view != nil && s.view.WriterOf(place, identity) != 0) {
		return math.MaxUint64
	}
	return reach
}

// isLost reports whether what a life wrote at the own place of this member goes on
// beyond what is in the order, and never will be: the place is another one's by now. It
// is kept for people, for good.
func (s *state) isLost(place member.ID, h held) bool {
	if place != s.place || s.view == nil {
		return false
	}
	writer := s.view.WriterOf(place, h.identity)
	return writer != 0 && writer != s.tenant(place) && h.last > s.view.Reach(place, h.identity)
}

// note notes in what is held of a place that a life wrote up to an entry. Another
// life than before takes the place: what goes beyond where it begins was cut. But what
// this member wrote there itself is held until it has written that again.
func (s *state) note(h *held, place member.ID, identity member.Identity, last uint64) {
	switch {
	case h.identity == identity:
		h.last = max(h.last, last)
	case s.isLost(place, *h):
	case place != s.place || s.view == nil || s.needs(place, h.identity) == 0 || last >= h.last:
		*h = held{identity: identity, last: last}
	}
}

// places returns how many places there are, of so many founders.
func (s *state) places(founders int) int {
	if s.view != nil {
		return max(founders, len(s.view.Places))
	}
	return founders
}

// join joins in the state that a later segment left.
func (s *state) join(later *state) {
	s.place = later.place
	s.bound, s.settled = max(s.bound, later.bound), max(s.settled, later.settled)
	if later.binding != nil {
		s.binding, s.agreed = later.binding, s.agreed || later.agreed
	}
	if later.view != nil {
		s.install(later.view)
	}
	if later.vote != nil {
		s.vote = later.vote
	}
	if later.base.Have != nil {
		s.base = later.base
	}
}

// follow makes s what next is, in memory of its own.
func (s *state) follow(next *state) {
	binding, have := append(s.binding[:0], next.binding...), append(s.base.Have[:0], next.base.Have...)
	state := append(s.base.State[:0], next.base.State...)
	*s = *next
	if next.binding != nil {
		s.binding = binding
	}
	if next.base.Have != nil {
		s.base.Have, s.base.State = have, state
	}
}

// appendTo writes the state as records.
func (s *state) appendTo(p []byte) []byte {
	if s.binding != nil {
		k := kindBinding
		if s.agreed {
			k = kindAgreed
		}
		p = appendRecord(p, k, appendBinding(nil, s.binding))
	}
	if s.view != nil { // before the base, which is about its places
		p = appendRecord(p, kindView, member.AppendView(nil, s.view))
	}
	if s.vote != nil {
		p = appendRecord(p, kindVote, wire.AppendVoteRecord(nil, s.vote))
	}
	if s.bound > 0 {
		p = appendRecord(p, kindBound, appendNumber(nil, s.bound))
	}
	if s.base.Have != nil {
		p = appendRecord(p, kindBase, appendBase(nil, &s.base))
	}
	if s.settled > 0 {
		p = appendRecord(p, kindSettled, appendNumber(nil, s.settled))
	}
	return p
}

// has returns how many entries of a stream the base covers.
func (s *state) has(origin member.ID) uint64 {
	if int(origin) < len(s.base.Have) {
		return s.base.Have[origin]
	}
	return 0
}

// passes reports whether a batch is passed over at a start: the base covers it,
// its stream was cut before it, or its place is somebody else's by now.
func (s *state) passes(b *protocol.Batch) bool {
	return b.Last() <= s.has(b.Origin) || s.view != nil && b.Last() > s.needs(b.Origin, b.Identity)
}

// position returns how many entries the base stands for: the position of the
// last of them.
func (s *state) position() uint64 { return positionOf(s.base.Have) }

// positionOf returns the position of the last of so many entries of each stream.
func positionOf(have []uint64) (position uint64) {
	for _, entries := range have {
		position += entries
	}
	return position
}

// covers reports whether the base stands for all that was held at some time,
// as far as it counts.
func (s *state) covers(all []held) bool {
	for origin, h := range all {
		if place := member.ID(origin); s.isLost(place, h) || min(h.last, s.needs(place, h.identity)) > s.has(place) {
			return false
		}
	}
	return true
}

// recovered returns what is not covered by the base, of batches in the order
// in which they were kept.
func (s *state) recovered(batches []protocol.Batch, members int) *protocol.Recovered {
	base := protocol.Snapshot{Time: s.base.Time, Have: slices.Clone(s.base.Have), State: slices.Clone(s.base.State)}
	for len(base.Have) < s.places(members) {
		base.Have = append(base.Have, 0)
	}
	return &protocol.Recovered{
		Base:    base,
		Batches: copied(slices.DeleteFunc(batches, func(b protocol.Batch) bool { return s.passes(&b) })),
		Bound:   s.bound,
		Binding: slices.Clone(s.binding),
		Settled: s.settled,
		View:    s.view,
		Voted:   s.vote,
		// Version 1 did not say it; nothing settles before.
		Agreed: s.binding != nil && s.binding.Complete() && (s.agreed || s.settled > 0 || s.base.Time > 0),
	}
}

// copied returns batches with memory of their own, so that they do not keep whole
// segments in memory.
func copied(batches []protocol.Batch) []protocol.Batch {
	var chunk []byte
	for i := range batches {
		b := &batches[i]
		if len(b.Bytes) > cap(chunk)-len(chunk) {
			chunk = make([]byte, 0, max(pageBytes, len(b.Bytes)))
		}
		begin := len(chunk)
		chunk = append(chunk, b.Bytes...)
		b.Bytes = chunk[begin:len(chunk):len(chunk)]
	}
	return batches
}
