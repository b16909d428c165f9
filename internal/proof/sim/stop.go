package sim

import (
	"time"

	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

const (
	// stopWithin is how long a member that stops as planned has the others take what it
	// still has to tell, or go on without it.
	stopWithin = 500 * time.Millisecond
	// leaveWithin is the same of one that leaves for good.
	leaveWithin = 10 * time.Second
	// stopEvery is how often it looks whether they have.
	stopEvery = 10 * time.Millisecond
)

// stopping is how a member ends that was told to.
type stopping struct {
	by     time.Duration // at the latest; 0: it was not told to
	leaves bool          // the others are to go on without it
	asked  bool          // it asked them to
}

// stopAsPlanned ends the life as an operator does, before an upgrade or for good: it takes
// nothing more, tells the others that it is about to be away, or has them go on without
// it, and ends once they do. One that cannot do that just ends.
func (n *node) stopAsPlanned(leaves bool, within time.Duration) {
	if !n.listens() || n.fall.within != 0 {
		n.end(stopped)
		return
	}
	n.stopping = stopping{by: n.world.now + within, leaves: leaves}
	if !leaves {
		n.world.acting = n.id
		n.step(protocol.Event{Kind: protocol.Away})
		n.world.wakeSoon(n)
	}
	n.stopSoon()
}

func (n *node) stopSoon() {
	if n.running {
		n.world.queue.push(event{at: n.world.now + stopEvery, kind: evStop, to: uint16(n.id), life: n.life})
	}
}

// goOnStopping ends the life if nobody needs it any more, or it is time.
func (n *node) goOnStopping() {
	if n.world.now < n.stopping.by && !n.scarce.stalled && !n.mayStop() {
		n.stopSoon()
		return
	}
	n.end(stopped)
}

// mayStop reports whether nobody needs the member any more. One that leaves asks to be let
// go once all that it wrote has settled.
func (n *node) mayStop() bool {
	status := n.reducer.Status()
	switch s := &n.stopping; {
	case !s.leaves:
		return status.Told
	case !status.Agreed:
	case status.Reader:
		return isKnown(status.View, status.Views)
	case !s.asked && !n.hasUnsettled():
		s.asked = true
		n.change(member.Change{Kind: member.Evict, Identity: n.identity})
	}
	return false
}

// hasUnsettled reports whether the member wrote what has not settled.
func (n *node) hasUnsettled() bool {
	for b := range n.reducer.Tentative() {
		if b.Origin == n.id {
			return true
		}
	}
	return false
}

// isKnown reports whether as many members of a view are heard to go by it as decide on
// the next one.
func isKnown(v *member.View, heard []uint64) bool {
	count := 0
	for place := range v.Places {
		if v.Places[place].Role == member.Writer && heard[place] >= v.Number {
			count++
		}
	}
	return count >= v.Quorum()
}
