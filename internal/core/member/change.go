package member

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chatterbox/internal/core/clock"
)

// Change is one step from a view to the next.
type Change struct {
	Kind     ChangeKind
	Identity Identity // whom it is about; unused by Renew
	Name     string   // of the place at which to seat whom to admit: one that is there, or a new one
	Address  string   // of whom to admit or to move, host:port; "" leaves the one that the place has
	Observes bool     // whom to admit only reads
	// Strikes is how often the name of whom to evict was let go for silence,
	// this time included; 0 leaves the count as it is.
	Strikes uint64
	// Survivors are who goes on by force, without all others and without a quorum; by
	// identity. Unused by other kinds.
	Survivors []Identity
}

// ChangeKind says what a change does.
type ChangeKind uint8

// The kinds of changes.
const (
	Renew  ChangeKind = iota + 1 // the same members: ends a change that cannot be completed
	Evict                        // a member goes
	Admit                        // somebody is seated at a place, and counts once it has come to have what it must
	Move                         // a member has another address
	Rejoin                       // who was let go, or is seated, is a member, at its place
	Force                        // the survivors alone are members, and begin a history of their own
)

// Done reports whether a view is as the change wants it. Renew is never done.
func (c *Change) Done(v *View) bool {
	place, member := v.PlaceOf(c.Identity)
	switch c.Kind {
	case Evict:
		return !member
	case Admit:
		_, seated := v.TenantAt(c.Identity)
		return seated
	case Rejoin:
		return member
	case Move:
		return member && v.Places[place].Address == c.Address
	case Force:
		return v.IsForced() && c.Keeps(v)
	}
	return false
}

// Names reports whether an identity is one of the survivors.
func (c *Change) Names(one Identity) bool { return slices.Contains(c.Survivors, one) }

// Keeps reports whether the members of a view are the survivors.
func (c *Change) Keeps(v *View) bool {
	return v.Size() == len(c.Survivors) && !slices.ContainsFunc(c.Survivors, func(one Identity) bool { return !v.Has(one) })
}

// Check returns why a change cannot be made to a view.
func (c *Change) Check(v *View) error {
	_, isMember := v.PlaceOf(c.Identity)
	switch {
	case c.Kind == Renew:
		return nil
	case c.Kind == Admit:
		return c.checkAdmit(v)
	case c.Kind == Rejoin:
		return c.checkRejoin(v)
	case c.Kind == Force:
		return c.checkForce(v)
	case c.Kind != Evict && c.Kind != Move:
		return fmt.Errorf("there is no change of kind %d", c.Kind)
	case !isMember:
		return fmt.Errorf("%s is no member", c.Identity)
	case c.Kind == Evict && v.Size() == 1:
		return errors.New("the only member cannot go: stop it, and the cluster has ended")
	case c.Kind == Move:
		return c.checkAddress(v)
	}
	return nil
}

func (c *Change) checkAdmit(v *View) error {
	if c.Identity == 0 {
		return errors.New("who is to be admitted has no identity")
	}
	if place, has := v.TenantAt(c.Identity); has {
		if v.Places[place].Role == Writer {
			return fmt.Errorf("%s is a member already", c.Name)
		}
		return fmt.Errorf("%s has the place of %s already, and comes back to it", c.Identity, v.Places[place].Name)
	}
	if place, had := v.FormerAt(c.Identity); had {
		return fmt.Errorf("%s was let go, and its place, that of %s, is another one's by now: it comes with an empty folder, under an identity of its own", c.Identity, v.Places[place].Name)
	}
	place, isThere := v.placeNamed(c.Name)
	if !isThere {
		return c.checkNewPlace(v)
	}
	switch p := &v.Places[place]; {
	case p.Role == Writer:
		return fmt.Errorf("the name %q is that of %s, which is a member: let it go first", c.Name, p.Identity)
	case len(p.Former) == FormerMax:
		return fmt.Errorf("the place of %s was given to another one %d times, and cannot be once more", c.Name, FormerMax)
	case c.Address == "":
		return (&Change{Identity: c.Identity, Address: p.Address}).checkAddress(v)
	}
	return c.checkAddress(v)
}

// checkNewPlace returns why there cannot be one more place.
func (c *Change) checkNewPlace(v *View) error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if len(v.Places) == CountMax {
		return fmt.Errorf("a cluster has at most %d places: take the name of one whose tenant is gone", CountMax)
	}
	if names := v.seated(); len(names) >= SeatedMax {
		return fmt.Errorf("%d places are of those who only read, or have not begun to count: %s; take the name of one that is gone", len(names), strings.Join(names, ", "))
	}
	return c.checkAddress(v)
}

