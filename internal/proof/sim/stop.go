package sim

import (
	"time"

	"chatterbox/internal/core/protocol"
)

const (
	// stopWithin is how long a member that stops as planned has the others take what it
	// still has to tell.
	stopWithin = 500 * time.Millisecond
	// stopEvery is how often it looks whether they have.
	stopEvery = 10 * time.Millisecond
)

// stopAsPlanned ends the life as an operator does, before an upgrade: it takes nothing
// more, tells the others that it is about to be away, and ends once they know. One that
// cannot do that just ends.
func (n *node) stopAsPlanned() {
	if !n.listens() || n.fall.within != 0 {
		n.end(stopped)
		return
	}
	n.stopping, n.stopBy = true, n.world.now+stopWithin
	n.world.acting = n.id
	n.step(protocol.Event{Kind: protocol.Away})
	n.world.wakeSoon(n)
	n.stopSoon()
}

func (n *node) stopSoon() {
	if n.running {
		n.world.queue.push(event{at: n.world.now + stopEvery, kind: evStop, to: uint16(n.id), life: n.life})
	}
}

// goOnStopping ends the life if all know by now, or it is time.
func (n *node) goOnStopping() {
	if n.world.now < n.stopBy && !n.scarce.stalled {
		if !n.reducer.Status().Told {
			n.stopSoon()
			return
		}
	}
	n.end(stopped)
}
