package wire

import (
	"encoding/binary"

	"chatterbox/internal/core/clock"
	"chatterbox/internal/core/member"
	"chatterbox/internal/core/protocol"
)

// BatchHeaderBytes is the length of a batch's header. It is a multiple of 8,
// so payloads of 8 bytes are aligned wherever the batch is.
const BatchHeaderBytes = 40

// The layouts of a batch, its first byte.
const (
	layoutFixed = 1 // payloads of one size, which is in the header
	layoutMixed = 2 // a column of lengths follows the payloads
	layoutKeyed = 3 // the same, and each payload has its key before it
)

// Offsets of the header's fields, all little endian.
const (
	offsetLayout   = 0  // u8, followed by a zero
	offsetOrigin   = 2  // u16
	offsetCount    = 4  // u32, entries
	offsetIdentity = 8  // u64
	offsetSeq      = 16 // u64, of the first entry
	offsetTime     = 24 // u64
	offsetPayload  = 32 // u32, bytes of all payloads together
	offsetSize     = 36 // u32, bytes of each payload (fixed) or of the column (mixed)
)

// Seal writes the place of a batch into the header that its Builder reserved:
// origin, identity, sequence number and time. The caller must have the bytes
// for itself until then; afterwards they never change. It does not allocate.
func Seal(b *protocol.Batch) {
	header := b.Bytes[:BatchHeaderBytes]
	binary.LittleEndian.PutUint16(header[offsetOrigin:], uint16(b.Origin))
	binary.LittleEndian.PutUint64(header[offsetIdentity:], uint64(b.Identity))
	binary.LittleEndian.PutUint64(header[offsetSeq:], b.Seq)
	binary.LittleEndian.PutUint64(header[offsetTime:], uint64(b.Time))
}

// putShape writes what the Builder knows of a batch into its header.
func putShape(header []byte, layout byte, count, payload, size int) {
	header[offsetLayout], header[offsetLayout+1] = layout, 0
	binary.LittleEndian.PutUint32(header[offsetCount:], uint32(count))
	binary.LittleEndian.PutUint32(header[offsetPayload:], uint32(payload))
	binary.LittleEndian.PutUint32(header[offsetSize:], uint32(size))
}

// shape is what a header says about the bytes after it. The fields are 64 bits
// wide so that no sum or product of them overflows.
type shape struct {
	layout               byte
	count, payload, size uint64
}

func shapeOf(header []byte) shape {
	return shape{
		layout:  header[offsetLayout],
		count:   uint64(binary.LittleEndian.Uint32(header[offsetCount:])),
		payload: uint64(binary.LittleEndian.Uint32(header[offsetPayload:])),
		size:    uint64(binary.LittleEndian.Uint32(header[offsetSize:])),
	}
}

// total returns the bytes of the whole batch.
func (s shape) total() uint64 {
	if s.layout != layoutFixed {
		return BatchHeaderBytes + s.payload + s.size
	}
	return BatchHeaderBytes + s.payload
}

// DecodeBatch reads the batch that p begins with into b and gives what follows
// it. b.Bytes aliases p; Prepared and Buffer become empty. All that can be
// known from the bytes alone is checked, so Payloads may trust them; errors
// wrap ErrMalformed. It does not allocate.
func DecodeBatch(p []byte, b *protocol.Batch) (rest []byte, err error) {
	if len(p) < BatchHeaderBytes {
		return nil, malformed("batch: %d bytes are less than a header", len(p))
	}
	s := shapeOf(p)
	if err := s.check(p); err != nil {
		return nil, err
	}
	total := int(s.total())
	*b = PlaceOf(p)
	b.Count, b.Bytes = uint32(s.count), p[:total:total]
	if err := checkPlace(b); err != nil {
		return nil, err
	}
	return p[total:], nil
}

// PlaceOf returns the place of the batch whose header p begins with: origin,
// identity, sequence number and time. Nothing is checked.
func PlaceOf(p []byte) protocol.Batch {
	return protocol.Batch{
		Origin:   member.ID(binary.LittleEndian.Uint16(p[offsetOrigin:])),
		Identity: member.Identity(binary.LittleEndian.Uint64(p[offsetIdentity:])),
		Seq:      binary.LittleEndian.Uint64(p[offsetSeq:]),
		Time:     clock.Time(binary.LittleEndian.Uint64(p[offsetTime:])),
	}
}

// check compares the shape with the limits and with the bytes p after it.
func (s shape) check(p []byte) error {
	switch {
	case p[offsetLayout+1] != 0 || s.layout < layoutFixed || s.layout > layoutKeyed:
		return malformed("batch: unknown layout %d.%d", p[offsetLayout], p[offsetLayout+1])
	case s.count < 1 || s.count > BatchEntriesMax:
		return malformed("batch: %d entries, allowed are 1 to %d", s.count, BatchEntriesMax)
	case s.total() > BatchBytesMax:
		return malformed("batch: %d bytes, allowed are %d", s.total(), BatchBytesMax)
	case s.total() > uint64(len(p)):
		return malformed("batch: %d bytes of %d are there", len(p), s.total())
	case s.layout == layoutFixed && s.count*s.size != s.payload:
		return malformed("batch: %d entries of %d bytes are not %d bytes", s.count, s.size, s.payload)
	case s.layout != layoutFixed:
		return s.checkColumn(p[BatchHeaderBytes:BatchHeaderBytes+s.payload], p[BatchHeaderBytes+s.payload:s.total()])
	}
	return nil
}

// checkColumn walks the lengths: as many as entries, no byte more, and
// together as long as the payloads. What is keyed must have whole keys.
func (s shape) checkColumn(payloads, column []byte) error {
	sum := uint64(0)
	for i := range s.count {
		length, n := binary.Uvarint(column)
		if n <= 0 || length > s.payload-sum {
			return malformed("batch: bad length of entry %d of %d", i, s.count)
		}
		if s.layout == layoutKeyed && !hasKey(payloads[sum:sum+length]) {
			return malformed("batch: bad key of entry %d of %d", i, s.count)
		}
		sum += length
		column = column[n:]
	}
	if sum != s.payload || len(column) != 0 {
		return malformed("batch: lengths add up to %d of %d bytes, %d bytes left over", sum, s.payload, len(column))
	}
	return nil
}

// hasKey reports whether an entry begins with a key and goes on after it.
func hasKey(entry []byte) bool {
	length, n := binary.Uvarint(entry)
	return n > 0 && length >= 1 && length <= KeyBytesMax && length < uint64(len(entry)-n)
}

// checkPlace checks what a batch says about its place in the log.
func checkPlace(b *protocol.Batch) error {
	switch {
	case b.Origin >= member.CountMax:
		return malformed("batch: origin %d, allowed are 0 to %d", b.Origin, member.CountMax-1)
	case b.Seq < 1 || b.Seq > SeqMax-uint64(b.Count)+1:
		return malformed("batch: sequence numbers from %d, allowed are 1 to %d", b.Seq, uint64(SeqMax))
	case b.Time < 1 || b.Time >= clock.Infinity:
		return malformed("batch: time %d, allowed are 1 to %d", uint64(b.Time), uint64(clock.Infinity-1))
	}
	return nil
}
