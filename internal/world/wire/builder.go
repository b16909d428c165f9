package wire

import (
	"encoding/binary"
	"fmt"

	"chatterbox/internal/core/protocol"
)

// Builder gathers payloads into the open batch, straight behind the header's
// place in a pooled buffer, so that they are not copied again. Several batches
// lie one after the other in a buffer; the builder holds one reference to it,
// each batch taken another.
//
// The lengths of payloads are gathered beside the batch from the moment when
// one differs from those before it, and are put behind the payloads at Take.
type Builder struct {
	pool  *protocol.Pool
	limit int // bytes of a batch

	buffer *protocol.Buffer
	free   int // where in buffer the next batch may begin

	open   []byte // header and payloads so far, room up to its capacity
	alone  bool   // open is one payload larger than a buffer, in memory of its own
	count  int
	size   int    // bytes of each payload so far, unless mixed
	mixed  bool   // sizes differ
	keyed  bool   // each payload has its key before it
	column []byte // the lengths, if mixed
}

// batchAlign keeps neighbours in a buffer out of each other's cache lines.
const batchAlign = 64

// NewBuilder makes a builder of batches of up to limit bytes each, 4 to 16 KiB
// being best, in buffers of the pool. It panics if the pool's buffers are
// smaller than that or limit has no room for a payload.
func NewBuilder(pool *protocol.Pool, limit int) *Builder {
	b := &Builder{pool: pool, limit: limit, buffer: pool.Get()}
	if limit <= BatchHeaderBytes || limit > min(len(b.buffer.Bytes), BatchBytesMax) {
		panic(fmt.Sprintf("wire: batches of %d bytes in buffers of %d", limit, len(b.buffer.Bytes)))
	}
	return b
}

// Len returns the number of payloads in the open batch.
func (b *Builder) Len() int { return b.count }

// Size returns the bytes of the open batch as Take would give it; 0 if it is
// empty.
func (b *Builder) Size() int {
	if b.count == 0 {
		return 0
	}
	return len(b.open) + len(b.column)
}

// Add copies a payload into the open batch. It is false if the batch has no
// room for it: Take the batch and Add again. A payload above the limit makes a
// batch of its own. More than PayloadBytesMax is the caller's mistake and
// panics.
func (b *Builder) Add(payload []byte) bool {
	if len(payload) > PayloadBytesMax {
		panic(fmt.Sprintf("wire: payload of %d bytes, allowed are %d", len(payload), PayloadBytesMax))
	}
	if b.keyed {
		return false
	}
	b.begin(len(payload))
	if left, each := b.need(len(payload)); left < each || b.count == BatchEntriesMax {
		return false
	}
	b.open = append(b.open, payload...)
	b.note(len(payload), 1)
	return true
}

// AddKeyed is Add for a payload with a key of 1 to KeyBytesMax bytes. Payloads
// with and without keys do not share a batch.
func (b *Builder) AddKeyed(key string, payload []byte) bool {
	if len(payload) > PayloadBytesMax || len(key) < 1 || len(key) > KeyBytesMax {
		panic(fmt.Sprintf("wire: key of %d bytes and payload of %d, allowed are 1 to %d and %d",
			len(key), len(payload), KeyBytesMax, PayloadBytesMax))
	}
	size := varintBytes(len(key)) + len(key) + len(payload)
	if b.count > 0 && !b.keyed {
		return false
	}
	b.begin(size + varintBytes(size))
	if b.count == 0 {
		b.keyed, b.mixed = true, true
	}
	if left, each := b.need(size); left < each || b.count == BatchEntriesMax {
		return false
	}
	b.open = binary.AppendUvarint(b.open, uint64(len(key)))
	b.open = append(append(b.open, key...), payload...)
	b.note(size, 1)
	return true
}

