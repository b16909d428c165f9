package check

import (
	"chatterbox/internal/core/member"
	"chatterbox/internal/proof/trace"
)

// withinLimits: batches in memory, and what is on its way to a member that does
// not run, stay within the limits that the header names.
func withinLimits(c *checker) rule {
	header := &c.past.header
	n := len(c.past.members)
	silences := make([]silence, n*n)
	for i := range silences {
		silences[i] = silence{}
	}
	largest := uint64(max(header.MessageBytesMax, 0)) // of messages, of which a larger batch is one
	return func(e *trace.Event) {
		switch e.Kind {
		case trace.Sample:
			if limit := header.LogBytesMax; limit > 0 && e.Bytes > uint64(limit) {
				c.violated(e, "keeps %d bytes of batches, at most %d are allowed", e.Bytes, limit)
			}
		case trace.Start:
			for k := range n {
				clear(silences[k*n+int(e.Member)])
				clear(silences[int(e.Member)*n+k])
			}
		case trace.Append:
			largest = max(largest, e.Bytes)
		case trace.Push:
			if peer := &c.past.members[e.Peer]; !peer.running && !peer.older {
				c.judgePush(e, silences[int(e.Member)*n+int(e.Peer)], largest)
			}
		}
	}
}

// silence is what of each stream was sent to a member since it stopped.
type silence map[member.ID]*vain

// vain is what of one stream was.
type vain struct {
	top   uint64 // the last entry
	bytes uint64
}

// judgePush counts what is sent in vain: what the member held when it stopped is
// not, for that may come back as known through others, and make room for more. Of
// each stream it may be a window, for who passes on one that nobody asked for stops
// after a while, and what got lost until then waits; and once more as much, when
// what was under way is given up. The last batch may reach over the edge of each,
// for batches are not split.
func (c *checker) judgePush(e *trace.Event, s silence, largest uint64) {
	last := e.Seq + e.Count - 1
	v := s[e.Stream]
	if v == nil {
		v = &vain{top: c.past.members[e.Peer].held[e.Stream]}
		s[e.Stream] = v
	}
	if last <= v.top {
		return // sent again, or held there
	}
	v.top = last
	v.bytes += e.Bytes
	window := uint64(max(c.past.header.WindowBytesMax, 0))
	if limit := 2 * (window + largest); window > 0 && v.bytes > limit {
		c.violated(e, "has sent %d bytes of new batches of member %d to member %d since that stopped, at most %d are allowed", v.bytes, e.Stream, e.Peer, limit)
	}
}