// seated returns the names of the places whose tenants have not begun to count.
func (v *View) seated() (names []string) {
	for i := range v.Places {
		if v.Places[i].IsSeated() {
			names = append(names, v.Places[i].Name)
		}
	}
	return names
}

// checkRejoin returns why who was let go cannot come back.
func (c *Change) checkRejoin(v *View) error {
	if v.Has(c.Identity) {
		return fmt.Errorf("%s is a member already", c.Identity)
	}
	place, has := v.TenantAt(c.Identity)
	if !has {
		return fmt.Errorf("%s has no place to come back to", c.Identity)
	}
	p := &v.Places[place]
	if len(p.Returns) == ReturnsMax {
		return fmt.Errorf("members have come back to the place of %s %d times, and cannot once more", p.Name, ReturnsMax)
	}
	return (&Change{Identity: c.Identity, Address: p.Address}).checkAddress(v)
}

// checkForce returns why these survivors cannot go on alone.
func (c *Change) checkForce(v *View) error {
	if len(c.Survivors) == v.Size() {
		return errors.New("by force some members go, and some stay")
	}
	return c.checkSurvivors(v)
}

// checkSurvivors returns why these survivors are not all members, each once. They may be
// all that are left, by a view that nobody can show to be decided on any more.
func (c *Change) checkSurvivors(v *View) error {
	for i, one := range c.Survivors {
		if !v.Has(one) {
			return fmt.Errorf("%s is no member of view %d, so it cannot go on by force", one, v.Number)
		}
		if i > 0 && c.Survivors[i-1] >= one {
			return errors.New("the survivors do not stand by their identities, each once")
		}
	}
	if len(c.Survivors) == 0 {
		return errors.New("by force somebody stays")
	}
	return nil
}

// Came returns who counts in a view and did not in the one before.
func (v *View) Came() (identities []Identity) {
	for i := range v.Places {
		if p := &v.Places[i]; p.Role == Writer && p.Since == v.Number && v.Number > 1 {
			identities = append(identities, p.Identity)
		}
	}
	return identities
}

func (c *Change) checkAddress(v *View) error {
	if len(c.Address) == 0 || len(c.Address) > nameBytesMax {
		return fmt.Errorf("an address has 1 to %d bytes, this one has %d", nameBytesMax, len(c.Address))
	}
	for _, p := range v.Places {
		if p.Role == Writer && p.Address == c.Address && p.Identity != c.Identity {
			return fmt.Errorf("the address %s is that of %s too", c.Address, p.Name)
		}
	}
	return nil
}

// Grounds are what a quorum of a view said before a change of it.
type Grounds struct {
	Proposer Identity
	Base     []uint64   // the most that one of them held of each place's stream
	Clock    clock.Time // the latest of their clocks
}

// Successor returns the view that a change makes of this one. By force it may be that of
// the same members, if they are those who are to go on.
func (v *View) Successor(c Change, g Grounds) (*View, error) {
	check := c.Check
	if c.Kind == Force {
		check = c.checkSurvivors
	}
	if err := check(v); err != nil {
		return nil, err
	}
	next := &View{
		Number: v.Number + 1, Proposer: g.Proposer, Clock: max(g.Clock, v.Clock),
		Places: slices.Clone(v.Places), Roots: slices.Clone(v.Roots), Strikes: slices.Clone(v.Strikes),
	}
	for i := range next.Places {
		if p := &next.Places[i]; p.Role != Gone && i < len(g.Base) { // what is cut stays as long as it was
			p.Base = max(p.Base, g.Base[i])
		}
	}
	place, _ := v.PlaceOf(c.Identity)
	switch c.Kind {
	case Evict:
		next.Places[place].Role = Gone
		next.strike(next.Places[place].Name, c.Strikes)
	case Move:
		next.Places[place].Address = c.Address
	case Rejoin:
		back, _ := v.TenantAt(c.Identity)
		next.Places[back].comeBack(next)
	case Admit:
		next.seat(c)
	case Force:
		next.keepOnly(c.Survivors)
		next.Roots = append(next.Roots, Root{Number: next.Number, Lineage: v.Lineage, Clock: next.Clock, Hash: next.hash(v.Lineage)})
	}
	next.Lineage = next.hash(v.Lineage)
	return next, nil
}

// keepOnly has all members go but some.
func (v *View) keepOnly(survivors []Identity) {
	for i := range v.Places {
		if p := &v.Places[i]; p.Role == Writer && !slices.Contains(survivors, p.Identity) {
			p.Role = Gone
		}
	}
}

