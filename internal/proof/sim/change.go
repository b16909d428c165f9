package sim

import (
	"slices"
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// evict tells the member to have another one let go, whoever has that place now.
// One that does not run, or knows of no view yet, does not hear it.
func (n *node) evict(whom member.ID) {
	if !n.listens() {
		return
	}
	v := n.reducer.Status().View
	if v == nil || int(whom) >= len(v.Places) {
		return
	}
	n.change(member.Change{Kind: member.Evict, Identity: v.Places[whom].Identity})
}

// force tells the member to go on by force with all members of its history that it hears,
// but for one.
func (n *node) force(whom member.ID) {
	if !n.listens() {
		return
	}
	status := n.reducer.Status()
	v := status.View
	if v == nil {
		return
	}
	c := member.Change{Kind: member.Force}
	for place := range v.Places {
		apart := slices.Contains(status.Findings, protocol.Finding{Kind: protocol.OtherHistory, Member: member.ID(place)})
		if p := &v.Places[place]; p.Role == member.Writer && status.Heard[place] && member.ID(place) != whom && !apart {
			c.Survivors = append(c.Survivors, p.Identity)
		}
	}
	slices.Sort(c.Survivors)
	n.change(c)
}

// comeBack tells the member to come back, if it was let go.
func (n *node) comeBack() {
	if n.listens() && n.stopping.by == 0 { // who leaves does not ask to be taken back
		n.change(member.Change{Kind: member.Rejoin, Identity: n.identity})
	}
}

// hasNoPlace reports whether the member only reads, for it came without data.
func (n *node) hasNoPlace() bool {
	status := n.reducer.Status()
	return status.Reader && !slices.Contains(status.Findings, protocol.Finding{Kind: protocol.LetGo, Member: n.id})
}

// seekEvery is how often a member without data asks for a place, in its own time.
const seekEvery = 300 * time.Millisecond

// seek has a member that came without data ask for its place, until it writes there. It
// goes on in the stream of numbers of the place.
func (n *node) seek() {
	if !n.seeks || n.stopping.by > 0 || !n.running || n.scarce.stalled || n.now()-n.sought < seekEvery && n.now() >= n.sought {
		return
	}
	n.sought = n.now()
	status := n.reducer.Status()
	switch {
	case !status.Agreed:
	case status.Reader:
		n.step(protocol.Event{Kind: protocol.Change, Change: &member.Change{Kind: member.Rejoin, Identity: n.identity}})
	default:
		n.seeks = false
		n.goOnBehind(status.Held[n.id].Have + status.Orphans)
	}
}

// change tells the member to change the members. What is refused changes nothing.
func (n *node) change(c member.Change) {
	n.world.acting = n.id
	n.step(protocol.Event{Kind: protocol.Change, Change: &c})
	n.world.wakeSoon(n)
}
