// Package roster says who counts at each place.
//
// At each place of the list one incarnation of a member writes and counts: the
// one that is bound to it once all members showed the same binding. That makes
// the first view; later ones say who was let go. Any other incarnation that is
// heard at a place lost its data, or was let go, and is an observer: it is
// served, reads all, and counts for nothing. A [Roster] has binding and view,
// learns the first one from what members say, and finds what must not meet:
// members that go by another history of the list, and incarnations whose data is
// older than what they once said. A [Farewell] is what such a member still has
// to say.
//
// A roster knows nothing of streams and links. What follows for them when
// somebody else counts at a place than was thought is up to a [Keeper]. Both
// protocols share it; how many places there are nobody but the roster says.
package roster

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// Roster says who counts at each place, as far as one member knows. It is made
// by [New].
type Roster struct {
	self     member.ID
	identity member.Identity
	list     member.List `state:"const"`
	binding  member.Binding
	hash     uint64       // of the binding; 0 as long as it is incomplete
	view     *member.View // that counts; nil as long as not all members showed the binding
	size     int          // members that count
	observer bool         // nobody, or another incarnation, counts at the own place

	unkept bool // the binding changed since it was last made durable
	sworn  bool // that all agreed was made durable

	findings protocol.Findings `state:"hint"`
}

// Keeper keeps what depends on who counts at a place.
type Keeper interface {
	// Resign is told that another incarnation counts at the own place, before
	// that is so: all that was written here is nobody's.
	Resign()
	// Vacate is told that who was bound to a place does not count there, before
	// somebody else is bound to it: the stream that is held is another one's.
	Vacate(place member.ID)
	// Seat is told that an incarnation is bound to the place of a peer.
	Seat(place member.ID)
}

// New returns the roster of a member that knows nobody but itself, at the places
// of a list, and is not bound to its own one yet.
func New(self member.ID, identity member.Identity, list member.List) Roster {
	return Roster{self: self, identity: identity, list: list, binding: make(member.Binding, len(list)), size: len(list)}
}

// Recover takes up what an earlier start of this member knew. What it bound is
// durable already. A view that counted last is nil if it was the first one.
func (r *Roster) Recover(binding member.Binding, view *member.View) {
	if view != nil {
		r.take(view)
		r.grow(len(view.Places))
		for place := range view.Places {
			r.binding[place] = view.Places[place].Identity
		}
	}
	r.binding.Merge(binding)
	r.hash = r.binding.Hash()
	if r.observer = r.isObserver(); view != nil {
		r.judgeFate()
	}
}

// judgeFate finds what became of this incarnation, if that is for people to know: the
// others let go of it, and maybe gave its place to another one.
func (r *Roster) judgeFate() {
	r.findings.Drop(protocol.LetGo, r.self)
	switch p := &r.view.Places[r.self]; {
	case p.HadBefore(r.identity):
		r.findings.Add(protocol.Replaced, r.self)
	case p.Role == member.Gone && p.Identity == r.identity && !p.IsSeated():
		r.findings.Add(protocol.LetGo, r.self)
	}
}

// isObserver reports whether this incarnation does not count at its own place.
func (r *Roster) isObserver() bool {
	owner := r.binding[r.self]
	return owner != 0 && owner != r.identity || r.IsGone(r.self)
}

// RecoverAgreement takes up that all had agreed, once all that was recovered is
// bound.
func (r *Roster) RecoverAgreement(agreed bool) {
	if agreed && r.view == nil && r.binding.Complete() {
		r.found()
	}
	r.sworn = r.view != nil
}

// grow adds places, to which nobody is bound, up to a number of them.
func (r *Roster) grow(places int) {
	for len(r.binding) < places {
		r.binding = append(r.binding, 0)
	}
}

// found makes the first view count.
func (r *Roster) found() { r.take(member.Founding(r.list, r.binding)) }

// take makes a view count.
func (r *Roster) take(v *member.View) { r.view, r.size = v, v.Size() }

// Len returns how many places there are.
func (r *Roster) Len() int { return len(r.binding) }

