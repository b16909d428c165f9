package member

import (
	"encoding/binary"
	"math"
	"net"
	"slices"
	"strconv"

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
	Roots  []Root  // where its history began, and was forced to go on, oldest first

	Strikes []Strike // whom the others let go for silence of late, by name
}

// Place is a place of a view and who has it. A place is never given up, nor its
// stream: one tenant after the other adds to it.
type Place struct {
	Since    uint64   // the number of the view in which the tenant came
	Identity Identity // of the tenant
	Name     string   // no two places have the same
	Address  string   // host:port
	Role     Role
	// Observes says that the tenant has joined only to read: it is seated, and does not
	// ask to count.
	Observes bool
	Start    clock.Time // all entries that the tenant wrote since it came are later
	// Base is how many entries of the tenant were agreed on when the view was
	// decided, and are held by who accepted it. Of who is gone it is the cut:
	// what lies beyond is in nobody's order.
	Base uint64
	// Returns says how its stream went on each time after it was cut, oldest first:
	// who had been let go came back, or who was seated in its stead began.
	Returns []Return
	// Former are the tenants before, oldest first: they had no data any more when
	// another one was seated.
	Former []Tenant
}

// Return is how the stream of a place went on where it had been cut.
type Return struct {
	Since uint64     // the number of the view in which it did
	Cut   uint64     // entries that it had in the order until then
	Start clock.Time // all later entries of the stream are later than that
}

// Tenant is who had a place before.
type Tenant struct {
	Identity Identity
	Returns  uint64 // how many returns there were until another one was seated: what was written after more of them is not its own
}

const (
	// ReturnsMax is how often the stream of a place can go on.
	ReturnsMax = 1000
	// FormerMax is how many tenants a place can have had before the one that it has.
	FormerMax = 1000
	// SeatedMax is how many places can be there at a time whose tenants have not begun to
	// count, or do not want to: so that many cost nothing.
	SeatedMax = 16
)

// Role says what the tenant of a place does.
type Role uint8

// The roles.
const (
	Writer Role = iota + 1 // a member: it counts, and adds to its stream
	Gone                   // does not count: it was let go, or is seated and has not begun; its stream ends at its cut
)

// Root is a view in which a history begins: the first one, and each that was
// forced without the quorum of the one before it.
type Root struct {
	Number  uint64
	Lineage uint64 // of the first view; of a forced one, that of the view before it
	// What follows is of forced ones, and zero of the first one.
	Clock clock.Time // of the view: who settled anything later is of another history
	Hash  uint64     // of the view without this root, which tells it from others that were forced after the same one
}

// Strike counts how often a member of this name was let go for silence of late.
type Strike struct {
	Name  string
	Count uint64
}

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
	place, ok := v.placeNamed(name)
	return place, ok && v.Places[place].Role == Writer
}

// placeNamed returns the place with a name, whether or not its tenant counts.
func (v *View) placeNamed(name string) (ID, bool) {
	i := slices.IndexFunc(v.Places, func(p Place) bool { return p.Name == name })
	return ID(max(i, 0)), i >= 0
}

// TenantAt returns the place that an identity has, whether or not it counts.
func (v *View) TenantAt(identity Identity) (ID, bool) {
	i := slices.IndexFunc(v.Places, func(p Place) bool { return p.Identity == identity })
	return ID(max(i, 0)), i >= 0
}

// FormerAt returns the place that an identity had before it was another one's.
func (v *View) FormerAt(identity Identity) (ID, bool) {
	i := slices.IndexFunc(v.Places, func(p Place) bool { return p.HadBefore(identity) })
	return ID(max(i, 0)), i >= 0
}

// Cut returns after how many entries the stream of a place was cut when an identity
// was let go from it, and reports whether it was.
func (v *View) Cut(identity Identity) (cut uint64, ok bool) {
	for i := range v.Places {
		p := &v.Places[i]
		if p.Role == Gone && p.Identity == identity {
			return p.Base, true
		}
		for _, t := range p.Former {
			if t.Identity == identity {
				return p.cutAfter(int(t.Returns)), true
			}
		}
	}
	return 0, false
}

// cutAfter returns where the stream of a place was cut after so many returns, all
// that there can be if it was not.
func (p *Place) cutAfter(returns int) uint64 {
	switch {
	case returns < len(p.Returns):
		return p.Returns[returns].Cut
	case p.Role == Gone:
		return p.Base
	}
	return math.MaxUint64
}

// Member returns the tenant of a place as a list has it; host and port are missing if
// its address cannot be dialed.
func (p *Place) Member() Member {
	m := Member{Name: p.Name}
	host, text, err := net.SplitHostPort(p.Address)
	if port, wrong := strconv.Atoi(text); err == nil && wrong == nil && port > 0 && port <= math.MaxUint16 {
		m.Host, m.Port = host, port
	}
	return m
}

// HadBefore reports whether an identity had the place before its tenant.
func (p *Place) HadBefore(identity Identity) bool {
	return slices.ContainsFunc(p.Former, func(t Tenant) bool { return t.Identity == identity })
}

// IsSeated reports whether the tenant of a place has not begun to count there.
func (p *Place) IsSeated() bool { return p.Role == Gone && p.Since > 1 && len(p.Own()) == 0 }