// CheckForced returns why a view cannot have been forced after older, or after one that
// may have followed it.
func (v *View) CheckForced(older *View) error {
	if err := v.check(); err != nil {
		return err
	}
	switch {
	case !v.Continues(older):
		return fmt.Errorf("view %d is of another history than view %d", v.Number, older.Number)
	case !v.IsForced():
		return fmt.Errorf("view %d was not forced", v.Number)
	case v.Clock < older.Clock || len(v.Places) < len(older.Places):
		return errors.New("it takes back what the view before it has")
	}
	for _, one := range v.Members() {
		if !older.Has(one) {
			return fmt.Errorf("%s survives, and was no member before", one)
		}
	}
	return nil
}

// comeBack makes the tenant of a place, which was let go or is seated, a member.
func (p *Place) comeBack(v *View) {
	p.Role, p.Observes, p.Since, p.Start = Writer, false, v.Number, v.Clock
	p.Returns = append(slices.Clip(p.Returns), Return{Since: v.Number, Cut: p.Base, Start: v.Clock})
}

// seat assigns a newcomer the place that has its name, or a new one. It does not count
// there yet.
func (v *View) seat(c Change) {
	place, isThere := v.placeNamed(c.Name)
	if !isThere {
		place = ID(len(v.Places))
		v.Places = append(v.Places, Place{Name: c.Name, Role: Gone})
	}
	v.Places[place].seat(v, c.Identity, cmp.Or(c.Address, v.Places[place].Address), c.Observes)
}

// seat makes an identity the tenant of a place.
func (p *Place) seat(v *View, identity Identity, address string, observes bool) {
	if p.Identity != 0 {
		p.Former = append(slices.Clip(p.Former), Tenant{Identity: p.Identity, Returns: uint64(len(p.Returns))})
	}
	p.Identity, p.Address, p.Observes, p.Since, p.Start = identity, address, observes, v.Number, v.Clock
}

// strike sets how often a name was let go for silence.
func (v *View) strike(name string, count uint64) {
	if count == 0 {
		return
	}
	at := slices.IndexFunc(v.Strikes, func(s Strike) bool { return s.Name == name })
	if at < 0 {
		v.Strikes = append(v.Strikes, Strike{Name: name, Count: count})
		return
	}
	v.Strikes[at].Count = count
}

// CheckStep returns why a view cannot be the next one after older. Most members of
// a view were in the one before, else those who know its history could be
// outvoted by who does not; only one member cannot do without a newcomer.
func (v *View) CheckStep(older *View) error {
	if err := v.check(); err != nil {
		return err
	}
	switch {
	case v.Number != older.Number+1:
		return fmt.Errorf("view %d does not come after view %d", v.Number, older.Number)
	case !slices.Equal(v.Roots, older.Roots):
		return errors.New("it is of another history")
	case v.Lineage != v.hash(older.Lineage):
		return fmt.Errorf("the lineage %016x is not that of such a view", v.Lineage)
	case v.Clock < older.Clock || len(v.Places) < len(older.Places):
		return errors.New("it takes back what the view before it has")
	case len(v.Places) > len(older.Places)+1:
		return errors.New("it has more than one place that is new")
	}
	for i := len(older.Places); i < len(v.Places); i++ {
		begun := Place{Name: v.Places[i].Name, Role: Gone}
		if begun.seat(v, v.Places[i].Identity, v.Places[i].Address, v.Places[i].Observes); !begun.same(&v.Places[i]) {
			return fmt.Errorf("place %d does not begin as it must", i)
		}
	}
	stayed := 0
	for i := range older.Places {
		if v.Places[i].Role == Writer && older.Places[i].Role == Writer && older.Places[i].Identity == v.Places[i].Identity {
			stayed++
		}
		if err := v.checkTenant(ID(i), &older.Places[i]); err != nil {
			return err
		}
	}
	if stayed < v.Quorum() && v.Size() > 2 {
		return fmt.Errorf("of %d members %d were members before: too few", v.Size(), stayed)
	}
	return nil
}

// checkTenant returns how a place contradicts what it was in the view before.
func (v *View) checkTenant(place ID, before *Place) error {
	now, next := &v.Places[place], *before
	switch {
	case now.Identity != before.Identity && before.Role != Gone:
		return fmt.Errorf("place %d is given away although %s is a member", place, before.Identity)
	case now.Identity != before.Identity:
		if next.seat(v, now.Identity, now.Address, now.Observes); !next.same(now) {
			return fmt.Errorf("place %d was not given away as it must be", place)
		}
	case now.Since != before.Since:
		if next.comeBack(v); before.Role != Gone || !next.same(now) {
			return fmt.Errorf("%s did not come back to place %d as it must", before.Identity, place)
		}
	default:
		if next.Address = now.Address; before.Role == Writer {
			next.Role, next.Base = now.Role, max(before.Base, now.Base)
		}
		if !next.same(now) {
			return fmt.Errorf("place %d has other entries of %s than before", place, before.Identity)
		}
	}
	return nil
}