// Self returns the own place.
func (r *Roster) Self() member.ID { return r.self }

// Has reports whether there is such a place.
func (r *Roster) Has(place member.ID) bool { return int(place) < len(r.binding) }

// Bound returns who is bound to a place; 0 if nobody is yet.
func (r *Roster) Bound(place member.ID) member.Identity { return r.binding[place] }

// Counts reports whether an incarnation is the one that is bound to a place, and
// is a member.
func (r *Roster) Counts(place member.ID, identity member.Identity) bool {
	return r.binding[place] == identity && !r.IsGone(place)
}

// Owns reports whether the stream of a place is that of an incarnation: of the
// one that is bound to it, also if it was let go.
func (r *Roster) Owns(place member.ID, identity member.Identity) bool {
	return r.binding[place] == identity
}

// Takes reports whether a batch is of the stream that its place has: of who is
// bound to it, not beyond where it was cut, and of the time since then if who wrote
// it came back.
func (r *Roster) Takes(b *protocol.Batch) bool {
	if r.view == nil {
		return r.binding[b.Origin] == b.Identity
	}
	from, to := r.view.Span(b.Origin, b.Identity)
	return b.Seq > from && b.Last() <= to
}

// Pen returns the identity that stands on what is written at the own place now.
func (r *Roster) Pen() member.Identity {
	if r.view == nil || r.observer {
		return r.identity
	}
	return r.view.Places[r.self].Pen()
}

// WroteHere reports whether a batch is of this incarnation, of whatever time.
func (r *Roster) WroteHere(b *protocol.Batch) bool {
	switch {
	case b.Origin != r.self:
		return false
	case r.view == nil || b.Identity == r.identity:
		return b.Identity == r.identity
	}
	return r.view.WriterOf(r.self, b.Identity) == r.identity
}

// MaySeat reports whether this incarnation can be seated at its place, which is that
// of another one: it was never there itself.
func (r *Roster) MaySeat() bool {
	return r.view != nil && !r.Owns(r.self, r.identity) && !r.view.Places[r.self].HadBefore(r.identity)
}

// MayReturn reports whether this incarnation was let go from its place, or is seated
// there, and can come back to it.
func (r *Roster) MayReturn() bool { return r.IsGone(r.self) && r.Owns(r.self, r.identity) }

// IsGone reports whether who had a place was let go.
func (r *Roster) IsGone(place member.ID) bool {
	return r.view != nil && r.view.Places[place].Role == member.Gone
}

// Cut returns where the stream of a place ends, and reports whether it does: who
// wrote it was let go.
func (r *Roster) Cut(place member.ID) (entries uint64, ends bool) {
	if !r.IsGone(place) {
		return 0, false
	}
	return r.view.Places[place].Base, true
}

// Size returns how many members count.
func (r *Roster) Size() int { return r.size }

// View returns the view that counts, nil as long as not all members agreed on
// the first one.
func (r *Roster) View() *member.View { return r.view }

// Writes reports whether the stream of a place is this member's own one, which
// nobody else adds to.
func (r *Roster) Writes(place member.ID) bool { return place == r.self && !r.observer }

// Observes reports whether this member only reads: it lost its data, and its
// place is that of an earlier incarnation, or it was let go.
func (r *Roster) Observes() bool { return r.observer }

// Agreed reports whether all members showed the same binding.
func (r *Roster) Agreed() bool { return r.view != nil }

// Hash returns the hash of the binding, 0 as long as it is incomplete.
func (r *Roster) Hash() uint64 { return r.hash }

// Shares reports whether a hash is that of the own complete binding.
func (r *Roster) Shares(hash uint64) bool { return hash == r.hash && hash != 0 }

// Binding returns the binding as it is now, valid until the next change.
func (r *Roster) Binding() member.Binding { return r.binding }

// Tag returns what each message says of the view that its sender goes by: zero
// before all agreed.
func (r *Roster) Tag() protocol.Tag { return protocol.TagOf(r.view) }

