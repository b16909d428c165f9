package protocol

import (
	"bytes"
	"cmp"
	"hash/crc32"

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
	// journal, frames and delivery share it. Reducers look at its length, and compare.
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
	// Sum is a checksum of the bytes of a parked batch, 0 if nobody took it.
	Sum uint32
}

// Park returns the batch without its bytes, which the journal has, but with their
// checksum.
func (b *Batch) Park() Batch {
	parked := *b
	parked.Parked, parked.Sum = uint32(len(b.Bytes)), checksum(b.Bytes)
	parked.Bytes, parked.Buffer = nil, nil
	return parked
}

// Last returns the sequence number of the last entry.
func (b *Batch) Last() uint64 { return b.Seq + uint64(b.Count) - 1 }

// Size returns the bytes that the batch takes on the wire.
func (b *Batch) Size() int { return len(b.Bytes) + int(b.Parked) }

// Compare orders batches by time, origin and sequence number: the total order.
func (b *Batch) Compare(other *Batch) int {
	return cmp.Or(cmp.Compare(b.Time, other.Time), cmp.Compare(b.Origin, other.Origin), cmp.Compare(b.Seq, other.Seq))
}

// Equal reports whether two batches have the same place and the same content; of one
// that is parked, by its checksum if it has one.
func (b *Batch) Equal(other *Batch) bool {
	same := b.Seq == other.Seq && b.Time == other.Time && b.Count == other.Count && b.Size() == other.Size()
	switch {
	case !same:
		return false
	case b.Parked == 0 && other.Parked == 0:
		return bytes.Equal(b.Bytes, other.Bytes)
	case b.Parked == 0:
		return other.Sum == 0 || checksum(b.Bytes) == other.Sum
	case other.Parked == 0:
		return other.Equal(b)
	}
	return b.Sum == other.Sum || b.Sum == 0 || other.Sum == 0
}

// checksum is the CRC that processors have an instruction for.
func checksum(content []byte) uint32 {
	return crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))
}
