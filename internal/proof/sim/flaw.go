package sim

import (
	"fmt"

	"chatterbox/internal/core/protocol"
)

// Flaw is a mistake of what surrounds a protocol, as programs before this one
// made it. docs/origins.md shows what each leads to.
type Flaw string

// The flaws. The empty one is none.
const (
	// StopsWhenQuiet: a member prints and ends as soon as a tick of the grace
	// phase passes without a message.
	StopsWhenQuiet Flaw = "stops-when-quiet"
	// BlocksOnTheDead: a send to a member that does not run waits until it does.
	BlocksOnTheDead Flaw = "blocks-on-the-dead"
	// LastUncounted: the end of a stream is not told, and the result counts
	// only what is known to be final.
	LastUncounted Flaw = "last-uncounted"
	// WaitsForAll: a member prints nothing before its log is complete.
	WaitsForAll Flaw = "waits-for-all"
)

// Flaws returns all flaws.
func Flaws() []Flaw { return []Flaw{StopsWhenQuiet, BlocksOnTheDead, LastUncounted, WaitsForAll} }

// Doc returns in one sentence what the flaw is.
func (f Flaw) Doc() string {
	switch f {
	case StopsWhenQuiet:
		return "A member prints and ends at the first empty mailbox after the send phase."
	case BlocksOnTheDead:
		return "A send to a member that does not run blocks the sender."
	case LastUncounted:
		return "The last message of a sender is never counted, for nothing follows it."
	case WaitsForAll:
		return "A member prints nothing before its log is complete."
	}
	return ""
}

func (f Flaw) validate() error {
	if f != "" && f.Doc() == "" {
		return fmt.Errorf("sim: flaw %q; there are %v", f, Flaws())
	}
	return nil
}

// stopsNow lets a member with the flaw end at a quiet tick, and says whether it
// did.
func (n *node) stopsNow(tick bool) bool {
	if n.world.config.Flaw != StopsWhenQuiet || !tick || !n.closing || len(n.inbox) > 0 {
		return false
	}
	n.tell()
	n.stop()
	return true
}

// claims reports whether the member takes its result for the last word, as a
// program does that does not know of incomplete ones.
func (n *node) claims() bool {
	return n.world.config.Flaw == StopsWhenQuiet || n.world.config.Flaw == LastUncounted
}

// silent reports whether the member prints nothing.
func (n *node) silent() bool {
	return n.world.config.Flaw == WaitsForAll && !n.reducer.Status().Complete
}

// blocksOn lets a member with the flaw wait for a peer that does not run.
func (n *node) blocksOn(envelope protocol.Envelope) {
	if n.world.config.Flaw == BlocksOnTheDead && !n.world.nodes[envelope.To].running {
		n.paused = true
	}
}

// unblock lets the members go on that wait for somebody who runs again.
func (w *world) unblock() {
	if w.config.Flaw != BlocksOnTheDead {
		return
	}
	for _, n := range w.nodes {
		if n.running && n.paused {
			n.paused, n.awake = false, false
			w.wakeSoon(n)
		}
	}
}