// Own returns the returns of the tenant itself, without those of who had the place
// before.
func (p *Place) Own() []Return {
	if n := len(p.Former); n > 0 {
		return p.Returns[p.Former[n-1].Returns:]
	}
	return p.Returns
}

// WriterAfter returns who wrote what the stream of a place got after so many of the
// returns.
func (p *Place) WriterAfter(returns int) Identity {
	writer := p.Identity
	for i := len(p.Former) - 1; i >= 0 && uint64(returns) <= p.Former[i].Returns; i-- {
		writer = p.Former[i].Identity
	}
	return writer
}

// lifeOf returns which life of a place an identity is, from 1: how many tenants had it
// until then.
func (p *Place) lifeOf(writer Identity) uint64 {
	if i := slices.IndexFunc(p.Former, func(t Tenant) bool { return t.Identity == writer }); i >= 0 {
		return uint64(i) + 1
	}
	return uint64(len(p.Former)) + 1
}

// LifeOf returns which life of a place wrote what stands under an identity, from 1.
func (p *Place) LifeOf(pen Identity) uint64 {
	if len(p.Former) == 0 {
		return 1
	}
	if returns, ok := p.returnsBefore(pen); ok {
		return p.lifeOf(p.WriterAfter(returns))
	}
	return p.lifeOf(pen)
}

// LifeAt returns which life of a place wrote an entry of its stream, or is to write it.
func (p *Place) LifeAt(seq uint64) uint64 {
	if len(p.Former) == 0 {
		return 1
	}
	returns := 0
	for returns < len(p.Returns) && seq > p.Returns[returns].Cut {
		returns++
	}
	return p.lifeOf(p.WriterAfter(returns))
}

// Pen returns the identity that stands on what is written at a place now: that of
// who writes, and after each return another one, which follows from the view. So
// what was written beyond a cut is never taken for what stands there now.
func (p *Place) Pen() Identity { return p.PenAfter(len(p.Returns)) }

// PenAfter returns that of the time after so many of the returns.
func (p *Place) PenAfter(returns int) Identity {
	writer := p.WriterAfter(returns)
	if returns == 0 {
		return writer
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(writer))
	return Identity(hashOf(binary.LittleEndian.AppendUint64(b, p.Returns[returns-1].Since)))
}

// returnsBefore returns after how many of the returns a pen wrote, the last ones
// first.
func (p *Place) returnsBefore(pen Identity) (returns int, ok bool) {
	for returns = len(p.Returns); returns >= 0; returns-- {
		if p.PenAfter(returns) == pen {
			return returns, true
		}
	}
	return 0, false
}

// Span returns which entries of the stream of a place stand under an identity: those
// after from, up to to. Both are equal if there are none.
func (v *View) Span(place ID, identity Identity) (from, to uint64) {
	if int(place) >= len(v.Places) {
		return 0, 0
	}
	p := &v.Places[place]
	returns, ok := p.returnsBefore(identity)
	if !ok {
		return 0, 0
	}
	if returns > 0 {
		from = p.Returns[returns-1].Cut
	}
	return from, p.cutAfter(returns)
}

// Reach returns up to which entry what an identity wrote at a place is in the stream
// of the place: all of it if it counts there, up to its cut if it was let go, nothing
// if it never wrote there.
func (v *View) Reach(place ID, identity Identity) uint64 {
	_, to := v.Span(place, identity)
	return to
}

// WriterOf returns who wrote at a place what stands under an identity, 0 if nobody
// did.
func (v *View) WriterOf(place ID, identity Identity) Identity {
	if int(place) >= len(v.Places) {
		return 0
	}
	p := &v.Places[place]
	if returns, ok := p.returnsBefore(identity); ok {
		return p.WriterAfter(returns)
	}
	return 0
}

// ReturnAfter returns how the stream of a place went on first after a view, nil if it
// did not.
func (p *Place) ReturnAfter(number uint64) *Return {
	for i := range p.Returns {
		if p.Returns[i].Since > number {
			return &p.Returns[i]
		}
	}
	return nil
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
		if added.Number <= older.Number || added.Number == older.Number+1 && added.Lineage != older.Lineage {
			return false
		}
	}
	return true
}

// ForcedAfter returns the root of the first view that was forced after an older one of
// the same history, nil if none was.
func (v *View) ForcedAfter(older *View) *Root {
	if len(v.Roots) > len(older.Roots) {
		return &v.Roots[len(older.Roots)]
	}
	return nil
}

// IsForced reports whether the view itself was forced.
func (v *View) IsForced() bool { return v.Number > 1 && v.Roots[len(v.Roots)-1].Number == v.Number }

// IsNewlyForced reports whether the view was forced after an older one of its history.
func (v *View) IsNewlyForced(older *View) bool { return v.IsForced() && v.Number > older.Number }

// Members returns who counts in the view, by place.
func (v *View) Members() (identities []Identity) {
	for i := range v.Places {
		if v.Places[i].Role == Writer {
			identities = append(identities, v.Places[i].Identity)
		}
	}
	return identities
}

// Shares reports whether both views are of one history.
func (v *View) Shares(other *View) bool {
	return v.Same(other) || v.Continues(other) || other.Continues(v)
}
