package sim

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// evict tells the member to have another one let go, whoever has that place now.
// One that does not run, or knows of no view yet, does not hear it.
func (n *node) evict(whom member.ID) {
	if !n.running || n.paused || n.scarce.stalled {
		return
	}
	v := n.reducer.Status().View
	if v == nil {
		return
	}
	n.change(member.Change{Kind: member.Evict, Identity: v.Places[whom].Identity})
}

// comeBack tells the member to come back, if it was let go.
func (n *node) comeBack() {
	if n.running && !n.paused && !n.scarce.stalled {
		n.change(member.Change{Kind: member.Rejoin, Identity: n.identity})
	}
}

// change tells the member to change the members. What is refused changes nothing.
func (n *node) change(c member.Change) {
	n.world.acting = n.id
	n.step(protocol.Event{Kind: protocol.Change, Change: &c})
	n.world.wakeSoon(n)
}
