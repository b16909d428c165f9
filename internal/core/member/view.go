package member

import (
	"encoding/binary"
	"math"
	"slices"

	"chatterbox/internal/core/clock"
)

// View says who belongs to the cluster, from when its members decided on it
// until they decide on the next one. Members with equal numbers and lineages
// have equal views, but for how their lists name the founders. A view is never
// changed once it is made: [Founding] makes the first one, [View.Successor] each
// other.
type View struct {
	Number   uint64     // 1 for the founders', then without gaps
	Lineage  uint64     // a hash of the view and of all before it
	Proposer Identity   // who proposed it; 0 for the first one
	Clock    clock.Time // nothing later was settled in any view before it

	Places []Place // by the ID of the place; nobody ever takes the ID of another one that counts
	Graves []Grave // who once had a place that somebody else has, oldest first
	Buried uint64  // entries of those who had one even earlier, and are not listed
	Roots  []Root  // where its history began, and was forced to go on, oldest first

	Strikes []Strike // whom the others let go for silence of late, by name
}

// Place is a place of a view and who has it.
type Place struct {
	Since    uint64   // the number of the view in which the tenant came
	Identity Identity // of the tenant
	Name     string
	Address  string // host:port
	Role     Role
	Start    clock.Time // all entries that the tenant wrote since it came are later
	// Base is how many entries of the tenant were agreed on when the view was
	// decided, and are held by who accepted it. Of who is gone it is the cut:
	// what lies beyond is in nobody's order.
	Base uint64
	// Returns says how its tenant came back each time after it was let go, oldest
	// first: it goes on with the same stream where that was cut.
	Returns []Return
}

// Return is how a tenant came back to its place.
type Return struct {
	Since uint64     // the number of the view in which it did
	Cut   uint64     // entries that it had in the order until then
	Start clock.Time // all later entries of the stream are later than that
}

// ReturnsMax is how often the tenant of a place can come back.
const ReturnsMax = 1000

// Role says what the tenant of a place does.
type Role uint8

// The roles.
const (
	Writer Role = iota + 1 // a member: it counts, and adds to its stream
	Gone                   // was let go: its stream ends at its cut, and its place can be given away
)

// Grave is what remains of a tenant whose place somebody else has.
type Grave struct {
	Identity Identity
	Cut      uint64 // how many of its entries are in the order
}

// Root is a view in which a history begins: the first one, and each that was
// forced without the quorum of the one before it.
type Root struct {
	Number  uint64
	Lineage uint64 // of the view; of a forced one, that of the view before it
}

// Strike counts how often a member of this name was let go for silence of late.
type Strike struct {
	Name  string
	Count uint64
}

// GravesMax is how many graves a view lists; beyond, the oldest become a sum.
const GravesMax = 1000

// Founding returns the view of the founders: everybody in the list, with the
// identities that all showed each other. The binding must be complete.
func Founding(list List, binding Binding) *View {
	v := &View{Number: 1, Places: make([]Place, len(list))}
	for i, m := range list {
		v.Places[i] = Place{Since: 1, Identity: binding[i], Name: m.Name, Address: m.Address(), Role: Writer}
	}
	v.Lineage = foundingHash(list.Hash(), binding)
	v.Roots = []Root{{Number: 1, Lineage: v.Lineage}}
	return v
}

// Size returns the number of members.
func (v *View) Size() int {
	size := 0
	for i := range v.Places {
		if v.Places[i].Role == Writer {
			size++
		}
	}
	return size
}

// Quorum returns R of so many members: as many of them decide on the next view.
func Quorum(members int) int { return members/2 + 1 }

// Holders returns W of so many members: as many of them must hold an entry
// before it settles, so that any quorum has one of them: W + R > n. A member
// that is alone is enough for itself.
func Holders(members int) int { return min(members, max(2, members-Quorum(members)+1)) }

// Quorum returns R: so many members of a view decide on the next one.
func (v *View) Quorum() int { return Quorum(v.Size()) }

// Holders returns W: so many members must hold an entry before it settles.
func (v *View) Holders() int { return Holders(v.Size()) }

// Has reports whether an identity is a member of the view.
func (v *View) Has(identity Identity) bool {
	_, ok := v.PlaceOf(identity)
	return ok
}

