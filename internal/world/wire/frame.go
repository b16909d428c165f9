package wire

import (
	"encoding/binary"
	"fmt"

	"chatterbox/internal/core/protocol"
)

// Kind says what the body of a frame is.
type Kind uint8

// The kinds of frames. Zero is none.
const (
	KindMessage Kind = iota + 1 // a protocol.Message
	KindBeat                    // a Beat: the sender lives
	KindHello                   // a Hello, the first frame of who dialed
	KindWelcome                 // a Welcome, the first frame of who was dialed
	KindAsk                     // an Ask for a part of a snapshot
	KindPart                    // a Part of a snapshot, the answer
	KindJoin                    // a Join: who asks to be taken in
	KindSeat                    // a Seat, the answer
)

const (
	lengthBytes = 4
	// FrameHeaderBytes is the length of a frame before its body: a length u32,
	// which counts all that follows it, and a kind u8.
	FrameHeaderBytes = lengthBytes + 1
)

// FrameBytes returns the bytes of the whole frame that p begins with; 0 means
// that p is too short to tell. It is an error if that is more than bytesMax, or
// not even a kind: the stream is then of no use any more.
func FrameBytes(p []byte, bytesMax int) (int, error) {
	if len(p) < lengthBytes {
		return 0, nil
	}
	length := uint64(binary.LittleEndian.Uint32(p))
	if length < 1 || lengthBytes+length > uint64(bytesMax) {
		return 0, malformed("frame: length %d, allowed are 1 to %d", length, bytesMax-lengthBytes)
	}
	return int(lengthBytes + length), nil
}

// CutFrame takes the first frame off p. Kind 0 without an error means that the
// frame is not complete yet, and rest is p. Body aliases p.
func CutFrame(p []byte, bytesMax int) (kind Kind, body, rest []byte, err error) {
	n, err := FrameBytes(p, bytesMax)
	if err != nil {
		return 0, nil, nil, err
	}
	if n == 0 || n > len(p) {
		return 0, nil, p, nil
	}
	kind = Kind(p[lengthBytes])
	if kind < KindMessage || kind > KindSeat {
		return 0, nil, nil, malformed("frame: unknown kind %d", kind)
	}
	return kind, p[FrameHeaderBytes:n:n], p[n:], nil
}

// beginFrame appends a frame's header, its length still open.
func beginFrame(dst []byte, kind Kind) (frame []byte, start int) {
	return append(dst, 0, 0, 0, 0, byte(kind)), len(dst)
}

// endFrame puts the length of the frame that begins at start, counting bytes
// that will follow dst. A frame that is too long is our own mistake.
func endFrame(dst []byte, start, following int) []byte {
	total := len(dst) - start + following
	if total > FrameBytesMax {
		panic(fmt.Sprintf("wire: frame of %d bytes, allowed are %d", total, FrameBytesMax))
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(total-lengthBytes))
	return dst
}

// AppendFrame appends the whole frame of a message, batches included. Where
// bytes can be gathered by the system call, AppendMessage saves the copy.
func AppendFrame(dst []byte, m *protocol.Message) []byte {
	dst = AppendMessage(dst, m)
	for i := range m.Batches {
		dst = append(dst, m.Batches[i].Bytes...)
	}
	return dst
}
