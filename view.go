package chatterbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
	"chatterbox/internal/world/history"
)

// A View is who belongs to the cluster, as its members have agreed.
type View struct {
	// Number counts views, from 1; 0 before the members have met.
	Number uint64
	// Members are in the order of their places.
	Members []Member
	// Quorum is how many members must be there to change the view; Holders is how
	// many must hold an entry before it settles.
	Quorum, Holders int
	// Forced says that the members went on by force in this very view. Then Kept is how
	// many entries of each one that is none any more are in the order: what else it
	// accepted, or settled with others that are none any more, may be lost.
	Forced bool
	Kept   map[string]uint64
}

// A Change names a member in one of its fields, and has those of the others empty.
type Change struct {
	// Evict goes on without a member that is gone for good, or too long. What
	// it accepted and no other member holds does not settle any more, unless it
	// comes back: Position returns [ErrLost] for it, and [Node.Orphans] yields what of
	// it is left. If it is started again it reads, and does not write before it
	// returns.
	Evict string
	// Force evicts without a quorum, when none is left for good: Evict and those in
	// AndEvict, which is for that only, until the others are all heard. These go on from
	// what they hold. What only those who go held is lost, also if it had settled among
	// them; see View.Kept. None of them may run again, unless with an empty folder: one
	// that does, and has shown more than the others hold, stays in a history of its own.
	// It is refused while a quorum is heard. It is asked of one that goes on.
	Force    bool
	AndEvict []string
	// Return makes a member that was evicted one again, and is asked of that member
	// itself. With the folder that it had, what it had accepted and no other
	// member held settles then, once, in its order, under the IDs that it has, and
	// before anything new. Without it, it takes the place of the one that it was, as
	// after Replace.
	Return string
	// Replace lets a member whose folder is lost begin anew: it is evicted if it was not
	// yet, and the one that was started in its stead, with an empty folder and under its
	// name, or is started soon, has its place and writes once it has caught up. It is
	// asked of another member. What only the lost folder had is lost, see ErrLost; should
	// it turn up again, who is started with it only reads.
	Replace string
	// Leave lets a member go for good; it is asked of that member itself. It takes
	// no more entries, waits until what it accepted has settled, and once the
	// others go on without it ends with [ErrRemoved]. This goes on when the call
	// has ended.
	Leave string
	// Move has a member dialed at another Address, "host:port", also after restarts.
	// It is started there with its folder, the list of members as it was, and that
	// address as Config.Listen.
	Move    string
	Address string
}

// nameAt returns what the tenant of a place is called here.
func (n *Node) nameAt(v *member.View, place int) string {
	if list := n.list(); place < len(list) {
		return list[place].Name
	}
	return v.Places[place].Name
}

// placeNamed returns the place of whoever is, or was last, called so; -1 if there
// is none.
func (n *Node) placeNamed(v *member.View, name string) int {
	found := -1
	for i := range v.Places {
		if n.nameAt(v, i) == name && (found < 0 || v.Places[i].Role == member.Writer) {
			found = i
		}
	}
	return found
}

// addressIn returns where a member is dialed by a view, which may be nil.
func (n *Node) addressIn(v *member.View, id member.ID) string {
	if v != nil && int(id) < len(v.Places) {
		return v.Places[id].Address
	}
	return n.list()[id].Address()
}

// viewOf puts a view into the words of this package.
func (n *Node) viewOf(v *member.View) View {
	if v == nil {
		return View{}
	}
	out := View{Number: v.Number, Quorum: v.Quorum(), Holders: v.Holders(), Forced: v.IsForced()}
	for i := range v.Places {
		switch p := &v.Places[i]; {
		case p.Role == member.Writer:
			out.Members = append(out.Members, Member{Name: n.nameAt(v, i), Address: p.Address})
		case out.Forced && !p.IsSeated():
			if out.Kept == nil {
				out.Kept = map[string]uint64{}
			}
			out.Kept[n.nameAt(v, i)] = p.Base
		}
	}
	return out
}

