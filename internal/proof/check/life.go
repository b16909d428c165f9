package check

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// zombiesIgnored: a message of an older session of a life than was heard
// before changes nothing. What a member appends of others it must have got
// from a message that was not stale, since its last append.
func zombiesIgnored(c *checker) rule {
	n := len(c.past.members)
	heard := make([]map[member.Identity]uint64, n)
	fresh := make([]bool, n) // a message that counts came since the last append
	stale := make([]bool, n) // one that does not
	return func(e *trace.Event) {
		i := e.Member
		switch e.Kind {
		case trace.Start:
			heard[i], fresh[i], stale[i] = nil, false, false
		case trace.Receive:
			if heard[i] == nil {
				heard[i] = map[member.Identity]uint64{}
			}
			if e.Session < heard[i][e.Identity] {
				stale[i] = true
				return
			}
			if !c.past.members[e.Peer].older { // else it may be refused as a whole, and what was said before counts
				heard[i][e.Identity] = e.Session
			}
			fresh[i] = true
		case trace.Append:
			if e.Stream != i && stale[i] && !fresh[i] {
				c.violated(e, "appends %d/%d, although only messages of older sessions arrived", e.Stream, e.Seq)
			}
		case trace.Send:
			fresh[i], stale[i] = false, false
		}
	}
}