// Bind binds an incarnation to a place if nobody is bound to it yet, and reports
// whether it did. The keeper of the place is not told.
func (r *Roster) Bind(place member.ID, identity member.Identity) bool {
	if r.binding[place] != 0 || identity == 0 {
		return false
	}
	r.binding[place] = identity
	r.rehash()
	return true
}

func (r *Roster) rehash() {
	r.hash = r.binding.Hash()
	r.unkept = true
}

// Learn takes over what the sender of a message has bound, and reports whether
// that changed anything, and whether the sender went by what all had agreed on.
func (r *Roster) Learn(m *protocol.Message, k Keeper) (changed, agreed bool) {
	if r.Agreed() || len(m.Binding) != len(r.binding) {
		return false, false
	}
	if owner := m.Binding[r.self]; owner != 0 && owner != r.identity && !r.observer {
		k.Resign()
		r.observer = true
		r.bindAnew(r.self, owner)
		changed = true
	}
	if m.View.Number == 1 && m.Binding.Complete() && m.View == protocol.TagOf(member.Founding(r.list, m.Binding)) {
		return r.adopt(m.Binding, k) || changed, true
	}
	for place, identity := range m.Binding {
		if id := member.ID(place); r.Bind(id, identity) {
			changed = true
			r.seat(id, k)
		}
	}
	return changed, false
}

// adopt takes over a binding that all members agreed on. Nothing of a stream
// that was bound otherwise here can have settled.
func (r *Roster) adopt(agreed member.Binding, k Keeper) (changed bool) {
	for place, identity := range agreed {
		id := member.ID(place)
		if r.binding[id] == identity {
			continue
		}
		if r.binding[id] != 0 {
			k.Vacate(id)
		}
		r.bindAnew(id, identity)
		r.seat(id, k)
		changed = true
	}
	return changed
}

func (r *Roster) bindAnew(place member.ID, identity member.Identity) {
	r.binding[place] = identity
	r.rehash()
}

func (r *Roster) seat(place member.ID, k Keeper) {
	if place != r.self {
		k.Seat(place)
	}
}

// Agree notices that all members have shown the own complete binding, and
// reports whether that is new. The function returns the hash of what the member
// at a place showed, or 0.
func (r *Roster) Agree(shown func(member.ID) uint64) bool {
	if r.Agreed() || r.hash == 0 {
		return false
	}
	for place := range r.binding {
		if shown(member.ID(place)) != r.hash {
			return false
		}
	}
	r.found()
	return true
}

// Trust notes that somebody who goes by the own complete binding knows that all
// agreed on it.
func (r *Roster) Trust() {
	if r.view == nil {
		r.found()
	}
}

// Install makes a view count that was decided. The keeper is told of each place
// that is somebody else's than was thought, which can only be before this member
// knew of any view. Who had a place before its tenant wrote to the same stream.
func (r *Roster) Install(v *member.View, k Keeper) {
	r.grow(len(v.Places))
	for place := range v.Places {
		id, p := member.ID(place), &v.Places[place]
		switch before := r.binding[id]; {
		case before == p.Identity:
			continue
		case before == 0 || p.HadBefore(before):
		case id == r.self:
			k.Resign()
		default:
			k.Vacate(id)
		}
		r.bindAnew(id, p.Identity)
		r.seat(id, k)
	}
	r.take(v)
	r.observer = r.isObserver()
	r.judgeFate()
	r.unkept, r.sworn = true, true
}

// KeepAgain has the binding made durable once more, with what is about it.
func (r *Roster) KeepAgain() { r.unkept = true }

// Keep adds to the effects what is new of the binding, and that all agreed on
// it: else a member that restarts while another one is dead could settle
// nothing any more. Once the members have changed, the view says both.
func (r *Roster) Keep(fx *protocol.Effects) {
	switch changed := r.view != nil && r.view.Number > 1; {
	case !r.unkept:
	case changed:
		fx.View = r.view
	default:
		fx.Binding = r.binding
	}
	fx.Agreed = r.Agreed() && !r.sworn
	r.unkept, r.sworn = false, r.Agreed()
}