// same reports whether both are the same place in the same state.
func (p *Place) same(other *Place) bool {
	return p.Identity == other.Identity && p.Since == other.Since && p.Start == other.Start && p.Role == other.Role && p.Observes == other.Observes && p.Base == other.Base &&
		p.Name == other.Name && p.Address == other.Address && slices.Equal(p.Returns, other.Returns) && slices.Equal(p.Former, other.Former)
}

// check returns what is wrong with a view by itself.
func (v *View) check() error {
	switch {
	case v.Number == 0 || v.Lineage == 0:
		return errors.New("a view has a number and a lineage")
	case len(v.Places) == 0 || len(v.Places) > CountMax || len(v.Strikes) > CountMax:
		return fmt.Errorf("a view has 1 to %d places", CountMax)
	case v.Clock >= clock.Infinity:
		return fmt.Errorf("%d is no time", uint64(v.Clock))
	case v.Size() == 0:
		return errors.New("a view has a member")
	}
	return errors.Join(v.checkPlaces(), v.checkRoots())
}

func (v *View) checkPlaces() error {
	identities, names := make(map[Identity]bool), make(map[string]bool)
	for i := range v.Places {
		p := &v.Places[i]
		switch {
		case p.Identity == 0 || identities[p.Identity]:
			return fmt.Errorf("place %d: the identity %s is that of another place, or none", i, p.Identity)
		case p.Role != Writer && p.Role != Gone:
			return fmt.Errorf("place %d: there is no role %d", i, p.Role)
		case p.Since == 0 || p.Since > v.Number || p.Start > v.Clock:
			return fmt.Errorf("place %d: came in view %d at time %d, which is later than now", i, p.Since, uint64(p.Start))
		case p.Observes && !p.IsSeated():
			return fmt.Errorf("place %d: who only reads does not count", i)
		case names[p.Name]:
			return fmt.Errorf("place %d: the name %q is that of another one", i, p.Name)
		case !p.formerFit() || !p.returnsFit():
			return fmt.Errorf("place %d: its tenants cannot have come like this", i)
		case len(p.Name) > nameBytesMax || len(p.Address) > nameBytesMax:
			return fmt.Errorf("place %d: name and address have at most %d bytes", i, nameBytesMax)
		}
		identities[p.Identity], names[p.Name] = true, true
		for _, t := range p.Former {
			if t.Identity == 0 || identities[t.Identity] {
				return fmt.Errorf("place %d: the identity %s, which had it, has or had another one, or is none", i, t.Identity)
			}
			identities[t.Identity] = true
		}
	}
	return nil
}

// returnsFit reports whether the returns to a place can be true.
func (p *Place) returnsFit() bool {
	before := Return{}
	for _, r := range p.Returns {
		if r.Since <= before.Since || r.Cut < before.Cut || r.Start < before.Start || r.Cut > p.Base {
			return false
		}
		before = r
	}
	if len(p.Returns) > ReturnsMax || before.Since > p.Since || before.Start > p.Start || len(p.Returns) > 0 && before.Since == 1 {
		return false
	}
	return len(p.Own()) == 0 || before.Since == p.Since && before.Start == p.Start
}

// formerFit reports whether those who had a place before can have had it. Who was
// seated after them came back once before it counts.
func (p *Place) formerFit() bool {
	before := uint64(0)
	for _, t := range p.Former {
		if t.Returns < before || t.Returns > uint64(len(p.Returns)) {
			return false
		}
		before = t.Returns
	}
	seated := len(p.Former) > 0 && before == uint64(len(p.Returns))
	return len(p.Former) <= FormerMax && !(seated && p.Role == Writer)
}

func (v *View) checkRoots() error {
	if len(v.Roots) == 0 || v.Roots[0].Number != 1 {
		return errors.New("a history begins with view 1")
	}
	for i := 1; i < len(v.Roots); i++ {
		if v.Roots[i].Number <= v.Roots[i-1].Number || v.Roots[i].Number > v.Number {
			return fmt.Errorf("view %d was not forced after view %d", v.Roots[i].Number, v.Roots[i-1].Number)
		}
		if r := &v.Roots[i]; r.Clock > v.Clock || r.Hash == 0 || r.Lineage == 0 {
			return fmt.Errorf("view %d was not forced as it must be", r.Number)
		}
	}
	return nil
}