// PlaceOf returns the place of a member.
func (v *View) PlaceOf(identity Identity) (ID, bool) {
	i := slices.IndexFunc(v.Places, func(p Place) bool { return p.Role == Writer && p.Identity == identity })
	return ID(max(i, 0)), i >= 0
}

// Named returns the place of the member with a name.
func (v *View) Named(name string) (ID, bool) {
	i := slices.IndexFunc(v.Places, func(p Place) bool { return p.Role == Writer && p.Name == name })
	return ID(max(i, 0)), i >= 0
}

// Cut returns how many entries of an identity that was let go are in the order,
// and reports whether it was.
func (v *View) Cut(identity Identity) (cut uint64, ok bool) {
	for i := range v.Places {
		if p := &v.Places[i]; p.Role == Gone && p.Identity == identity {
			return p.Base, true
		}
	}
	for _, g := range v.Graves {
		if g.Identity == identity {
			return g.Cut, true
		}
	}
	return 0, false
}

// Pen returns the identity that stands on what the tenant of a place writes now:
// its own one, and after each return another one, which follows from the view. So
// what it wrote beyond a cut is never taken for what stands there now.
func (p *Place) Pen() Identity { return p.PenAfter(len(p.Returns)) }

// PenAfter returns that of the time after so many of the returns.
func (p *Place) PenAfter(returns int) Identity {
	if returns == 0 {
		return p.Identity
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(p.Identity))
	return Identity(hashOf(binary.LittleEndian.AppendUint64(b, p.Returns[returns-1].Since)))
}

// Span returns which entries of the stream of a place stand under an identity: those
// after from, up to to. Both are equal if there are none.
func (v *View) Span(place ID, identity Identity) (from, to uint64) {
	if int(place) >= len(v.Places) {
		return 0, 0
	}
	p := &v.Places[place]
	for returns := len(p.Returns); returns >= 0; returns-- {
		if p.PenAfter(returns) != identity {
			continue
		}
		if returns > 0 {
			from = p.Returns[returns-1].Cut
		}
		switch {
		case returns < len(p.Returns):
			return from, p.Returns[returns].Cut
		case p.Role == Gone:
			return from, p.Base
		}
		return from, math.MaxUint64
	}
	return 0, 0
}

// Reach returns up to which entry what an identity wrote at a place is in the stream
// of the place: all of it if it counts there, up to its cut if it was let go, nothing
// if another one has the place.
func (v *View) Reach(place ID, identity Identity) uint64 {
	_, to := v.Span(place, identity)
	return to
}

// IsOf reports whether an identity is, or was, that of what the tenant of a place
// writes.
func (v *View) IsOf(place ID, identity Identity) bool {
	if int(place) >= len(v.Places) {
		return false
	}
	p := &v.Places[place]
	for returns := range len(p.Returns) + 1 {
		if p.PenAfter(returns) == identity {
			return true
		}
	}
	return false
}

// ReturnAfter returns the first return of the tenant of a place after a view, nil
// if there was none.
func (p *Place) ReturnAfter(number uint64) *Return {
	for i := range p.Returns {
		if p.Returns[i].Since > number {
			return &p.Returns[i]
		}
	}
	return nil
}

// Retired returns how many entries are in the order whose streams have no place
// any more: a position is that and what is delivered of the places' streams.
func (v *View) Retired() uint64 {
	retired := v.Buried
	for _, g := range v.Graves {
		retired += g.Cut
	}
	return retired
}

// StrikesOf returns how often a name was let go for silence of late.
func (v *View) StrikesOf(name string) uint64 {
	for _, s := range v.Strikes {
		if s.Name == name {
			return s.Count
		}
	}
	return 0
}

// Same reports whether both are the same view.
func (v *View) Same(other *View) bool {
	return v.Number == other.Number && v.Lineage == other.Lineage
}

// Continues reports whether v comes after older in the same history, however
// many views lie between them. Otherwise, unless they are the same, they are of
// different histories, or older is the later one.
func (v *View) Continues(older *View) bool {
	known := len(older.Roots)
	if v.Number <= older.Number || len(v.Roots) < known || !slices.Equal(v.Roots[:known], older.Roots) {
		return false
	}
	for _, added := range v.Roots[known:] {
		if added.Number <= older.Number {
			return false
		}
	}
	return true
}

// Shares reports whether both views are of one history.
func (v *View) Shares(other *View) bool {
	return v.Same(other) || v.Continues(other) || other.Continues(v)
}
