package protocol

import (
	"cmp"
	"fmt"
	"time"

	"chatterbox/internal/core/member"
)

// Config is all that a reducer is made from. What only one of the protocols uses
// stands at the end.
type Config struct {
	Self     member.ID       // this member's place in the list
	Members  int             // members in the list, or places of the view that was recovered if these are more; this one included
	List     member.List     // what the first view is made of; default: members that have only letters
	Identity member.Identity // of this incarnation with its data; not 0
	Life     uint64          // counts the starts with this data, from 1

	// Tick is how often the Tick event comes. Default 10 ms: what is
	// urgent does not wait for it, and more often would only cost.
	Tick time.Duration
	// Durable says that Effects.Binding, Bound and Append outlive a crash.
	Durable bool
	// Recovered is what an earlier incarnation left in its journal; nil at the first.
	Recovered *Recovered
	// Datagram says that links have no sessions: they start up and may lose,
	// repeat and reorder. Otherwise a link is down until its Up event.
	Datagram bool

	// FirstContactWait is how long to wait for a first contact before
	// appending alone. Default 500 ms: a restarted member must have the chance
	// to learn that its place is taken.
	FirstContactWait time.Duration
	// KeepAlive is how often a silent member of delta makes itself heard. Default
	// 100 ms, and there 5 ms for each member in larger clusters. In lockstep it
	// is the longest pause between two attempts to bring a peer up to date over
	// datagrams.
	KeepAlive time.Duration
	// MemoryBytesMax bounds the batches in memory. Default 192 MiB. With a journal
	// delta parks the oldest ones there when there are more; otherwise an origin
	// uses its share, so that the batches of all fit at everybody.
	MemoryBytesMax int
	// MessageBytesMax bounds the batches of one message, in lockstep those of
	// others. Default 64 KiB; a larger batch goes alone.
	MessageBytesMax int

	// Batch is the largest number of entries of a batch of lockstep. Default 1,
	// the classic form; every round trip carries one batch.
	Batch int

	// Holders is how many members must be known to hold a batch before delta
	// delivers it, this one included. Default 1 with a journal, since nothing of
	// that is lost as long as its disk is not; without one, 2 of own batches.
	Holders int
	// Changes says that members of delta come and go: they choose views, and what
	// settles, as many members of the view hold as must, whatever Holders says.
	Changes bool
	// EvictAfter is how long a member may be away, with Changes, until the others go
	// on without it by themselves. Default 0: for ever.
	EvictAfter time.Duration
	// Observe says that this member does not ask to count, with Changes, as long as it
	// does not: it reads.
	Observe bool
	// KeepPrepared keeps what was prepared of batches that delta parks in memory,
	// for an application that wants it with Effects.Trim.
	KeepPrepared bool
	// DrainFor bounds the backlog for a peer to what its measured rate can
	// take in this time; 0 sets no such bound.
	DrainFor time.Duration
	// WindowBytesMax bounds what is in flight to one peer. Default 4 MiB,
	// which only a long way uses: on a short one 512 KiB are enough, and more
	// would triple latency and memory.
	WindowBytesMax int
	// TrimNoticeBytes is how much is trimmed before the journal is told that it
	// may forget it, for until then a restart reads it back. Default 8 MiB, as
	// each notice is a record of its own; never more than an eighth of
	// MemoryBytesMax.
	TrimNoticeBytes int
	// AheadBytesMax bounds what of one stream is kept beyond a gap. Default
	// WindowBytesMax.
	AheadBytesMax int
	// KeepAll says that nothing is trimmed, so that an observer gets
	// all batches and no snapshot: for applications whose state does not fit
	// into one. MemoryBytesMax then bounds only what an absent peer lacks.
	KeepAll bool
}

// WithDefaults returns the configuration with what both protocols have in common. It
// panics on one that cannot be.
func (c Config) WithDefaults() Config {
	if c.List == nil {
		c.List = member.Lettered(c.Members)
	}
	if r := c.Recovered; r != nil && r.View != nil {
		c.Members = max(c.Members, len(r.View.Places))
	}
	if c.Identity == 0 || int(c.Self) >= c.Members {
		panic(fmt.Sprintf("protocol: member %d of %d with identity %s", c.Self, c.Members, c.Identity))
	}
	c.Life = cmp.Or(c.Life, 1)
	c.Tick = cmp.Or(c.Tick, 10*time.Millisecond)
	c.FirstContactWait = cmp.Or(c.FirstContactWait, 500*time.Millisecond)
	c.MemoryBytesMax = cmp.Or(c.MemoryBytesMax, 192<<20)
	c.MessageBytesMax = cmp.Or(c.MessageBytesMax, 64<<10)
	return c
}
