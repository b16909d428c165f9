package chatterbox

import (
	"time"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// tooFew reports whether those members that are heard are too few to hold what settles.
func tooFew(status *protocol.Status, view *member.View) bool {
	heard := 0
	for id := range status.Heard {
		if status.Heard[id] && !isGone(view, member.ID(id)) {
			heard++
		}
	}
	return view != nil && heard < view.Holders()
}

// waitsFor reports whether settling waits for a member: it could still have an entry
// before a time, or it is one of those of whom some must hold what settles.
func waitsFor(status *protocol.Status, view *member.View, id member.ID, first clock.Time) bool {
	if int(id) >= len(status.Held) {
		return false
	}
	return status.Held[id].Promise < first || !status.Heard[id] && !isGone(view, id) && tooFew(status, view)
}

// moved returns what to do if those that are known have left or moved while this member
// was away, unless one of them is heard.
func moved(status *protocol.Status) string {
	if hearsAny(status) {
		return ""
	}
	return ": start them; if they have left or moved, start this one with --join HOST:PORT besides, where members dial any that is there"
}

// tellStopped says of who was stopped as planned since when it is away.
func (n *Node) tellStopped(s *Status) {
	for i := range s.Members {
		switch m := &s.Members[i]; {
		case !m.Stopped:
		case m.Heard.IsZero():
			m.Trouble = "stopped as planned, before this member was started"
		default:
			m.Trouble = "stopped as planned, not heard since " + m.Heard.Format(time.DateTime)
		}
	}
}
