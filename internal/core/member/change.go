package member

import (
	"errors"
	"fmt"
	"slices"

	"chatterbox/internal/core/clock"
)

// Change is one step from a view to the next.
type Change struct {
	Kind     ChangeKind
	Identity Identity // whom it is about; unused by Renew
	Name     string   // of whom to admit
	Address  string   // of whom to admit or to move, host:port
	// Strikes is how often the name of whom to evict was let go for silence,
	// this time included; 0 leaves the count as it is.
	Strikes uint64
}

// ChangeKind says what a change does.
type ChangeKind uint8

// The kinds of changes.
const (
	Renew  ChangeKind = iota + 1 // the same members: ends a change that cannot be completed
	Evict                        // a member goes
	Admit                        // somebody becomes a member
	Move                         // a member has another address
	Rejoin                       // who was let go is a member again, at its place
)

// Done reports whether a view is as the change wants it. Renew is never done.
func (c *Change) Done(v *View) bool {
	place, member := v.PlaceOf(c.Identity)
	switch c.Kind {
	case Evict:
		return !member
	case Admit, Rejoin:
		return member
	case Move:
		return member && v.Places[place].Address == c.Address
	}
	return false
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
	if v.Has(c.Identity) {
		return fmt.Errorf("%s is a member already", c.Name)
	}
	if _, was := v.Cut(c.Identity); was {
		return fmt.Errorf("%s was let go: it comes back under another identity", c.Identity)
	}
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if place, taken := v.Named(c.Name); taken {
		return fmt.Errorf("the name %q is that of %s, which is a member: let it go first", c.Name, v.Places[place].Identity)
	}
	return c.checkAddress(v)
}

// checkRejoin returns why who was let go cannot come back.
func (c *Change) checkRejoin(v *View) error {
	if v.Has(c.Identity) {
		return fmt.Errorf("%s is a member already", c.Identity)
	}
	place, was := v.goneAt(c.Identity)
	if !was {
		return fmt.Errorf("%s has no place to come back to", c.Identity)
	}
	p := &v.Places[place]
	if _, taken := v.Named(p.Name); taken {
		return fmt.Errorf("the name %q is that of another member by now", p.Name)
	}
	if len(p.Returns) == ReturnsMax {
		return fmt.Errorf("%s has come back %d times, and cannot once more", p.Name, ReturnsMax)
	}
	return (&Change{Identity: c.Identity, Address: p.Address}).checkAddress(v)
}

// goneAt returns the place of who was let go.
func (v *View) goneAt(identity Identity) (ID, bool) {
	i := slices.IndexFunc(v.Places, func(p Place) bool { return p.Role == Gone && p.Identity == identity })
	return ID(max(i, 0)), i >= 0
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
	Base     []uint64      // the most that one of them held of each place's stream
	Clock    clock.Time    // the latest of their clocks
	Free     func(ID) bool // whether all members know the stream of who is gone to be trimmed to its end; nil: of nobody
}

// Successor returns the view that a change makes of this one.
func (v *View) Successor(c Change, g Grounds) (*View, error) {
	if err := c.Check(v); err != nil {
		return nil, err
	}
	next := &View{
		Number: v.Number + 1, Proposer: g.Proposer, Clock: max(g.Clock, v.Clock), Buried: v.Buried,
		Places: slices.Clone(v.Places), Graves: slices.Clone(v.Graves), Roots: slices.Clone(v.Roots), Strikes: slices.Clone(v.Strikes),
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
		back, _ := v.goneAt(c.Identity)
		next.Places[back].comeBack(next)
	case Admit:
		if err := next.seat(c, g.Free); err != nil {
			return nil, err
		}
	}
	next.Lineage = next.hash(v.Lineage)
	return next, nil
}

// comeBack makes the tenant of a place, which was let go, a member again.
func (p *Place) comeBack(v *View) {
	p.Role, p.Since, p.Start = Writer, v.Number, v.Clock
	p.Returns = append(slices.Clip(p.Returns), Return{Since: v.Number, Cut: p.Base, Start: v.Clock})
}

