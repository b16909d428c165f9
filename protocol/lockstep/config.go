package lockstep

import (
	"time"

	"chatterbox/member"
	"chatterbox/protocol"
)

// Config is all that a Lockstep is made from.
type Config struct {
	Self     member.ID       // this member's place in the list
	Members  int             // members in the list, this one included
	Identity member.Identity // of this life with its data; not 0
	Life     uint64          // counts the starts with this data, from 1

	// Tick is how often the Tick event comes. Default 10 ms.
	Tick time.Duration
	// Batch is the largest number of entries of a batch. Default 1, the
	// classic form; every round trip carries one batch.
	Batch int
	// Durable says that Effects.Binding, Bound and Append outlive a crash.
	Durable bool
	// Recovered is what an earlier life left in its journal; nil at the first.
	Recovered *protocol.Recovered
	// Fold keeps the application's state at the delivered prefix: for the
	// journal's base, and for members that come back without their data. Nil
	// keeps none; then the journal grows and such members get only what comes.
	Fold protocol.Fold
	// Datagram says that links have no sessions: they start up and may lose,
	// repeat and reorder. Otherwise a link is down until its Up event.
	Datagram bool

	// FirstContactWait is how long to wait for a first contact before
	// appending alone. Default 500 ms: a restarted member must have the chance
	// to learn that its place is taken.
	FirstContactWait time.Duration
	// KeepAlive is the longest pause between two attempts to bring a peer up
	// to date over datagrams. Default 100 ms.
	KeepAlive time.Duration
	// MemoryBytesMax bounds the batches in memory. Default 192 MiB. An origin
	// uses its share of it, so that the batches of all fit at everybody.
	MemoryBytesMax int
	// MessageBytesMax bounds the batches of others that one message repeats.
	// Default 64 KiB; a larger batch goes alone.
	MessageBytesMax int
}

func (c Config) withDefaults() Config {
	set(&c.Life, 1)
	set(&c.Tick, 10*time.Millisecond)
	set(&c.Batch, 1)
	set(&c.FirstContactWait, 500*time.Millisecond)
	set(&c.KeepAlive, 100*time.Millisecond)
	set(&c.MemoryBytesMax, 192<<20)
	set(&c.MessageBytesMax, 64<<10)
	return c
}

func set[T int | uint64 | time.Duration](field *T, byDefault T) {
	if *field == 0 {
		*field = byDefault
	}
}
