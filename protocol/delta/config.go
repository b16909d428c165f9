package delta

import (
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
)

// Config is all that a Delta is made from.
type Config struct {
	Self     member.ID       // this member's place in the list
	Members  int             // members in the list, this one included
	Identity member.Identity // of this life with its data; not 0
	Life     uint64          // counts the starts with this data, from 1

	// Tick is how often the Tick event comes. Default 10 ms: what is
	// urgent does not wait for it, and more often would only cost.
	Tick time.Duration
	// Durable says that Effects.Append and Effects.Bound outlive a crash.
	Durable bool
	// Recovered is what an earlier life left in its journal; nil at the first.
	Recovered *protocol.Recovered
	// Fold keeps the application's state at the trimmed prefix, for snapshots.
	// Nil keeps none.
	Fold protocol.Fold
	// Datagram says that links have no sessions: they start up and may lose,
	// repeat and reorder. Otherwise a link is down until its Up event.
	Datagram bool

	// FirstContactWait is how long to wait for a first contact before
	// appending alone. Default 500 ms: a restarted member must have the chance
	// to learn that its place is taken.
	FirstContactWait time.Duration
	// KeepAlive is how often a silent member makes itself heard. Default
	// 100 ms, and 5 ms for each member in larger clusters.
	KeepAlive time.Duration
	// Pace is how long a row that no batch carries waits after the last
	// message to the same peer. Default none up to 8 members, where an entry
	// settles as soon as it can; then 20 us for each pair of members, and at
	// most 1 ms for each member: rows of all to all are what a large cluster
	// could spend all of its time on.
	Pace time.Duration
	// MemoryBytesMax bounds the batches in memory. Default 192 MiB. An origin
	// uses its share of it, so that the batches of all fit at everybody; with a
	// journal two TrimNoticeBytes are kept free for what a restart reads back.
	MemoryBytesMax int
	// DrainFor bounds the backlog for a peer to what its measured rate can
	// take in this time; 0 sets no such bound.
	DrainFor time.Duration
	// WindowBytesMax bounds what is in flight to one peer. Default 4 MiB,
	// which only a long way uses: on a short one 512 KiB are enough, and more
	// would triple latency and memory.
	WindowBytesMax int
	// MessageBytesMax bounds the batches of one message. Default 64 KiB; a
	// larger batch goes alone.
	MessageBytesMax int
	// TrimNoticeBytes is how much is trimmed before the journal is told that it
	// may forget it, for until then a restart reads it back. Default 8 MiB, as
	// each notice is a record of its own; never more than an eighth of
	// MemoryBytesMax.
	TrimNoticeBytes int
	// AheadBytesMax bounds what of one stream is kept beyond a gap. Default
	// WindowBytesMax.
	AheadBytesMax int
	// KeepAll says that nothing is trimmed, so that a life without data gets
	// all batches and no snapshot: for applications whose state does not fit
	// into a Summary. MemoryBytesMax then bounds only what an absent peer lacks.
	KeepAll bool
}

func (c Config) withDefaults() Config {
	set(&c.Tick, 10*time.Millisecond)
	set(&c.FirstContactWait, 500*time.Millisecond)
	set(&c.KeepAlive, max(100*time.Millisecond, time.Duration(c.Members)*5*time.Millisecond))
	set(&c.Pace, pace(c.Members))
	set(&c.MemoryBytesMax, 192<<20)
	set(&c.WindowBytesMax, 4<<20)
	set(&c.MessageBytesMax, 64<<10)
	set(&c.TrimNoticeBytes, 8<<20)
	c.TrimNoticeBytes = min(c.TrimNoticeBytes, c.MemoryBytesMax/8)
	set(&c.AheadBytesMax, c.WindowBytesMax)
	set(&c.Life, 1)
	return c
}

// share gives the bytes of own batches that may be untrimmed. What the journal
// keeps is in memory again after a restart: besides what was not trimmed one
// notice that was not due, and one that was given and not made durable.
func (c *Config) share() int {
	bytes := c.MemoryBytesMax
	if c.Durable && !c.KeepAll {
		bytes -= 2 * c.TrimNoticeBytes
	}
	return bytes / c.Members
}

const (
	paceFrom     = 9                     // members from which on rows are paced
	paceOfPair   = 20 * time.Microsecond // what two messages cost, and half of the time is for other work
	paceOfMember = time.Millisecond      // a member sends no more than 1,000 rows a second, to whomever
)

func pace(members int) time.Duration {
	if members < paceFrom {
		return 0
	}
	n := time.Duration(members)
	return min(n*n*paceOfPair, n*paceOfMember)
}

func set[T int | uint64 | time.Duration](field *T, byDefault T) {
	if *field == 0 {
		*field = byDefault
	}
}