// seat assigns a newcomer a place: that of somebody who is gone and of whom
// nobody needs anything any more, or a new one.
func (v *View) seat(c Change, free func(ID) bool) error {
	tenant := Place{Since: v.Number, Identity: c.Identity, Name: c.Name, Address: c.Address, Role: Writer, Start: v.Clock}
	for i := range v.Places {
		if p := &v.Places[i]; p.Role == Gone && free != nil && free(ID(i)) {
			v.bury(Grave{Identity: p.Identity, Cut: p.Base})
			*p = tenant
			return nil
		}
	}
	if len(v.Places) == CountMax {
		return fmt.Errorf("a cluster has at most %d places, and of none that was given up everybody has everything yet", CountMax)
	}
	v.Places = append(v.Places, tenant)
	return nil
}

func (v *View) bury(g Grave) {
	v.Graves = append(v.Graves, g)
	for len(v.Graves) > GravesMax {
		v.Buried += v.Graves[0].Cut
		v.Graves = v.Graves[1:]
	}
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
	case v.Clock < older.Clock || len(v.Places) < len(older.Places) || v.Retired() < older.Retired():
		return errors.New("it takes back what the view before it has")
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
	now := &v.Places[place]
	cut, cutNow := v.Cut(before.Identity)
	switch {
	case now.Identity == before.Identity && now.Since == before.Since && now.Start == before.Start:
		if before.Role == Gone && (now.Role != Gone || now.Base != before.Base) || now.Base < before.Base || !slices.Equal(now.Returns, before.Returns) {
			return fmt.Errorf("place %d has other entries of %s than before", place, before.Identity)
		}
	case now.Identity == before.Identity:
		back := *before
		back.comeBack(v)
		if before.Role != Gone || now.Role != Writer || now.Base != before.Base || now.Since != back.Since || now.Start != back.Start || !slices.Equal(now.Returns, back.Returns) {
			return fmt.Errorf("%s did not come back to place %d as it must", before.Identity, place)
		}
	case before.Role != Gone:
		return fmt.Errorf("place %d is given away although %s is a member", place, before.Identity)
	case now.Since != v.Number, len(now.Returns) > 0, cutNow && cut != before.Base:
		return fmt.Errorf("place %d was not given away as it must be", place)
	}
	return nil
}

// check returns what is wrong with a view by itself.
func (v *View) check() error {
	switch {
	case v.Number == 0 || v.Lineage == 0:
		return errors.New("a view has a number and a lineage")
	case len(v.Places) == 0 || len(v.Places) > CountMax || len(v.Graves) > GravesMax || len(v.Strikes) > CountMax:
		return fmt.Errorf("a view has 1 to %d places and at most %d graves", CountMax, GravesMax)
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
		case p.Role == Writer && names[p.Name]:
			return fmt.Errorf("place %d: the name %q is that of another member", i, p.Name)
		case !p.returnsFit():
			return fmt.Errorf("place %d: its tenant cannot have come back like this", i)
		case len(p.Name) > nameBytesMax || len(p.Address) > nameBytesMax:
			return fmt.Errorf("place %d: name and address have at most %d bytes", i, nameBytesMax)
		}
		identities[p.Identity] = true
		if p.Role == Writer {
			names[p.Name] = true
		}
	}
	for _, g := range v.Graves {
		if g.Identity == 0 || identities[g.Identity] {
			return fmt.Errorf("the identity %s has a grave, and a place or another one", g.Identity)
		}
		identities[g.Identity] = true
	}
	return nil
}

// returnsFit reports whether the returns of a tenant can be true.
func (p *Place) returnsFit() bool {
	before := Return{}
	for _, r := range p.Returns {
		if r.Since <= before.Since || r.Cut < before.Cut || r.Start < before.Start || r.Cut > p.Base {
			return false
		}
		before = r
	}
	n := len(p.Returns)
	return n <= ReturnsMax && (n == 0 || before.Since == p.Since && before.Start == p.Start && before.Since > 1)
}

func (v *View) checkRoots() error {
	if len(v.Roots) == 0 || v.Roots[0].Number != 1 {
		return errors.New("a history begins with view 1")
	}
	for i := 1; i < len(v.Roots); i++ {
		if v.Roots[i].Number <= v.Roots[i-1].Number || v.Roots[i].Number > v.Number {
			return fmt.Errorf("view %d was not forced after view %d", v.Roots[i].Number, v.Roots[i-1].Number)
		}
	}
	return nil
}
