package wire

import (
	"encoding/binary"
	"fmt"
	"math"

	"chatterbox/internal/core/member"
)

// PartBytesMax is how many bytes of a snapshot a Part has at most.
const PartBytesMax = 64 << 10

// Ask asks a peer for a part of a snapshot of its application's state; on a
// connection [ForReading] for a part of a batch.
type Ask struct {
	At     uint64 // position of the snapshot, 0: the newest one; or of an entry of the batch; or its number in Stream
	Offset uint64 // where the part begins, in bytes
	Stream uint64 // the place of the batch's origin, from 1; 0: At is a position
}

// Part is the answer to an Ask.
type Part struct {
	At     uint64 // position of the snapshot, or of the first entry of the batch, or its number; 0: there is none such
	Size   uint64 // bytes of the whole snapshot or batch
	Offset uint64 // where the part begins
	Bytes  []byte // at most PartBytesMax, and none only if there are none from there on
}

// PartSumBytes is how long the part of a snapshot is that begins at its end: the checksum of
// the whole, CRC-32C of the state and then its position, a little-endian u64. Nothing, from
// who does not know it.
const PartSumBytes = 4

// AppendAsk appends the frame of an ask.
func AppendAsk(dst []byte, a *Ask) []byte {
	dst, start := beginFrame(dst, KindAsk)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, a.At), a.Offset)
	if a.Stream > 0 {
		dst = binary.AppendUvarint(dst, a.Stream)
	}
	return endFrame(dst, start, 0)
}

// DecodeAsk reads the body of an ask. Errors wrap ErrMalformed.
func DecodeAsk(body []byte) (Ask, error) {
	r := reader{rest: body}
	a := Ask{At: r.varint("ask: position"), Offset: r.atMost(math.MaxInt64, "ask: offset")}
	if r.err == nil && len(r.rest) > 0 {
		if a.Stream = r.atMost(member.CountMax, "ask: stream"); a.Stream == 0 {
			r.fail("ask: no stream, which is left out")
		}
	}
	return a, r.end("ask")
}

// AppendPart appends the frame of a part. More bytes than PartBytesMax are the
// caller's mistake and panic.
func AppendPart(dst []byte, p *Part) []byte {
	if len(p.Bytes) > PartBytesMax {
		panic(fmt.Sprintf("wire: part of %d bytes, allowed are %d", len(p.Bytes), PartBytesMax))
	}
	dst, start := beginFrame(dst, KindPart)
	dst = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(dst, p.At), p.Size), p.Offset)
	return endFrame(append(dst, p.Bytes...), start, 0)
}

// DecodePart reads the body of a part, whose Bytes alias it. Errors wrap
// ErrMalformed.
func DecodePart(body []byte) (Part, error) {
	r := reader{rest: body}
	p := Part{
		At: r.varint("part: position"), Size: r.atMost(math.MaxInt64, "part: size"),
		Offset: r.atMost(math.MaxInt64, "part: offset"),
	}
	p.Bytes, r.rest = r.rest, nil
	switch end := p.Offset + uint64(len(p.Bytes)); {
	case r.err != nil:
	case len(p.Bytes) > PartBytesMax:
		r.fail("part of %d bytes, allowed are %d", len(p.Bytes), PartBytesMax)
	case end > p.Size && (p.Offset != p.Size || len(p.Bytes) != PartSumBytes):
		r.fail("part up to %d of %d bytes", end, p.Size)
	}
	return p, r.err
}