// isGone reports whether who had a place was evicted.
func isGone(v *member.View, id member.ID) bool {
	return v != nil && int(id) < len(v.Places) && v.Places[id].Role == member.Gone
}

// isJoining reports whether who has a place has not counted yet since it came.
func isJoining(v *member.View, id member.ID) bool {
	return v != nil && int(id) < len(v.Places) && v.Places[id].IsSeated() && !v.Places[id].Observes
}

// isObserving reports whether who has a place only reads.
func isObserving(v *member.View, id member.ID) bool {
	return v != nil && int(id) < len(v.Places) && v.Places[id].Observes
}

// Views yields the present view, once the members have met, and then later ones
// as they begin to count here; a slow loop skips some. It ends as Entries does.
func (n *Node) Views(ctx context.Context) iter.Seq2[View, error] {
	return func(yield func(View, error) bool) {
		last := uint64(0)
		for {
			v, changed := n.inner.View()
			if v != nil && v.Number > last {
				last = v.Number
				if !yield(n.viewOf(v), nil) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-n.closed:
				yield(View{}, n.err)
				return
			case <-ctx.Done():
				yield(View{}, fmt.Errorf("chatterbox: views: %w", context.Cause(ctx)))
				return
			}
		}
	}
}

// Change asks for a change of the members and waits until it is decided, which
// needs a quorum of them. Any member may ask. The error wraps [ErrRefused], and
// then nothing was begun; or the cause of ctx, and then the change may still
// come, see Views. A change that is in force already is no error.
func (n *Node) Change(ctx context.Context, c Change) (View, error) {
	if n.isClosed() {
		return View{}, n.err
	}
	v, _ := n.inner.View()
	change, done, err := n.changeOf(c, v)
	defer n.tellIfLate(func() string { return "the change is not decided: " + n.silent() }).Stop()
	switch {
	case err != nil:
		return View{}, fmt.Errorf("%w: %w", ErrRefused, err)
	case !done && c.Leave != "":
		return n.leave(ctx, v)
	case !done && c.Return != "" && n.isLeaving():
		return View{}, fmt.Errorf("%w: it is leaving", ErrRemoved)
	case !done && c.Return != "":
		v, err = n.inner.Rejoin(ctx)
	case !done && c.Replace != "":
		v, err = n.inner.Replace(ctx, member.ID(n.placeNamed(v, c.Replace)))
	case !done:
		v, err = n.inner.Change(ctx, change)
	}
	if err != nil {
		return View{}, n.whyNoChange(ctx, err)
	}
	return n.viewOf(v), nil
}

// Orphans yields what this member has in its folder of an evicted member's
// entries that will never settle, because too few members held them when it was
// evicted, and ends. They are lost unless somebody broadcasts their payloads
// anew. Their Position is 0. An error is the last pair.
func (n *Node) Orphans(ctx context.Context, name string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		v, _ := n.inner.View()
		if v == nil {
			return
		}
		place := n.placeNamed(v, name)
		if place < 0 || v.Places[place].Role != member.Gone && len(v.Places[place].Former) == 0 {
			return
		}
		broken := false
		err := n.inner.Orphans(v, member.ID(place), func(b protocol.Batch) bool {
			if ctx.Err() != nil {
				return false
			}
			r := reader{n: n}
			b.Bytes = slices.Clone(b.Bytes)
			broken = !r.yieldEach(&history.Batch{Batch: b}, yield)
			return !broken
		})
		switch {
		case broken:
		case ctx.Err() != nil:
			yield(Entry{}, readEnded(ctx))
		case err != nil:
			yield(Entry{}, fmt.Errorf("chatterbox: orphans of %s: %w", name, err))
		}
	}
}

