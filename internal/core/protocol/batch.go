package protocol

import (
	"bytes"
	"cmp"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
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
	// Prepared is what the application made of the payloads while they were
	// warm in the cache; it travels along to the delivery, in memory only.
	Prepared any
	// Buffer is the counted memory that Bytes lies in; nil leaves it to the
	// garbage collector. Whoever keeps a batch over a step owns one reference.
	Buffer *Buffer `state:"const"`
	// Parked is the size of a batch whose Bytes are not in memory but in the
	// journal; else 0. The driver has them loaded before anybody outside of the
	// reducer sees the batch.
	Parked uint32
}

// Last returns the sequence number of the last entry.
func (b *Batch) Last() uint64 { return b.Seq + uint64(b.Count) - 1 }

// Size returns the bytes that the batch takes on the wire.
func (b *Batch) Size() int { return len(b.Bytes) + int(b.Parked) }

// Compare orders batches by time, origin and sequence number: the total order.
func (b *Batch) Compare(other *Batch) int {
	return cmp.Or(cmp.Compare(b.Time, other.Time), cmp.Compare(b.Origin, other.Origin), cmp.Compare(b.Seq, other.Seq))
}

// Equal reports whether two batches have the same place and the same content, as
// far as that is in memory.
func (b *Batch) Equal(other *Batch) bool {
	same := b.Seq == other.Seq && b.Time == other.Time && b.Count == other.Count && b.Size() == other.Size()
	return same && (b.Parked > 0 || other.Parked > 0 || bytes.Equal(b.Bytes, other.Bytes))
}