// Fill lets the caller write payloads of size bytes each straight into the
// open batch: dst has room for one or more, side by side, and fill gives how
// many bytes it wrote, whole payloads from the start. Fill gives the number of
// payloads that this added; 0 means that the batch is full or fill had none.
func (b *Builder) Fill(size int, fill func(dst []byte) (n int)) int {
	if size < 1 || size > PayloadBytesMax {
		panic(fmt.Sprintf("wire: fill with payloads of %d bytes, allowed are 1 to %d", size, PayloadBytesMax))
	}
	if b.keyed {
		return 0
	}
	b.begin(size)
	room := b.room(size)
	if room < 1 {
		return 0
	}
	end := len(b.open)
	n := fill(b.open[end : end+room*size : end+room*size])
	if n < 0 || n > room*size || n%size != 0 {
		panic(fmt.Sprintf("wire: filled %d bytes of %d with payloads of %d bytes", n, room*size, size))
	}
	if n > 0 {
		b.open = b.open[:end+n]
		b.note(size, n/size)
	}
	return n / size
}

// Take closes the open batch and gives it: count, shape and lengths are
// written, its place is up to Seal. The caller owns one reference to the
// batch's Buffer. A batch without entries (Count 0) means that there was none.
func (b *Builder) Take() protocol.Batch {
	if b.count == 0 {
		return protocol.Batch{}
	}
	payload := len(b.open) - BatchHeaderBytes
	if b.mixed {
		layout := byte(layoutMixed)
		if b.keyed {
			layout = layoutKeyed
		}
		b.open = append(b.open, b.column...)
		putShape(b.open, layout, b.count, payload, len(b.column))
	} else {
		putShape(b.open, layoutFixed, b.count, payload, b.size)
	}
	batch := protocol.Batch{Count: uint32(b.count), Bytes: b.open[:len(b.open):len(b.open)]}
	if !b.alone {
		batch.Buffer = b.buffer
		b.buffer.Retain()
		b.free += (len(b.open) + batchAlign - 1) &^ (batchAlign - 1)
	}
	b.open, b.alone, b.count, b.size, b.mixed, b.keyed, b.column = nil, false, 0, 0, false, false, b.column[:0]
	return batch
}

// Close drops the open batch and gives the builder's reference back. The
// builder must not be used afterwards.
func (b *Builder) Close() {
	b.buffer.Release()
	b.buffer, b.open = nil, nil
}

// begin finds memory for the open batch, if it has none yet that a payload fits
// into. One that is larger than a buffer gets memory of its own.
func (b *Builder) begin(size int) {
	need := BatchHeaderBytes + size
	if b.count > 0 || cap(b.open) >= need {
		return
	}
	need = max(need, b.limit)
	b.alone = need > len(b.buffer.Bytes)
	if b.alone {
		b.open = make([]byte, BatchHeaderBytes, need)
		return
	}
	if b.free+need > len(b.buffer.Bytes) {
		b.buffer.Release()
		b.buffer, b.free = b.pool.Get(), 0
	}
	b.open = b.buffer.Bytes[b.free : b.free+BatchHeaderBytes : b.free+need]
}

// room returns how many more payloads of a size the open batch can take.
func (b *Builder) room(size int) int {
	left, each := b.need(size)
	return min(left/each, BatchEntriesMax-b.count)
}

// need returns the bytes that are left in the open batch and those that a payload
// of a size takes, both with the lengths that it may force to be written.
func (b *Builder) need(size int) (left, each int) {
	left = cap(b.open) - len(b.open)
	switch {
	case b.mixed:
		return left - len(b.column), size + varintBytes(size)
	case b.count > 0 && size != b.size:
		return left - b.count*varintBytes(b.size), size + varintBytes(size)
	}
	return left, size
}

// note counts payloads of a size, and begins the column of lengths at the
// first that differs.
func (b *Builder) note(size, count int) {
	if b.count == 0 {
		b.size = size
	}
	if !b.mixed && size != b.size {
		b.mixed = true
		b.lengths(b.size, b.count)
	}
	if b.mixed {
		b.lengths(size, count)
	}
	b.count += count
}

func (b *Builder) lengths(size, count int) {
	for range count {
		b.column = binary.AppendUvarint(b.column, uint64(size))
	}
}

// varintBytes returns the bytes that a length takes in the column.
func varintBytes(size int) int {
	n := 1
	for ; size >= 0x80; size >>= 7 {
		n++
	}
	return n
}
