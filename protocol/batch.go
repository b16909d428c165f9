package protocol

import (
	"cmp"

	"chatterbox/clock"
	"chatterbox/member"
)

// Batch is what an origin gathered between two flushes: one origin, entries
// with consecutive sequence numbers, one Lamport time. It is never changed or
// split once it has its place. Since its entries share time and origin they
// are neighbours in the total order, which is therefore an order of batches.
type Batch struct {
	Origin   member.ID
	Identity member.Identity // the life of Origin that wrote it
	Seq      uint64          // sequence number of the first entry, from 1
	Time     clock.Time
	Count    uint32 // entries, at least 1

	// Bytes is the whole batch as encoded once at its origin (package wire);
	// journal, frames and delivery share it. Reducers only look at its length.
	Bytes []byte
	// Summary is what the application made of the payloads while they were
	// warm in the cache; it travels along to the delivery.
	Summary Summary
	// Buffer is the counted memory that Bytes lies in; nil leaves it to the
	// garbage collector. Whoever keeps a batch over a step owns one reference.
	Buffer *Buffer
}

// Last gives the sequence number of the last entry.
func (b *Batch) Last() uint64 { return b.Seq + uint64(b.Count) - 1 }

// Size gives the bytes that the batch takes on the wire and in memory.
func (b *Batch) Size() int { return len(b.Bytes) }

// Compare orders batches by time, origin and sequence number: the total order.
func (b *Batch) Compare(other *Batch) int {
	return cmp.Or(cmp.Compare(b.Time, other.Time), cmp.Compare(b.Origin, other.Origin), cmp.Compare(b.Seq, other.Seq))
}

// Summary is an application's own digest of a batch, or of a prefix of the
// log: what it folds instead of keeping the payloads. Protocols carry it and
// never look inside.
type Summary [6]uint64

// Fold adds a batch to the summary of all that is before it in the order.
type Fold func(prefix *Summary, next *Batch)