// changeOf returns the change of a view that is meant, and reports whether it is
// in force already.
func (n *Node) changeOf(c Change, v *member.View) (change member.Change, done bool, err error) {
	name := c.Evict + c.Leave + c.Move + c.Return + c.Replace
	switch {
	case name == "" || !slices.Contains([]string{c.Evict, c.Leave, c.Move, c.Return, c.Replace}, name):
		return change, false, errors.New("name one member, to evict, to leave, to move, to return or to replace")
	case (c.Move != "") != (c.Address != ""):
		return change, false, errors.New("a member moves to an address, and for nothing else there is one")
	case v == nil:
		return change, false, errors.New("the members have not met yet")
	case c.Force || len(c.AndEvict) > 0:
		return n.forceOf(c, v)
	}
	if c.Move != "" {
		if _, _, err := splitAddress(c.Address); err != nil {
			return change, false, fmt.Errorf("address %q: %w", c.Address, err)
		}
	}
	switch place := n.placeNamed(v, name); {
	case place < 0:
	case c.Return != "":
		return n.returnOf(v, place, name)
	case c.Replace != "" && member.ID(place) == n.self:
		return change, false, fmt.Errorf("this is %s itself: ask another member", name)
	case c.Replace != "":
		return change, false, nil
	case v.Places[place].Role == member.Gone && c.Move != "":
		return change, false, fmt.Errorf("%s does not belong to the cluster any more", name)
	case v.Places[place].Role == member.Gone:
		return change, true, nil
	case c.Move != "":
		return member.Change{Kind: member.Move, Identity: v.Places[place].Identity, Address: c.Address}, false, nil
	case c.Leave != "" && member.ID(place) != n.self:
		return change, false, fmt.Errorf("%s leaves when it is asked itself; this is %s", name, n.name)
	case c.Evict != "" && member.ID(place) == n.self:
		return change, false, fmt.Errorf("this is %s itself: have it leave, or ask another member", name)
	default:
		return member.Change{Kind: member.Evict, Identity: v.Places[place].Identity}, false, nil
	}
	return change, false, fmt.Errorf("no member is called %q", name)
}

// forceOf returns the change that goes on without some members and without a quorum, and
// reports whether none of them is a member any more.
func (n *Node) forceOf(c Change, v *member.View) (change member.Change, done bool, err error) {
	if c.Evict == "" || !c.Force {
		return change, false, errors.New("by force members are evicted, and only so several at a time")
	}
	change = member.Change{Kind: member.Force, Survivors: v.Members()}
	for _, name := range append([]string{c.Evict}, c.AndEvict...) {
		place := n.placeNamed(v, name)
		switch {
		case place < 0:
			return change, false, fmt.Errorf("no member is called %q", name)
		case member.ID(place) == n.self:
			return change, false, fmt.Errorf("this is %s itself: ask one of those who are to go on", name)
		case v.Places[place].Role == member.Writer:
			change.Survivors = slices.DeleteFunc(change.Survivors, func(one member.Identity) bool { return one == v.Places[place].Identity })
		}
	}
	slices.Sort(change.Survivors)
	return change, len(change.Survivors) == v.Size(), nil
}

// returnOf returns the change that takes this member back, and reports whether it is
// in force already.
func (n *Node) returnOf(v *member.View, place int, name string) (change member.Change, done bool, err error) {
	p, identity := &v.Places[place], n.inner.Identity()
	change = member.Change{Kind: member.Rejoin, Identity: identity}
	switch {
	case p.Role != member.Gone && (member.ID(place) != n.self || p.Identity == identity):
		return change, member.ID(place) != n.self, nil // what it takes may still be about to go on
	case member.ID(place) != n.self:
		return change, false, fmt.Errorf("%s comes back when it is asked itself; this is %s", name, n.name)
	case p.HadBefore(identity):
		return change, false, fmt.Errorf("another one has the place of %s, which it was given when this one was evicted: this one only reads, and its folder has what only it had", name)
	case p.Role != member.Gone:
		return change, false, fmt.Errorf("the others still wait for %s with the folder that it had: once they have evicted it, by themselves or by `chatterbox members replace %[1]s`, asked of another member, this one has its place", name)
	case p.Identity != identity:
		return change, false, nil // it is seated first
	}
	return change, false, change.Check(v)
}
